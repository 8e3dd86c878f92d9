"""What a model is told of the place where code runs: the date, versions, and the files of the folder by name."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from agentloop_nb._internal.plain_names import is_plain
from agentloop_nb.safety.provenance import mark

MOST_FILES, MOST_SEEN = 40, 2000
"""Names of the folder that are told, and that are looked at at all."""
LONGEST_NAME = 80
PACKAGES = ("numpy", "pandas", "polars", "pyarrow", "matplotlib", "scipy", "sklearn", "duckdb")
"""What data work asks for first; versions differ in what they can do."""
_VERSION = re.compile(r"^Version: *(\S+)", re.MULTILINE)
_TOLD = re.compile(
    r"^Today is \d{4}-\d\d-\d\d\. Python [^\n]*\n(?:Files in [^\n]*(?:\n<<data from the current folder.*?\ndata>>)?"
    r"|<<data from the current folder.*?\ndata>>)$",
    re.DOTALL | re.MULTILINE,
)


def surroundings(folder: Path, *, packages: bool = True) -> str:
    """Tell the date, the versions of Python and the packages that are installed, and the files by name."""
    versions = ", ".join([f"Python {platform.python_version()}", *(_versions() if packages else ())])
    files = list(islice(_names(folder), MOST_SEEN + 1))
    head = f"Today is {time.strftime('%Y-%m-%d')}. {versions}."
    if not files:
        return f"{head}\nFiles in the current folder: none yet."
    shown = sorted(files)[:MOST_FILES]
    plain, odd = [name for name in shown if is_plain(name)], [name for name in shown if not is_plain(name)]
    line = f"Files in the current folder: {', '.join(plain) or 'those below'}{_more(len(files))}."
    marked = mark("\n".join(odd), "the current folder, names of files") if odd else ""
    return "\n".join(filter(None, (head, line, marked)))


def _more(count: int) -> str:
    """Say how many files are not named. Sizes are left out: small models take them for an answer."""
    if count <= MOST_FILES:
        return ""
    return f", and {count - MOST_FILES}{' or' if count > MOST_SEEN else ''} more"


def _names(folder: Path) -> Iterator[str]:
    try:
        for entry in folder.iterdir():
            if not entry.name.startswith("."):
                name = entry.name.encode(errors="replace").decode() + ("/" if entry.is_dir() else "")
                yield name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "…"
    except OSError:
        return


def _versions() -> Iterator[str]:
    for name in PACKAGES:
        if importlib.util.find_spec(name) is None:
            continue
        distribution = "scikit-learn" if name == "sklearn" else name
        try:
            yield f"{distribution} {_version(distribution)}"
        except importlib.metadata.PackageNotFoundError:
            yield distribution


def _version(distribution: str) -> str:
    """Return the version that is installed; the rest of what a package tells of itself is long, and is not parsed."""
    found = importlib.metadata.distribution(distribution)
    told = _VERSION.search((found.read_text("METADATA") or "").partition("\n\n")[0])
    return told[1] if told else found.version


def without_surroundings(text: str) -> str:
    """Return a message without what `surroundings` told in it: on another day, beside other files, it asks the same."""
    return _TOLD.sub("", text)


def surroundings_in(text: str) -> str:
    """Return what `surroundings` told in a message."""
    return "\n".join(match[0] for match in _TOLD.finditer(text))
