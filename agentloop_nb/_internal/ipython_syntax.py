"""IPython's syntax as Python of the same lines: magics, shell lines and help are replaced."""

from __future__ import annotations

import ast
import functools
import re
import warnings
from contextlib import nullcontext

_CELL_MAGIC = re.compile(r"^%%(\w+)(.*)")
_TARGETS = re.compile(r"\s*\w[\w, ]*")
_TIMED = re.compile(r"^(\s*)%(?:time|timeit|prun|memit)\b\s*+(?:-\S++\s++)*+(.*)$")
_MAGIC = re.compile(r"^(\s*)(?:[%!?].*|[\w.]+\?{1,2})$")
_STRING = re.compile(r"""'(?:\\.|[^'\\]++)*+'|"(?:\\.|[^"\\]++)*+\"""")
_EXPANDED = re.compile(r"[{$]\{?([A-Za-z_]\w*)")
_PYTHON_CELLS = {"time", "timeit", "capture", "prun"}
_SHORT = 10_000
"""Characters of code whose tree is kept for a while."""
_WARNED_OF = re.compile(r"\\|\d[A-Za-z]")
"""What the parser may warn of: escapes that are none, and numbers that run into a word."""


def to_python(source: str) -> tuple[str, set[str]]:
    """Turn IPython syntax into Python of the same lines, and return the names that its magics expand."""
    if not _CELL_MAGIC.match(source) and parsed(source) is not None:
        return source, set()
    lines = source.split("\n")
    inside = inside_strings(source) if "\n" in source else set()
    uses: set[str] = set()
    if match := _CELL_MAGIC.match(lines[0]):
        if match[1] not in _PYTHON_CELLS:
            return "", set(_EXPANDED.findall(source))
        made = match[2].split()[-1] if match[1] == "capture" and match[2].split() else ""
        lines[0] = f"{made} = None" if made.isidentifier() else ""
    for number, line in enumerate(lines):
        if number in inside:
            continue
        if match := _TIMED.match(line):
            lines[number] = match[1] + (match[2] or "pass")
        elif target := _assigned_magic(line):
            uses |= set(_EXPANDED.findall(line))
            lines[number] = f"{target} = None"
        elif match := _MAGIC.match(line):
            uses |= set(_EXPANDED.findall(line))
            lines[number] = match[1] + "pass"
    return ("\n".join(lines), uses) if parsed("\n".join(lines)) else (source, uses)


def inside_strings(source: str) -> set[int]:
    """Numbers of lines that begin inside a text of several lines; what looks like a magic there is none."""
    found: set[int] = set()
    quote = ""
    for number, line in enumerate(source.split("\n")):
        if quote:
            found.add(number)
        elif _MAGIC.match(line):
            continue
        quote = _open_quote(line, quote)
    return found


def _open_quote(line: str, quote: str) -> str:
    """Return the triple quotes that are open at the end of a line; `quote` are those at its beginning."""
    position = 0
    while position < len(line):
        if quote:
            match = re.compile(r"(?:\\.|(?!" + quote + r").)*?" + quote).match(line, position)
            if match is None:
                return quote
            position, quote = match.end(), ""
        elif line[position] == "#":
            return ""
        elif line.startswith(('"""', "'''"), position):
            quote, position = line[position : position + 3], position + 3
        elif line[position] in "\"'":
            string = _STRING.match(line, position)
            position = string.end() if string else len(line)
        else:
            position += 1
    return quote


def _assigned_magic(line: str) -> str:
    """Return the left side of `files = !ls` and `x = %magic`, with its indentation; empty for any other line."""
    left, _, right = line.partition("=")
    magic = right.lstrip().startswith(("%", "!")) and _TARGETS.fullmatch(left)
    return left.rstrip() if magic else ""


def parsed(source: str) -> ast.Module | None:
    """Return the tree of Python code; None for what is no code, or too deeply nested to be read.

    The trees of the last short cells are kept, since several rooms read the code of one step: they change none.
    """
    return _kept(source) if len(source) <= _SHORT else _parsed(source)


def _parsed(source: str, tries: int = 3) -> ast.Module | None:
    try:
        with warnings.catch_warnings(action="ignore") if _WARNED_OF.search(source) else nullcontext():
            tree = ast.parse(source, "<cell>")
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None
    except SystemError:  # Python 3.11 counts the depth of two threads that parse at once together
        return _parsed(source, tries - 1) if tries > 1 else None
    return tree


_kept = functools.lru_cache(maxsize=8)(_parsed)
