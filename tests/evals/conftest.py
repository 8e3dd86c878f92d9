"""Suites of a few small tasks, and what a run may have left, as the checks see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentloop_nb.evals.judge import Judged, Left, judge
from agentloop_nb.evals.task import Criterion, Task
from agentloop_nb.isolated.codec import Packer

TASK = """
goal = "Bind the sum of the amounts in sales.csv to total."
checks = ["close(total, 60)"]
guards = ["untouched()"]
inline = { "sales.csv" = "city,amount\\nRome,10\\nOslo,50\\n" }
[reference]
code = "total = sum(int(line.split(',')[1]) for line in open('sales.csv').read().split()[1:])"
says = "The total is 60."
"""


@pytest.fixture
def suite(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of tasks from their TOML, by name."""

    def make(**tasks: str) -> Path:
        folder = tmp_path / "suite"
        folder.mkdir(exist_ok=True)
        for name, text in tasks.items():
            folder.joinpath(f"{name}.toml").write_text(text, encoding="utf-8")
        return folder

    return make


@pytest.fixture
def judged(tmp_path: Path) -> Callable[..., Judged]:
    """Evaluates one check on values, files and an answer."""

    def evaluate(expression: str, files: dict[str, Any] | None = None, **left: Any) -> Judged:
        folder, packed = tmp_path / "left", tmp_path / "packed"
        for each in (folder, packed):
            each.mkdir(exist_ok=True)
        for name, content in (files or {}).items():
            path = folder / name
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        values = left.pop("values", {})
        for number, (_, value) in enumerate(values.items()):
            place = packed / str(number)
            place.mkdir(exist_ok=True)
            Packer(place).save(value, "value.json")
        task = Task("one", "a goal", (Criterion(expression),), **left.pop("task", {}))
        return judge([(task, Left(folder, packed, list(values), **left))])[0][0]

    return evaluate
