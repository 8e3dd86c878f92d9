"""Advisory locks of files, where the system has them. A lock ends with its process, whatever ends that."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

flock: Callable[[Any, int], None] | None = None
"""Takes a file and how; None on Windows, which lacks the module, and in browsers, where it has no locks."""
LOCK_SH, LOCK_EX, LOCK_NB = 1, 2, 4
with suppress(ImportError, AttributeError):
    import fcntl

    flock, LOCK_SH, LOCK_EX, LOCK_NB = fcntl.flock, fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_NB
