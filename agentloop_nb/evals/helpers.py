"""What the checks of a task can call: files, tables, numbers, text and figures of a run that is over.

They run in a process of their own. Nothing here imports more than Python itself before it is needed.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sqlite3
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from agentloop_nb.evals.closed_answers import final_answer, named_answers, numbers, plain_text, same_answer, same_value
from agentloop_nb.evals.value_compare import TOLERANCE, difference, near, table_difference

BUILTINS: dict[str, Any] = {
    each.__name__: each
    for each in (
        *(abs, all, any, bool, dict, enumerate, filter, float, frozenset, int, isinstance, len, list, map, max, min),
        *(pairwise, range, repr, reversed, round, set, sorted, str, sum, tuple, type, zip),
    )
} | {"True": True, "False": False, "None": None}
"""The part of Python's own functions that a check may call."""
HELPERS = {
    *("values", "status", "summary", "answers", "final_answer", "files", "figures", "pd", "np", "math", "re"),
    *("exists", "text", "lines", "data", "table", "sql", "unchanged", "untouched", "expected"),
    *("close", "same_table", "said", "answer_is", "answers_match", "figure", "bars", "line", "points"),
}
"""Names that stand for something of the run, and functions."""


class Helpers:
    """The helpers of one run. What they find wrong is noted in `remarks`, a line each."""

    def __init__(
        self, folder: Path, summary: str, given: Mapping[str, str], wanted: Mapping[str, str], figures: list[Any]
    ) -> None:
        """`given` are the SHA-256 of the files that the run found; `wanted` the paths of the expected ones."""
        self._folder, self._summary, self._given, self._wanted = folder.resolve(), summary, given, wanted
        self._figures = figures
        self.remarks: list[str] = []

    def namespace(self) -> dict[str, Any]:
        """All helpers by name, but for `values` and `status`."""
        bound: dict[str, Any] = {
            name: getattr(self, name) for name in HELPERS if callable(getattr(type(self), name, None))
        }
        bound |= {"summary": self._summary, "answers": named_answers(self._summary), "math": math, "re": re}
        return bound | {"final_answer": final_answer(self._summary), "files": self._names(), "figures": self._figures}

    def _wrong(self, remark: str) -> bool:
        self.remarks.append(remark)
        return False

    # -- files

    def _names(self) -> list[str]:
        """Files of the run's folder that are not hidden."""
        found = (path.relative_to(self._folder) for path in self._folder.rglob("*") if path.is_file())
        return sorted(path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))

    def _path(self, name: str) -> Path:
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            raise FileNotFoundError(f"there is no file {name}")
        return path

    def exists(self, name: str) -> bool:
        """Whether the run's folder has a file."""
        return (self._folder / name).is_file() or self._wrong(f"there is no file {name}")

    def text(self, name: str) -> str:
        """Return the text of a file."""
        return self._path(name).read_text(encoding="utf-8-sig")

    def lines(self, name: str) -> list[str]:
        """Return the lines of a file that are not empty."""
        return [line for line in self.text(name).splitlines() if line.strip()]

    def data(self, name: str) -> Any:
        """Return the content of a JSON file."""
        return json.loads(self.text(name))

    def table(self, name: str, **options: Any) -> Any:
        """Return a table from a file: CSV, TSV, JSON or Excel by its suffix; options are those of pandas."""
        return _read_table(self._path(name), options)

    def expected(self, name: str, **options: Any) -> Any:
        """Return a table of the suite that only the checks know."""
        if name not in self._wanted:
            raise FileNotFoundError(f"the task lists no {name} under expected")
        return _read_table(Path(self._wanted[name]), options)

    def sql(self, name: str, query: str) -> list[tuple[Any, ...]]:
        """Return the rows that a query yields in an SQLite file, which is opened to read."""
        connection = sqlite3.connect(f"{self._path(name).as_uri()}?mode=ro", uri=True)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def unchanged(self, name: str) -> bool:
        """Whether a file that the run was given is as it was."""
        path = self._folder / name
        if not path.is_file():
            return self._wrong(f"{name} is gone")
        same = hashlib.sha256(path.read_bytes()).hexdigest() == self._given.get(name)
        return same or self._wrong(f"{name} was changed")

    def untouched(self) -> bool:
        """Whether all files that the run was given are as they were."""
        return all(self.unchanged(name) for name in self._given)

    # -- values

    def close(self, one: Any, other: Any, tol: float = TOLERANCE) -> bool:
        """Whether numbers, or lists and dicts of them, are the same within a tolerance."""
        found = difference(one, other, tol)
        return not found or self._wrong(found)

    def same_table(self, one: Any, other: Any, tol: float = TOLERANCE, *, ordered: bool = False) -> bool:
        """Whether two tables have the same columns and rows, within a tolerance; the order counts where asked."""
        found = table_difference(one, other, tol, ordered=ordered)
        return not found or self._wrong(found)

    # -- text

    def said(self, what: Any, tol: float = 1e-4) -> bool:
        """Whether the answer names a number (within a relative tolerance) or a phrase, whatever its case."""
        if isinstance(what, str):
            found = re.search(rf"(?<!\w){re.escape(plain_text(what))}(?!\w)", plain_text(self._summary)) is not None
        else:
            found = any(near(number, float(what), tol) for number in numbers(self._summary))
        return found or self._wrong(f"the answer does not say {what}")

    def answers_match(self, wanted: Mapping[str, str]) -> bool:
        """Whether the answer has `@name[value]` for each name, with that value."""
        given = named_answers(self._summary)
        wrong = [name for name, value in wanted.items() if not same_value(given.get(name), str(value))]
        told = (f"@{name} is {given.get(name, 'missing')}, not {wanted[name]}" for name in wrong)
        return not wrong or self._wrong("; ".join(told))

    def answer_is(self, wanted: Any) -> bool:
        """Whether the last line `Answer: ...` gives a number, a list or a text: rounding, order and case aside."""
        given = final_answer(self._summary)
        return same_answer(given, str(wanted)) or self._wrong(f"the answer is {given or 'missing'}, not {wanted}")

    # -- figures

    def figure(self, name: str | None = None) -> dict[str, Any]:
        """Return what a figure shows: the one bound to a name, else the last."""
        found = [each for each in self._figures if name is None or each["name"] == name]
        if not found:
            raise LookupError(f"there is no figure {name}" if name else "there is no figure")
        return dict(found[-1])

    def bars(self, name: str | None = None, axes: int = 0) -> dict[str, float]:
        """Return the bars of a figure: label -> length."""
        return dict(self.figure(name)["axes"][axes]["bars"])

    def line(self, index: int = 0, name: str | None = None, axes: int = 0) -> dict[str, Any]:
        """Return a line of a figure: its `x`, `y` and `label`."""
        return dict(self.figure(name)["axes"][axes]["lines"][index])

    def points(self, index: int = 0, name: str | None = None, axes: int = 0) -> list[list[float]]:
        """Return the points of a scatter plot, each an x and a y."""
        return list(self.figure(name)["axes"][axes]["points"][index])


def _read_table(path: Path, options: dict[str, Any]) -> Any:
    import pandas as pd

    match path.suffix.lower():
        case ".json":
            return pd.read_json(path, **options)
        case ".xlsx" | ".xls":
            return pd.read_excel(path, **options)
        case ".tsv":
            return pd.read_csv(path, sep="\t", **options)
        case _:
            return pd.read_csv(path, **options)
