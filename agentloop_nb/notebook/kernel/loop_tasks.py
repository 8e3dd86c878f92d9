"""What waits in the loop that runs here: tasks, timers, callbacks, readers of descriptors."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import re
from collections.abc import Iterator
from typing import Any

_KERNELS = re.compile(r"[/\\](ipykernel|tornado|jupyter_client|zmq|IPython|agentloop_nb|nbclient|anyio)[/\\]")
"""Whose tasks and callbacks begin while a step runs, and are none of its own."""


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs here; None for none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def tasks(loop: asyncio.AbstractEventLoop | None) -> set[asyncio.Task[Any]]:
    """Return the tasks of a loop that are not done."""
    return set() if loop is None else asyncio.all_tasks(loop)


def handles(loop: asyncio.AbstractEventLoop | None) -> list[asyncio.Handle]:
    """Return what a loop is going to call: soon, later, or when a descriptor is ready."""
    while loop is not None and not loop.is_closed():
        try:
            return [each for each in _handles(loop) if not each.cancelled()]
        except RuntimeError:  # another thread has changed them meanwhile
            continue
    return []


def _handles(loop: Any) -> Iterator[asyncio.Handle]:
    yield from getattr(loop, "_ready", ())
    yield from getattr(loop, "_scheduled", ())
    selector = getattr(loop, "_selector", None)
    for key in list((selector.get_map() or {}).values()) if selector else ():
        yield from (each for each in key.data or () if isinstance(each, asyncio.Handle))


def context_of(handle: asyncio.Handle) -> contextvars.Context:
    """Return the context that a handle calls in."""
    return getattr(handle, "_context", None) or contextvars.Context()


def contexts_of(task: asyncio.Task[Any]) -> list[contextvars.Context]:
    """Return the context of a task that waits; before Python 3.12 what it waits for knows it."""
    if (context := getattr(task, "get_context", None)) is not None:
        return [context()]
    waits_for = getattr(task, "_fut_waiter", None)
    return [context for _, context in getattr(waits_for, "_callbacks", None) or ()]


def is_kernels(called: Any) -> bool:
    """Whether a kernel's own code is what a coroutine or a callback runs."""
    while isinstance(called, functools.partial):
        called = called.func
    code = getattr(called, "cr_code", None) or getattr(getattr(called, "__func__", called), "__code__", None)
    return code is not None and _KERNELS.search(code.co_filename) is not None


def callback_of(handle: asyncio.Handle) -> Any:
    """Return what a handle calls."""
    return getattr(handle, "_callback", None)
