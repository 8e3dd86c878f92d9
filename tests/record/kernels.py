"""Runs made in a real kernel: the user's cells, then `%%agent` with decisions from a script."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager

from agentloop_nb.decision import parse
from agentloop_nb.events import DecisionMade
from agentloop_nb.record import journal, locating
from agentloop_nb.testing import code, finish
from tests.record.made import started

_FORGET = """import sys
for module in [sys.modules.get("agentloop_nb.notebook.kernel.cell_history")]:
    module and module._ran.clear()
del sys, module"""
"""Makes a shared kernel forget what code earlier runs executed, which a later one would bring along."""

Script = Sequence[str | dict[str, Any]]


class Kernel:
    """A kernel of this environment whose current folder is `folder`."""

    def __init__(self, folder: Path, client: BlockingKernelClient, manager: KernelManager) -> None:
        self.folder = folder
        self.client = client
        self.manager = manager

    def run(self, source: str, timeout: float = 60, *, aside: bool = False) -> list[dict[str, Any]]:
        """Run a cell to its end and return its outputs; `aside` leaves it out of the history."""
        outputs: list[dict[str, Any]] = []

        def hook(message: dict[str, Any]) -> None:
            if message["header"]["msg_type"] in ("stream", "error", "execute_result", "display_data"):
                outputs.append(message["content"])

        self.client.execute_interactive(
            source, timeout=timeout, output_hook=hook, allow_stdin=False, store_history=not aside
        )
        return outputs

    def text(self, source: str) -> str:
        """What a cell prints, or the error it ends with."""
        outputs = self.run(source)
        return "".join(str(out.get("text", "")) + str(out.get("evalue", "")) for out in outputs)


@contextlib.contextmanager
def kernel(folder: Path) -> Iterator[Kernel]:
    manager = KernelManager()
    manager.kernel_spec.argv[0] = sys.executable
    manager.start_kernel(cwd=str(folder))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield Kernel(folder, client, manager)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def script(path: Path, decisions: Script) -> Path:
    """A record that holds decisions and nothing else; a string is code. The last decision is to finish."""
    made = [code(each) if isinstance(each, str) else each for each in decisions]
    if made[-1]["action"]["name"] != "finish":
        made.append(finish("That is it."))
    record = journal.Journal(path, fresh=True)
    record.append(started(run=path.stem))
    for number, each in enumerate(made, 1):
        import json

        record.append(DecisionMade(step=number, decision=parse(json.dumps(each))))
    record.close()
    return path


def recorded_run(
    folder: Path, decisions: Script, cells: Sequence[str] = (), goal: str = "Do the work", shared: Kernel | None = None
) -> Path:
    """Run the cells and then the agent in a kernel of their own, and return the record of the run.

    Without cells, a `shared` kernel will do: its namespace is emptied, and it moves into the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    replayed = script(folder.parent / f"{folder.name}-decisions.jsonl", decisions)
    with contextlib.nullcontext(shared) if shared and not cells else kernel(folder) as live:
        assert live is not None
        live.run("%reset -f", aside=True)
        live.run(_FORGET, aside=True)
        live.run(f"import os; os.chdir({str(folder)!r}); del os", aside=True)
        for cell in cells:
            live.run(cell)
        live.run("%load_ext agentloop_nb")
        said = live.run(f"%%agent -m replay:{replayed} {goal}", timeout=120)
    paths = sorted(locating.runs_folder(folder).glob("*.jsonl"))
    assert paths, said
    return paths[-1]
