"""Files of the person's folder that a goal names, copied into the working folder of a run from the shell.

A copy, not a link: what the run writes never changes the original, and an export finds the input where the code read
it. At the next run that names it the copy is brought up to date; a version that it replaces is kept, as by any write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from agentloop_nb._internal import safe_files
from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import Value

MOST_FILES, MOST_LOOKED_AT = 200, 5000
"""Files that one goal brings along, and that are looked at for it."""
LARGEST = 2_000_000_000
"""Bytes of a file that is copied; a larger one is told by where it lies."""
_PATTERN = re.compile(r"(?<![\w./-])[\w./-]{0,200}[*?][\w.*?/-]*")


class Brought(Value):
    """What a goal brought into the working folder."""

    copied: tuple[str, ...] = ()
    """Names that were copied now, or anew."""
    kept_out: dict[str, str] = {}
    """Names that were not, with the reason."""


def bring(goal: str, home: Path, folder: Path) -> Brought:
    """Copy the files of `home` that the goal names into `folder`, under the names it uses."""
    home, folder = home.resolve(), folder.resolve()
    if home == folder:
        return Brought()
    copied: list[str] = []
    kept_out: dict[str, str] = {}
    for name in islice(_named(goal, home, folder), MOST_FILES):
        try:
            if _copy(home / name, folder, name):
                copied.append(name)
        except (ActionFailed, OSError) as error:
            kept_out[name] = " ".join(str(error).split())
    return Brought(copied=tuple(copied), kept_out=kept_out)


def _copy(source: Path, folder: Path, name: str) -> bool:
    """Copy one file unless the copy is the same already."""
    size = source.stat().st_size
    if size > LARGEST:
        raise ActionFailed(f"it has {size / 1e9:.1f} GB, too much to copy; name it by its path: {source}")
    target = folder / safe_files.safe_name(name)
    if (
        target.is_file()
        and target.stat().st_size == size
        and safe_files.fingerprint(target) == safe_files.fingerprint(source)
    ):
        return False
    safe_files.place(folder, name, source.read_bytes())
    return True


def _named(goal: str, home: Path, folder: Path) -> Iterator[str]:
    """Find the files below `home` that the goal names: by name, path, pattern, or their folder and a slash."""
    patterns = [re.compile(_as_expression(found)) for found in _PATTERN.findall(goal)]
    if not re.search(r"[.*?/]", goal):
        return
    for path in _files(home, folder, deep="/" in goal):
        name = path.relative_to(home).as_posix()
        parents = [f"{parent.as_posix()}/" for parent in path.relative_to(home).parents if parent != Path()]
        words = (name, f"./{name}", *parents)
        if any(_names(goal, word) for word in words) or any(pattern.fullmatch(name) for pattern in patterns):
            yield name


def _names(goal: str, word: str) -> bool:
    """Whether a goal has a word as a whole; a name without a dot or a slash is too likely to be just a word."""
    if word not in goal or ("." not in word and "/" not in word):
        return False
    after = r"(?![\w*?]|\.\w)" if word.endswith("/") else r"(?![\w/-]|\.\w)"
    return re.search(rf"(?<![\w./\\~-]){re.escape(word)}{after}", goal) is not None


def _as_expression(pattern: str) -> str:
    pattern = pattern.removeprefix("./").rstrip(".")
    return "".join("[^/]*" if sign == "*" else "[^/]" if sign == "?" else re.escape(sign) for sign in pattern)


def _files(home: Path, folder: Path, *, deep: bool) -> Iterator[Path]:
    """Plain files below a folder, hidden folders and the working folder left out, near ones first."""
    waiting, seen = [home], 0
    while waiting:
        for entry in _entries(waiting.pop(0)):
            seen += 1
            if seen > MOST_LOOKED_AT:
                return
            if entry.is_file():
                yield entry
            elif (
                deep
                and entry.is_dir()
                and not entry.is_symlink()
                and not entry.name.startswith(".")
                and entry != folder
            ):
                waiting.append(entry)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(islice(folder.iterdir(), MOST_LOOKED_AT))
    except OSError:
        return []
