"""Lock a record while a run writes it: one record has one writer."""

from __future__ import annotations

import time
from pathlib import Path

from agentloop_nb._internal.file_locks import LOCK_EX, LOCK_NB, LOCK_SH, flock
from agentloop_nb.errors import UserError


def take(file: int) -> None:
    """Be the only one that writes a file. Raises `BlockingIOError` if somebody else is."""
    if flock is None:
        return
    for patience in (0.02, 0.05, 0.1, 0.2, 0):  # whoever looks whether it is in use holds it for a moment
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError as error:
            if not patience:
                raise BlockingIOError(error.errno, "another kernel is writing it") from None
            time.sleep(patience)
        except OSError:
            return  # some network folders have no locks
        else:
            return


def going_on(path: Path) -> UserError:
    """Return the error that says a record has another writer."""
    return UserError(f"run {path.stem} is still going on in another kernel; stop it there first")


def in_use(path: Path) -> bool:
    """Whether a living process is writing this record."""
    if flock is None or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            flock(file, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
