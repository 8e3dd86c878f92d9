"""One hint for an error of code, by its kind: what to do about it, in words a small model can follow."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from agentloop_nb._internal.plain_names import is_plain
from agentloop_nb.actions.usual_imports import USUAL
from agentloop_nb.protocols import CodeError

_USUAL = USUAL | {
    "date": "from datetime import date", "datetime": "from datetime import datetime", "sqrt": "from math import sqrt",
    "Path": "from pathlib import Path", "Counter": "from collections import Counter",
}  # fmt: skip
_MODULES = frozenset(
    [
        "collections",
        "csv",
        "datetime",
        "functools",
        "glob",
        "itertools",
        "json",
        "math",
        "os",
        "pathlib",
        "random",
        "re",
        "shutil",
        "statistics",
        "string",
        "sys",
        "time",
        "urllib",
        "numpy",
        "pandas",
        "polars",
        "matplotlib",
        "scipy",
        "sklearn",
        "duckdb",
    ]
)
MOST_FILES = 12
"""Names of files that a hint lists."""
_NO_TEXT = re.compile(r"must be str, not \w+|concatenate str \(not|expected str instance")
_HALF = "The code ends in the middle, perhaps at a double quote: write it whole, with single quotes inside it."
_INSIDE = (
    (re.compile("'(return|yield|await)' outside"), "A cell is no function: print the value instead."),
    (re.compile("unterminated .*string"), r"Inside quotes a line break is written \\n in this JSON."),
    (re.compile("indent"), "Write each line with its indentation, four spaces a level."),
    (re.compile("incomplete input"), _HALF),
    (re.compile("was never closed|unmatched|does not match"), "Count the brackets."),
)


_IMPORT = "That cannot be imported here: use another package, or plain Python."
_LOOK = "Take a name that is there, or print the columns, the keys or the length first."
_ASK = "Look at what it is first: print its type, and what it offers."
_PLAINLY = {
    "ModuleNotFoundError": _IMPORT,
    "ImportError": _IMPORT,
    "KeyError": _LOOK,
    "IndexError": _LOOK,
    "ColumnNotFoundError": _LOOK,
    "AttributeError": _ASK,
    "TypeError": _ASK,
    "UnicodeDecodeError": "The file is in another encoding: try encoding='latin-1', or read its bytes.",
    "MemoryError": "Take less at a time: fewer columns, or the file in pieces.",
}


def hint(error: CodeError, folder: Path) -> str:
    """Say what usually helps against an error; empty where nothing does."""
    if error.type in ("NameError", "UnboundLocalError"):
        return _undefined(error.message, folder)
    if told := _worded(error.message):
        return told
    if error.type == "FileNotFoundError":
        return f"There is no such file here. {_files(folder)}"
    if error.type in ("SyntaxError", "IndentationError", "TabError"):
        return next((told for pattern, told in _INSIDE if pattern.search(error.message)), "")
    read = _file_of(error.message, folder) if error.type == "ModuleNotFoundError" else ""
    return read or _PLAINLY.get(error.type, "")


def _worded(message: str) -> str:
    """Say what helps against an error whose message tells it; empty where it does not."""
    if found := re.match(r"cannot import name '(\w+)' from '([\w.]+)'", message):
        usual = _USUAL.get(found[1])
        return f"Write: {usual}" if usual else f"{found[2]} has no {found[1]}: write it yourself, in plain Python."
    if found := re.match(r"module '([\w.]+)' has no attribute '(\w+)'", message):
        return f"{found[1]} has no {found[2]}: write it yourself, in plain Python."
    return "Turn the value into text first: str(value)." if _NO_TEXT.search(message) else ""


def syntax_hint(code: str) -> str:
    """Say why code is no valid Python; empty where it is, or may be a magic."""
    try:
        ast.parse(code)
    except SyntaxError as error:
        told = f"It is no valid Python: {error.msg} (line {error.lineno})."
        advice = next((advice for pattern, advice in _INSIDE if pattern.search(str(error.msg))), "")
        return f"{told} {advice}".rstrip()
    except (ValueError, RecursionError, MemoryError):
        return ""
    return ""


def _undefined(message: str, folder: Path) -> str:
    from agentloop_nb.actions import ACTIONS  # one of them asks for these hints

    found = re.search(r"'(\w+)'", message)
    name = found[1] if found else ""
    if any(name == action.name for action in ACTIONS):
        return f"{name} is an action of its own, not Python: leave it out of the code."
    if name in _USUAL or name in _MODULES:
        return f"Import it first: {_USUAL.get(name, f'import {name}')}"
    if read := _how_to_read(name, folder, "variable"):
        return read
    return f"Nothing is named {name}: define or import it first, or read it from its file. {_files(folder)}"


_HOW_TO_READ = {"csv": "pandas.read_csv({!r})", "json": "json.load(open({!r}))", "xlsx": "pandas.read_excel({!r})"}


def _file_of(message: str, folder: Path) -> str:
    """Say how the file is read that was taken for a module."""
    found = re.search(r"No module named '(\w+)", message)
    return _how_to_read(found[1], folder, "module") if found else ""


def _how_to_read(stem: str, folder: Path, taken_for: str) -> str:
    """Say how the file of this name is read, which was taken for something of Python; empty where none is called so."""
    names = sorted(name for name in islice(_plain_names(folder), 200) if name.partition(".")[0] == stem)
    names = [name for name in names if not name.endswith(".py")]
    if not names:
        return ""
    how = _HOW_TO_READ.get(names[0].rpartition(".")[2], "open({!r}).read()").format(names[0])
    return f"{names[0]} is a file, no {taken_for}: read it with {how}"


def _files(folder: Path) -> str:
    """Return the files of the folder, those with plain names: a name is data, and tells nobody what to do."""
    names = sorted(islice(_plain_names(folder), 200))
    if not names:
        return "The folder is empty."
    more = f" and {len(names) - MOST_FILES} more" if len(names) > MOST_FILES else ""
    return f"Files here: {', '.join(names[:MOST_FILES])}{more}."


def _plain_names(folder: Path) -> Iterator[str]:
    try:
        for entry in folder.iterdir():
            if is_plain(entry.name) and entry.is_file():
                yield entry.name
    except OSError:
        return
