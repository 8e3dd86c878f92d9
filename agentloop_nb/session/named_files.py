"""What a model is told of the files that its goal names: that they are not there, and to a small one how they begin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agentloop_nb.actions.file_names import how_to_make, named_in, to_be_read
from agentloop_nb.actions.finish import is_there
from agentloop_nb.safety.provenance import mark

MOST_FILES = 3
"""Files whose beginning is told."""
LINES, LONGEST = 4, 80
"""Lines of a beginning, and characters of a line."""
BYTES = 2000
"""How much of a file is read for that."""


def named_files(goal: str, folder: Path, *, beginnings: bool) -> str:
    """Tell which files of a goal are not there and, if asked for, how those begin that hold text."""
    missing = [name for name in to_be_read(goal) if not _outside(name) and not is_there(folder, name)]
    lines = [f"There is no file {name} in the current folder." for name in missing[:MOST_FILES]]
    return "\n".join([*lines, *(_beginnings(goal, folder) if beginnings else ())])


def _beginnings(goal: str, folder: Path) -> Iterator[str]:
    there = [name for name in named_in(goal) if not _outside(name) and is_there(folder, name)]
    for name in there[:MOST_FILES]:
        inside = (folder / name).resolve().is_relative_to(folder.resolve())
        if inside and how_to_make(name) is None and (text := _beginning(folder / name)):
            yield f"{name} begins:\n{mark(text, f'the file {name}')}"


def _beginning(path: Path) -> str:
    """The first lines of a text file; empty for any other."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return ""
        with path.open("rb") as file:
            data = file.read(BYTES)
    except OSError:
        return ""
    text = data.decode(errors="ignore" if len(data) == BYTES else "replace")
    if "\0" in text or "\ufffd" in text:
        return ""
    lines = text.splitlines()[:LINES]
    return "\n".join(line if len(line) <= LONGEST else f"{line[:LONGEST]}…" for line in lines).strip()


def _outside(name: str) -> bool:
    return name.startswith(("/", "~")) or ".." in name.split("/")
