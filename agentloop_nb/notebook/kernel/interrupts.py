"""SIGINT for all runs of a process: one handler, and whoever has to hear of it.

Runs may end in another order than they began in, so no run saves and restores the handler by itself.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from agentloop_nb.notebook.kernel.handlers import handler_of, set_handler


@dataclass(eq=False)
class _Entry:
    listener: Callable[[], None] | None
    """None for a step, which has a handler of its own while it runs."""
    before: Any
    """The handler to put back after it."""


_entries: list[_Entry] = []


def _handle(*_: object) -> None:
    for entry in tuple(_entries):  # a listener may end a run
        if entry.listener is not None:
            entry.listener()


@contextmanager
def heard(listener: Callable[[], None] | None = None) -> Iterator[None]:
    """Call `listener` at each SIGINT; all listeners hear it. Does nothing on a thread that gets no signals.

    Without a listener the handler only stays in place below the one of a step.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    entry = _Entry(listener, _install())
    _entries.append(entry)
    try:
        yield
    finally:
        _remove(entry)


def _install() -> Any:
    if _entries and _entries[-1].listener is None:  # the handler of a step lies above ours
        return _handle
    return set_handler(signal.SIGINT, _handle)


def _remove(entry: _Entry) -> None:
    index = _entries.index(entry)
    del _entries[index]
    if index < len(_entries):
        if _entries[index].before is _handle:
            _entries[index].before = entry.before
    elif handler_of(signal.SIGINT) is _handle:  # else somebody else has replaced it meanwhile
        set_handler(signal.SIGINT, entry.before)
