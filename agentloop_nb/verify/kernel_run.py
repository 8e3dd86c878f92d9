"""Runs a notebook in a fresh kernel: a clean folder, the input files, no key, no network, none of this package."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from agentloop_nb._internal.clean_env import plain_environment

Json = dict[str, Any]

_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/proc", "/sys", "/dev", "/opt", "/var", "/run", "/nix")
"""Where the system's own files lie."""
_NOWHERE = "http://127.0.0.1:9"


@dataclass
class Performance:
    """What a notebook did in a fresh kernel."""

    folder: Path
    """Where it ran; gone by now."""
    outputs: dict[str, list[Json]] = field(default_factory=dict)
    """Of each code cell that was run, by its id."""
    updated: set[str] = field(default_factory=set)
    """Cells that changed something shown already (a display updated in place)."""
    refused: list[tuple[str, str, str]] = field(default_factory=list)
    """Cell, kind (`network`, `file`) and what it was that the code asked for and was refused."""
    died: tuple[str, str] | None = None
    """The cell at which the kernel died or ran out of time, and which of the two."""


def perform(notebook: Json, inputs: Mapping[str, Path], *, home: Path, timeout: int, hash_seed: int) -> Performance:
    """Run a notebook to its end.

    `inputs` are files by the name that the notebook knows them by; `home` is the folder it comes from, which it must
    not see; `timeout` is in seconds for each cell.
    """
    with tempfile.TemporaryDirectory(prefix="agentloop-verify-") as name:
        root = Path(name).resolve()
        folder = root / "work"
        for each in (folder, root / "home"):
            each.mkdir()
        for path, source in inputs.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / path)
        run = _Run(notebook, root, folder)
        _wait(run.perform(_environment(root, home, hash_seed), timeout))
        return run.performance


def _wait(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end in a thread of its own: the caller may be inside a running event loop."""
    with ThreadPoolExecutor(1, "agentloop-verify") as pool:
        pool.submit(asyncio.run, work).result()


class _Run:
    def __init__(self, notebook: Json, root: Path, folder: Path) -> None:
        self.performance = Performance(folder)
        self._folder = folder
        self._log = root / "refused.jsonl"
        self._notebook = nbformat.from_dict(notebook)

    async def perform(self, environment: dict[str, str], timeout: int) -> None:
        manager = AsyncKernelManager(kernel_spec_manager=_ThisPython(), kernel_name="fresh")
        if os.name == "posix":  # sockets in the folder: no port can be taken by another
            manager.transport, manager.ip = "ipc", str(self._folder.parent / "kernel")
        client = _Client(self._notebook, km=manager, timeout=timeout, allow_errors=True, store_widget_state=True)
        try:
            await client.async_start_new_kernel(cwd=str(self._folder), env=environment, stderr=subprocess.DEVNULL)
            await client.async_start_new_kernel_client()
            await self._cells(client)
        finally:
            if client.kc is not None:
                client.kc.stop_channels()
            with contextlib.suppress(RuntimeError):
                await manager.shutdown_kernel(now=True)

    async def _cells(self, client: _Client) -> None:
        for index, cell in enumerate(self._notebook.cells):
            if cell.cell_type != "code":
                continue
            client.updated = False
            try:
                await client.async_execute_cell(cell, index, store_history=False)
            except CellTimeoutError:
                self.performance.died = (cell.id, "timeout")
                return
            except DeadKernelError:
                self.performance.died = (cell.id, "death")
                return
            self.performance.outputs[cell.id] = [dict(output) for output in cell.outputs]
            if client.updated:
                self.performance.updated.add(cell.id)
            self._note_refusals(cell.id)

    def _note_refusals(self, cell: str) -> None:
        if not self._log.exists():
            return
        lines = self._log.read_text(encoding="utf-8").splitlines()
        known = len(self.performance.refused)
        for line in lines[known:]:
            entry = json.loads(line)
            self.performance.refused.append((cell, entry["kind"], entry["what"]))


class _Client(NotebookClient):  # type: ignore[misc]
    """Notes when a cell changes an output in place: nbval does not follow that."""

    updated = False

    def process_message(self, msg: Json, cell: Any, cell_index: int) -> Any:
        self.updated = self.updated or msg["msg_type"] in ("update_display_data", "clear_output")
        return super().process_message(msg, cell, cell_index)


class _ThisPython(KernelSpecManager):
    """Knows one kernel: the Python of this process, jailed."""

    def get_kernel_spec(self, kernel_name: str) -> Any:
        jail = Path(__file__).with_name("restricted_kernel.py").read_text(encoding="utf-8")
        return KernelSpec(argv=[sys.executable, "-c", jail, "-f", "{connection_file}"], display_name="fresh")


def _environment(root: Path, home: Path, hash_seed: int) -> dict[str, str]:
    plain = plain_environment(root / "home")
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"), _NOWHERE)
    return plain | proxies | {
        "PYTHONHASHSEED": str(hash_seed),
        "PIP_NO_INDEX": "1",
        "no_proxy": "localhost,127.0.0.1",
        "AGENTLOOP_JAIL": json.dumps(_walls(root, home, plain["XDG_CACHE_HOME"])),
    }  # fmt: skip


def _walls(root: Path, home: Path, cache: str) -> dict[str, Any]:
    """What the jail lets through: the clean folder, what is installed, and the system's own."""
    temporary = tempfile.gettempdir()
    installed = {sys.prefix, sys.base_prefix, sys.exec_prefix, site.getuserbase(), cache, *filter(None, sys.path)}
    installed |= {str(Path(place).resolve()) for place in installed}
    own = sorted(place for place in installed if not home.is_relative_to(place))
    return {
        "own": [str(root), *own],
        "allowed": [*_SYSTEM, temporary, str(Path(temporary).resolve()), _runtime_folder()],
        "denied": [str(home)],
        "log": str(root / "refused.jsonl"),
    }


def _runtime_folder() -> str:
    from jupyter_core.paths import jupyter_runtime_dir

    return str(jupyter_runtime_dir())
