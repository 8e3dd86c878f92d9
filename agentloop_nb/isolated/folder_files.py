"""The plain files of a run's folder by content: what is compared, sent and written where a folder has a mirror."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from agentloop_nb._internal import safe_files
from agentloop_nb.errors import ActionFailed

PIECE = 8 * 2**20
"""Bytes that are sent at once."""
MOST = 5_000
"""Files of a folder that are mirrored, in the order of their names."""
_SKIPPED = frozenset({"__pycache__", "node_modules"})
_PART, _ARRIVING = ".agentloop-part", ".agentloop-arriving"
"""What is written before it takes its place: one file, and a folder of several."""

Listing = dict[str, tuple[int, str]]
"""Path in the folder -> size and SHA-256."""


@dataclass
class FolderFiles:
    """A folder whose files are told of, read and written by pieces. Nothing hidden, no links, nothing outside."""

    folder: Path
    _hashes: dict[str, tuple[tuple[int, int, int], str]] = field(default_factory=dict)

    def listing(self) -> Listing:
        """Every file with its size and SHA-256; one that has not changed is not read again."""
        found: Listing = {}
        for name in sorted(_walk(self.folder))[:MOST]:
            with suppress(OSError):
                found[name] = self._looked_at(name)
        self._hashes = {name: self._hashes[name] for name in found}
        return found

    def _looked_at(self, name: str) -> tuple[int, str]:
        path = self.folder / name
        status = path.stat(follow_symlinks=False)
        look = (status.st_size, status.st_mtime_ns, status.st_ino)
        if (known := self._hashes.get(name)) is None or known[0] != look:
            self._hashes[name] = known = (look, safe_files.fingerprint(path))
        return status.st_size, known[1]

    def read(self, name: str, at: int) -> bytes:
        """One piece of a file. Raises `OSError`."""
        with self._inside(name).open("rb") as file:
            file.seek(at)
            return file.read(PIECE)

    def write(self, name: str, pieces: Iterator[bytes]) -> None:
        """Write a file from its pieces, whole or not at all. Raises `OSError`."""
        target = self._inside(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = self.folder / _PART
        try:
            with part.open("wb") as file:
                file.writelines(pieces)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    @contextmanager
    def arriving(self) -> Iterator[Arriving]:
        """Take several files that take their places together; what a process left that ended here is removed."""
        aside = self.folder / _ARRIVING
        shutil.rmtree(aside, ignore_errors=True)
        try:
            yield Arriving(aside, self._inside)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def add(self, name: str, piece: bytes, at: int, *, last: bool) -> None:
        """Write a file piece by piece: it takes its place with the last one. Raises `OSError`."""
        target, part = self._inside(name), self.folder / _PART
        with part.open("r+b" if at else "wb") as file:
            file.seek(at)
            file.write(piece)
        if last:
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)

    def remove(self, name: str) -> None:
        """Remove a file. Raises `OSError`."""
        self._inside(name).unlink(missing_ok=True)

    def _inside(self, name: str) -> Path:
        """Return the path of a file.

        Raises `OSError` for a name that leads out of the folder, or to what is not mirrored.
        """
        try:
            relative = safe_files.safe_name(name)
        except ActionFailed as error:
            raise OSError(str(error)) from None
        path = self.folder / relative
        steps = [path, *path.parents][: len(Path(relative).parts)]
        if relative != name or any(_is_skipped(step.name) or step.is_symlink() for step in steps):
            raise OSError(f"{name!r} is no file that is mirrored")
        return path


@dataclass
class Arriving:
    """Files that have come, and wait for the others."""

    _aside: Path
    _inside: Callable[[str], Path]
    names: list[str] = field(default_factory=list)

    def write(self, name: str, pieces: Iterator[bytes]) -> None:
        """Write a file from its pieces. Raises `OSError`."""
        self._inside(name)
        self._aside.mkdir(exist_ok=True)
        with (self._aside / str(len(self.names))).open("wb") as file:
            file.writelines(pieces)
        self.names.append(name)

    def place(self) -> list[str]:
        """Have the files take their places; returns those that cannot, with the reason."""
        left = []
        for number, name in enumerate(list(self.names)):
            try:
                target = self._inside(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                (self._aside / str(number)).replace(target)
            except OSError as error:
                self.names.remove(name)
                left.append(f"{name} ({error})")
        return left


def _walk(folder: Path) -> Iterator[str]:
    todo = [(folder, "")]
    while todo:
        place, prefix = todo.pop()
        with suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                if _is_skipped(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    todo.append((Path(entry.path), f"{prefix}{entry.name}/"))
                elif entry.is_file(follow_symlinks=False):
                    yield prefix + entry.name


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name in _SKIPPED
