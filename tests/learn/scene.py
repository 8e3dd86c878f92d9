"""A folder with data, a notebook in a real kernel, a scripted model, and a person who answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.record.kernels import Kernel, kernel
from tests.wire import Item, Wire, decision, finish

SALES = "region,amount\nN,10\nS,20\nN,30\n"
STEPS = [
    decision("run_code", code="import csv\n\nrows = list(csv.DictReader(open('sales.csv')))\nlen(rows)"),
    decision("run_code", code="total = sum(int(row['amount']) for row in rows if row['region'] == 'N')\nprint(total)"),
    finish("It is 40."),
]
CODE = '''\
import csv


def total_of(path: str, region: str = "N") -> int:
    """Add up the amounts of one region in a file of sales."""
    with open(path) as file:
        return sum(int(row["amount"]) for row in csv.DictReader(file) if row["region"] == region)
'''


def proposed(
    code: str = CODE, call: str = "total_of('sales.csv', region='N')", result: str = "total"
) -> dict[str, Any]:
    """What a model replies when it is asked for a function."""
    return decision("propose_function", code=code, call=call, result=result)


class Scene:
    """A kernel whose folder holds `sales.csv`, and the server of its model."""

    def __init__(self, live: Kernel, wire: Wire) -> None:
        self.live, self.wire, self.folder = live, wire, live.folder
        self.told = ""

    def run(self, goal: str, *steps: Item, options: str = "") -> str:
        """Run a goal with these decisions, and return what the cell shows as text."""
        self.wire.script += steps
        return self.said(f"%%agent {options} {goal}")

    def said(self, source: str, *answers: str, attended: bool = False) -> str:
        """Run a cell and answer its questions; returns what it shows as text."""
        shown: list[str] = []
        left = list(answers)
        client = self.live.client

        def output(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["header"]["msg_type"] in ("stream", "error"):
                shown.append(str(content.get("text", "")) + str(content.get("evalue", "")))

        def asked(message: dict[str, Any]) -> None:
            shown.append(message["content"]["prompt"] + "\n")
            client.input(left.pop(0) if left else "n")

        client.execute_interactive(
            source, timeout=300, output_hook=output, stdin_hook=asked, allow_stdin=attended or bool(answers)
        )
        assert not left, f"nobody asked for {left}: {shown}"
        return "".join(shown)


@contextmanager
def scene(folder: Path, *steps: Item) -> Iterator[Scene]:
    """Open a notebook in a folder with data."""
    (folder / "sales.csv").write_text(SALES)
    with Wire(steps) as wire, kernel(folder) as live:
        live.run("%load_ext agentloop_nb")
        live.run(f"import os; os.environ['OPENAI_BASE_URL'] = {wire.base_url!r}; del os", aside=True)
        live.run("%config AgentMagics.model = 'm'", aside=True)
        yield Scene(live, wire)


@contextmanager
def scene_of_its_own(home: Path) -> Iterator[Scene]:
    """Open a notebook whose user has agreed to nothing before, anywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(home / "data"))
        (home / "work").mkdir()
        with scene(home / "work") as made:
            yield made
