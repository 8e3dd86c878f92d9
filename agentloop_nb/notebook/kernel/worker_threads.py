"""Threads that wait for work of ours. Starting one takes longer than most steps."""

from __future__ import annotations

import _thread
import queue
from collections.abc import Callable

from agentloop_nb.notebook.kernel import output_scope

_idle: list[queue.SimpleQueue[Callable[[], None]]] = []
"""Threads that have nothing to do, by what they wait for."""

idents: set[int] = set()
"""The threads of ours."""


def have_done(work: Callable[[], None]) -> None:
    """Have `work` done on another thread, at once."""
    try:
        waiting = _idle.pop()
    except IndexError:
        waiting = queue.SimpleQueue()
        _thread.start_new_thread(_serve, (waiting,))
    waiting.put(work)


def _serve(waiting: queue.SimpleQueue[Callable[[], None]]) -> None:
    idents.add(_thread.get_ident())
    output_scope.enter(output_scope.OUTSIDE)
    while True:
        waiting.get()()
        _idle.append(waiting)
