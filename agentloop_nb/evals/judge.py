"""Has checks evaluated in a bounded process that knows nothing but the files and values of the run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from agentloop_nb._internal.held_folder import HeldFolder
from agentloop_nb._internal.safe_files import fingerprint
from agentloop_nb.errors import UserError
from agentloop_nb.evals.check_process import SECONDS
from agentloop_nb.evals.task import Task
from agentloop_nb.isolated.process import clean_environment

START = "from agentloop_nb.evals.check_process import main; main()"
"""What the process runs."""
SPARE = 30
"""Seconds beyond those of all checks, for starting and for building values."""


class Judged(NamedTuple):
    """What a check yielded."""

    expression: str
    guard: bool
    held: bool
    why: str = ""
    """What speaks against it."""


@dataclass(frozen=True)
class Left:
    """What a run left: its folder, its variables as data, and what it said."""

    folder: Path
    packed: Path | None = None
    names: Sequence[str] = ()
    """Names of variables; the value of each lies in `packed`, in a folder named by its number."""
    refused: Mapping[str, str] = field(default_factory=dict)
    status: str = ""
    summary: str = ""


def judge(cases: Iterable[tuple[Task, Left]]) -> list[list[Judged]]:
    """Evaluate the checks of tasks on what their runs left, all in one process."""
    cases = list(cases)
    with HeldFolder("checks") as home:
        found = _answer([_job(task, left, Path(home)) for task, left in cases], Path(home))
    return [
        [Judged(*criterion, *result) for criterion, result in zip(task.criteria, results, strict=True)]
        for (task, _), results in zip(cases, found, strict=True)
    ]


def refuse_certain(tasks: Iterable[Task]) -> None:
    """Raise `UserError` for a check that holds before anything is done, and is not marked as a guard."""
    tasks = list(tasks)
    with HeldFolder("checks") as place:
        folders = [Path(place, str(number)) for number, _ in enumerate(tasks)]
        for task, folder in zip(tasks, folders, strict=True):
            task.furnish(folder)
        results = judge((task, Left(folder)) for task, folder in zip(tasks, folders, strict=True))
    for task, judged in zip(tasks, results, strict=True):
        for each in judged:
            if each.held and not each.guard:
                raise UserError(
                    f"task {task.name}: the check {each.expression!r} holds before anything is done, so it cannot "
                    "fail; check what the run makes, or list it under guards"
                )


def _job(task: Task, left: Left, place: Path) -> dict[str, Any]:
    aside = place / "given"
    given = {name: fingerprint(path) for name, path in task.files.items()}
    for name, text in task.inline.items():
        aside.write_bytes(text.encode())
        given[name] = fingerprint(aside)
    return {
        "folder": str(left.folder),
        "packed": str(left.packed or ""),
        "names": list(left.names),
        "refused": dict(left.refused),
        "status": left.status,
        "summary": left.summary,
        "given": given,
        "expected": {name: str(path) for name, path in task.expected.items()},
        "expressions": [each.expression for each in task.criteria],
    }


def _answer(jobs: list[dict[str, Any]], home: Path) -> list[list[tuple[bool, str]]]:
    """Return what the process says; where it says nothing, no check holds."""
    longest = SPARE + SECONDS * max((len(job["expressions"]) for job in jobs), default=0)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", START],
            input=json.dumps(jobs).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=clean_environment(home),
            cwd=home,
            timeout=longest,
            start_new_session=True,  # Ctrl-C is for the runs; what is judged is judged
            check=True,
        )
        found = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return _none(jobs, f"the checks took longer than {longest} s")
    except (subprocess.CalledProcessError, ValueError) as error:
        return _none(jobs, f"the checks could not be evaluated ({type(error).__name__})")
    return [[(bool(held), str(why)) for held, why in each] for each in found]


def _none(jobs: list[dict[str, Any]], why: str) -> list[list[tuple[bool, str]]]:
    return [[(False, why) for _ in job["expressions"]] for job in jobs]
