"""Reads the closed-form questions of InfiAgent-DABench from a folder that the person has; nothing is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentloop_nb.errors import UserError
from agentloop_nb.evals.json_lines import read_json_lines
from agentloop_nb.evals.task import Criterion, Task

QUESTIONS, LABELS, TABLES = "da-dev-questions.jsonl", "da-dev-labels.jsonl", "da-dev-tables"


def questions_file(folder: Path) -> Path | None:
    """Return the benchmark's questions in a folder or its `data`, if they are there."""
    return next((path for path in (folder / QUESTIONS, folder / "data" / QUESTIONS) if path.is_file()), None)


def read(questions: Path) -> Sequence[Task]:
    """Make a task of each question. Raises `UserError`."""
    labels = {str(each.get("id")): each for each in read_json_lines(questions.with_name(LABELS))}
    return [_task(each, labels, questions.with_name(TABLES)) for each in read_json_lines(questions)]


def _task(question: dict[str, Any], labels: dict[str, dict[str, Any]], tables: Path) -> Task:
    number = str(question.get("id"))
    try:
        table = tables / str(question["file_name"])
        wanted = {str(name): str(value) for name, value in labels[number]["common_answers"]}
        goal = (
            f"{question['question']}\n{question['constraints']}\nThe data is in {table.name}.\n"
            f"End your answer with the result in exactly this form: {question['format']}"
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"question {number} of {tables.parent} is not in the form of DABench: {error!r}") from None
    if table.parent != tables or not table.is_file():
        raise UserError(f"question {number} needs {table.name}, which is not in {tables}")
    return Task(
        name=f"dabench-{number}",
        goal=goal,
        area=str(question.get("level", "")),
        files={table.name: table},
        criteria=(Criterion(f"answers_match({wanted!r})"),),
        needs=("pandas",),
    )
