"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil


def wait_for(condition: Callable[[], object], what: str = "") -> None:
    """Wait until something is so; never for long where it works."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what or "it did not come to be"
        time.sleep(0.05)


def is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True
