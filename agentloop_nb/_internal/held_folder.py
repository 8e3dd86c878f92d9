"""Temporary folders that go with their process: what a killed one left is removed by the next."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from agentloop_nb._internal.file_locks import LOCK_EX, LOCK_NB, flock

_PREFIX = "agentloop-"
_MARK = ".held"
"""The file that the process of a folder holds locked."""


class HeldFolder:
    """A private temporary folder. Use as a context manager, which gives its path, or call `cleanup`."""

    def __init__(self, kind: str) -> None:
        _remove_left(tempfile.gettempdir())
        self._made = tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{kind}-", ignore_cleanup_errors=True)
        self.name = self._made.name
        self._mark = _hold(Path(self.name))

    def __enter__(self) -> str:
        return self.name

    def __exit__(self, *_: object) -> None:
        self.cleanup()

    def cleanup(self) -> None:
        """Remove it, with all that is in it."""
        self._made.cleanup()
        if self._mark is not None:
            self._mark.close()


def _hold(folder: Path) -> BinaryIO | None:
    """Mark a folder as in use; the mark appears when it is locked already."""
    if flock is None:
        return None
    new = folder / f"{_MARK}-new"
    mark = new.open("wb")
    with suppress(OSError):  # some network folders have no locks
        flock(mark, LOCK_EX | LOCK_NB)
        new.rename(folder / _MARK)
    return mark


@cache
def _remove_left(place: str) -> None:
    """Remove folders of any kind whose process is gone, once for each place; none where there are no locks."""
    for folder in Path(place).glob(f"{_PREFIX}*"):
        if _is_left(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Whether a folder is this user's, and nobody holds its mark."""
    if flock is None:
        return False
    try:
        with (folder / _MARK).open("rb") as mark:
            flock(mark, LOCK_EX | LOCK_NB)
        return folder.lstat().st_uid == os.getuid()
    except OSError:
        return False
