"""Reads the dev tasks of DABstep, which come with answers, from a folder that the person has; nothing is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentloop_nb.errors import UserError
from agentloop_nb.evals.json_lines import read_json_lines
from agentloop_nb.evals.task import Criterion, Task

_PLACES = ("data/tasks/dev.jsonl", "tasks/dev.jsonl", "dev.jsonl")


def questions_file(folder: Path) -> Path | None:
    """Return the dev tasks in a folder, if they and the files they are about are there."""
    found = (folder / place for place in _PLACES)
    return next((path for path in found if path.is_file() and _context(path).is_dir()), None)


def read(questions: Path) -> Sequence[Task]:
    """Make a task of each question. Raises `UserError`."""
    files = {path.name: path for path in sorted(_context(questions).iterdir()) if path.is_file()}
    return [_task(each, files, questions) for each in read_json_lines(questions)]


def _context(questions: Path) -> Path:
    """Return the folder of the files that all questions are about."""
    home = questions.parent.parent if questions.parent.name == "tasks" else questions.parent
    return home / "context"


def _task(question: dict[str, Any], files: dict[str, Path], source: Path) -> Task:
    number, answer = str(question.get("task_id")), str(question.get("answer") or "")
    if not answer or not question.get("question"):
        raise UserError(f"task {number} of {source} has no question or no answer; only the dev tasks come with answers")
    goal = (
        f"{question['question']}\n{question.get('guidelines') or ''}\n"
        f"The data and what is known about it are in these files of your folder: {', '.join(files)}.\n"
        "End your answer with a line that says Answer: and then only the answer."
    )
    return Task(
        name=f"dabstep-{number}",
        goal=goal,
        area=str(question.get("level", "")),
        files=files,
        criteria=(Criterion(f"answer_is({answer!r})"),),
        needs=("pandas",),
    )
