"""Standard output by a handle of its own, so that what a view prints is never taken for a step's output."""

from __future__ import annotations

import os
import sys
from typing import IO

redirected: dict[int, int] = {}
"""Where the process's descriptors led before a running step redirected them."""


def own_stdout() -> IO[str]:
    """Open another handle on standard output, past what a step of another run redirects just now."""
    stdout = sys.__stdout__
    if stdout is None or sys.stdout is not stdout:
        return sys.stdout
    try:
        number = stdout.fileno()
        handle = os.dup(redirected.get(number, number))
    except OSError:
        return stdout
    stdout.flush()
    return os.fdopen(handle, "w", encoding=stdout.encoding, errors="replace", buffering=1)
