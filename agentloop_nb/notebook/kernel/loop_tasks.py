"""Timers and tasks of the loop that runs here."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any


def timers() -> list[asyncio.TimerHandle]:
    """Return what is called later by the loop that runs here."""
    try:
        return list(getattr(asyncio.get_running_loop(), "_scheduled", ()))
    except RuntimeError:
        return []


def context_of(timer: asyncio.TimerHandle) -> contextvars.Context:
    """Return the context that a timer calls in."""
    return getattr(timer, "_context", None) or contextvars.Context()


def is_due(timer: asyncio.TimerHandle) -> bool:
    """Tell whether a timer still waits for its time."""
    return not timer.cancelled() and bool(getattr(timer, "_scheduled", False))


def tasks() -> set[asyncio.Task[Any]]:
    """Return the tasks of the loop that are not done."""
    try:
        return asyncio.all_tasks()
    except RuntimeError:
        return set()
