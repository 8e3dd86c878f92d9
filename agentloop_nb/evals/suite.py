"""Suites: folders of tasks, the packaged one, and the known benchmarks in the form they are published in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path

from agentloop_nb._internal.paths import typed_path
from agentloop_nb.errors import UserError
from agentloop_nb.evals import dabench, dabstep
from agentloop_nb.evals.task import Task, read_task

PACKAGED = Path(__file__).parent
"""Where the suites of this package lie."""
BASICS = "basics"


@dataclass(frozen=True)
class Suite:
    """Tasks under one name."""

    name: str
    tasks: tuple[Task, ...]

    def spread(self, count: int | None) -> Suite:
        """So many of its tasks, evenly spread, always the same; None is all."""
        total = len(self.tasks)
        if count is None or count >= total:
            return self
        return Suite(self.name, tuple(self.tasks[number * total // count] for number in range(count)))


def load_suite(typed: str) -> Suite:
    """Read all tasks of a suite, by the name of a packaged one or a folder. Raises `UserError`."""
    folder = PACKAGED / BASICS if typed in ("", BASICS) else typed_path(typed)
    if not folder.is_dir():
        raise UserError(f"there is no suite {typed!r}: name a folder of tasks (*.toml), or {BASICS}")
    tasks = _tasks(folder)
    if not tasks:
        raise UserError(f"{folder} holds no tasks; a task is a TOML file with a goal and checks (docs/guides/eval.md)")
    return Suite(folder.resolve().name, tuple(tasks))


def _tasks(folder: Path) -> Sequence[Task]:
    if found := dabench.questions_file(folder):
        return dabench.read(found)
    if found := dabstep.questions_file(folder):
        return dabstep.read(found)
    return [read_task(path) for path in sorted(folder.glob("*.toml"))]


def refuse_missing_modules(tasks: Sequence[Task]) -> None:
    """Raise `UserError` where tasks need modules that are not installed: they would measure nothing."""
    needed = {name for task in tasks for name in task.needs}
    if missing := sorted(name for name in needed if util.find_spec(name) is None):
        raise UserError(
            f"the tasks need {', '.join(missing)}, which is not installed: pip install {' '.join(missing)} "
            "(those of basics: pip install 'agentloop-nb[evals]')"
        )
