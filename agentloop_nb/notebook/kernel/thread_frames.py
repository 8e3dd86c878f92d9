"""The threads of this process, and what they run."""

from __future__ import annotations

import gc
import sys
from types import FrameType


def current_frames() -> dict[int, FrameType]:
    """Return what each thread runs, by its identifier.

    Without the garbage collector: up to Python 3.11.7 Python holds its list of threads meanwhile, and a collection that
    lets another thread in, which begins or ends there, waits for that list for ever.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()
    finally:
        if collects:
            gc.enable()
