"""What a reader makes of a file: facts about its structure, and parts that are read only when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

MAX_TEXT = 20_000
"""Characters told of the parts that are asked for."""
MAX_ROWS = 2_000
"""Rows of one table that are read."""
MAX_COLUMNS = 100
MAX_CELL = 500
"""Characters of one cell of a table."""


class Refused(Exception):
    """A file that is not read, with the reason."""


class Part(NamedTuple):
    """A piece of a document: how the outline names it, and how its text is had."""

    label: str
    text: Callable[[], str]


class Outline(NamedTuple):
    """A document taken apart."""

    facts: list[str]
    """Structure without values: sizes, columns, how to load it."""
    parts: Sequence[Part]


def table(rows: Iterable[Sequence[object]]) -> str:
    """Write rows as a Markdown table; the first one is its head."""
    cells = [[_cell(value) for value in row[:MAX_COLUMNS]] for row in rows]
    if not cells:
        return ""
    width = max(map(len, cells))
    full = [row + [""] * (width - len(row)) for row in cells]
    return "\n".join(f"| {' | '.join(row)} |" for row in [full[0], ["---"] * width, *full[1:]])


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")[:MAX_CELL]


def decoded(data: bytes) -> tuple[str, str]:
    """Return text and the encoding it is in; the data may end in the middle of a character."""
    import codecs

    for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(name, "replace"), name
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(data), "utf-8"
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace"), "cp1252"
