"""Input files of a step that its footprint alone does not tell: what it replaced, and what it listed."""

from __future__ import annotations

import base64
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MAX_KEPT, MAX_FILES = 1_000_000, 20
"""Bytes of a replaced file, and files, that are kept of one step."""
MAX_LISTED = 200
"""Files of one folder that count as read because it was listed."""

_SHELL_LINE = re.compile(r"^[^\S\n]*(?:\w[\w, ]*=[^\S\n]*)?!+(.+)$", re.MULTILINE)
_SHELL_CELL = re.compile(r"^\s*%%(?:bash|sh|script|sx|system|!)\b.*\n")
_LISTING = frozenset({"ls", "find", "tree", "du", "dir", "wc", "cat", "head", "tail", "grep", "file", "stat", "md5sum"})


class Replaced:
    """Keeps files as they were before a step that overwrites, renames or deletes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._busy = False
        self.files: dict[str, dict[str, str]] = {}
        """Content by name in the folder: `text`, or `base64` where it is no text."""

    def keep(self, path: object) -> None:
        """Keep a file that is about to change. Runs inside whatever changes it."""
        if self._busy or len(self.files) >= MAX_FILES or not isinstance(path, str | bytes | os.PathLike):
            return
        self._busy = True
        try:
            file = Path(os.path.abspath(os.fsdecode(path)))  # no link is followed
            relative = file.relative_to(self._folder)
            name = relative.as_posix()
            wanted = name not in self.files and not name.startswith(".") and "__pycache__" not in relative.parts
            if wanted and file.is_file() and not file.is_symlink() and file.stat().st_size <= MAX_KEPT:
                self.files[name] = _content(file.read_bytes())
        except (OSError, ValueError):
            return
        finally:
            self._busy = False


def _content(data: bytes) -> dict[str, str]:
    with suppress(UnicodeDecodeError):
        return {"text": data.decode("utf-8")}
    return {"base64": base64.b64encode(data).decode()}


def listed(folder: Path, root: Path) -> Iterator[str]:
    """Yield names of the files in a folder that was listed, relative to `root`; notebooks are left out."""
    with suppress(OSError, ValueError), os.scandir(folder) as entries:
        for entry in list(entries)[:MAX_LISTED]:
            if not entry.name.startswith(".") and not entry.name.endswith(".ipynb") and entry.is_file():
                yield Path(entry.path).relative_to(root).as_posix()


def named_in_shell(code: str, folder: Path) -> set[str]:
    """Return names of files of the folder that the shell lines of code name, match or list."""
    found: set[str] = set()
    for line in _shell_lines(code):
        for command in re.split(r"\|\|?|&&|;", line):
            with suppress(ValueError):
                found.update(_of_command(shlex.split(command), folder))
    return found


def _shell_lines(code: str) -> list[str]:
    if _SHELL_CELL.match(code):
        return code.split("\n")[1:]
    return _SHELL_LINE.findall(code) if "!" in code else []


def _of_command(words: list[str], folder: Path) -> Iterator[str]:
    paths = [word for word in words[1:] if not word.startswith("-")]
    for word in paths:
        yield from _of_word(word, folder, lists=words[0] in _LISTING)
    if (
        words
        and words[0] in ("ls", "find", "tree", "du", "dir")
        and not any((folder / word).exists() for word in paths)
    ):
        yield from listed(folder, folder)


def _of_word(word: str, folder: Path, *, lists: bool) -> Iterator[str]:
    with suppress(OSError, ValueError, NotImplementedError):
        matches = list(folder.glob(word))[:MAX_LISTED] if any(sign in word for sign in "*?[") else [folder / word]
        for path in matches:
            if not path.resolve().is_relative_to(folder.resolve()):
                continue
            if path.is_file():
                yield path.relative_to(folder).as_posix()
            elif lists and path.is_dir():
                yield from listed(path, folder)
