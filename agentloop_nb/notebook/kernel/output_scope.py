"""Whose output is this? The step that runs, or somebody else who shares the process with it.

A context variable answers it for everything that runs in the step's context, tasks and `to_thread` included. Raw
threads have no context, so a thread is marked with the scope it was started in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from agentloop_nb.notebook.kernel.thread_frames import current_frames

OUTSIDE = object()
"""The scope of the loop, the views and our own threads while a step runs."""

_scope: ContextVar[object | None] = ContextVar("agentloop_scope", default=None)
_MARK = "_agentloop_scope"
_steps = 0
"""How many steps run now whose threads are marked."""


current: Callable[[], object | None] = _scope.get
"""The scope of the running code: a step, `OUTSIDE`, or None for everything that has nothing to do with us."""


def in_step() -> bool:
    """Whether the code that asks runs inside a step (a nested `%%agent` does)."""
    scope = _scope.get()
    if scope is None and _steps:  # a raw thread; one that outlives its step is nobody's any more
        thread = threading.current_thread()
        scope = thread.__dict__.get(_MARK) or (thread if _is_foreign(thread) else None)
    return scope not in (None, OUTSIDE)


def _is_foreign(thread: threading.Thread) -> bool:
    """Whether a thread was started by C code or `_thread`, which cannot be marked."""
    return type(thread).__name__ == "_DummyThread"


def threads_of(step: object, before: frozenset[int]) -> frozenset[int]:
    """Return the idents of running threads that a step started; `before` are those that ran when it began."""
    marks = {thread.ident: thread.__dict__.get(_MARK, _is_foreign(thread)) for thread in threading.enumerate()}
    now = frozenset(current_frames()) - before
    return frozenset(ident for ident in now if marks.get(ident, True) in (step, True))


@contextmanager
def entered(scope: object) -> Iterator[None]:
    """Run the body in a scope."""
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


def enter(scope: object) -> None:
    """Put the whole rest of this context (a thread's, a task's) into a scope."""
    _scope.set(scope)


def belongs(step: object, home: int) -> bool:
    """Whether the calling code belongs to `step`, which runs on the thread `home`."""
    scope = _scope.get()
    if scope is not None:
        return scope is step
    ident = threading.get_ident()
    if ident == home:
        return False
    thread = threading.current_thread()
    mark = thread.__dict__.get(_MARK)
    if mark is not None:
        return mark is not OUTSIDE
    return _is_foreign(thread)


def _within(scope: object, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    """Do work in a scope, on a thread that may have run long before."""
    __tracebackhide__ = True
    with entered(scope):
        return work(*arguments, **named)


@contextmanager
def marked_threads() -> Iterator[None]:
    """Mark each thread started in the body, and what is handed to a pool of threads, with the scope of who does it."""
    from concurrent.futures.thread import ThreadPoolExecutor

    global _steps  # noqa: PLW0603
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit

    def marking_start(thread: threading.Thread) -> None:
        own = threading.current_thread().__dict__.get(_MARK)
        thread.__dict__.setdefault(_MARK, _scope.get() or own)
        start(thread)

    def marking_submit(pool: ThreadPoolExecutor, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        scope = _scope.get() or threading.current_thread().__dict__.get(_MARK)
        marked = (work,) if scope is None else (_within, scope, work)
        return submit(pool, *marked, *arguments, **named)

    threading.Thread.start = marking_start  # type: ignore[method-assign, assignment]
    ThreadPoolExecutor.submit = marking_submit  # type: ignore[method-assign, assignment]
    _steps += 1
    try:
        yield
    finally:
        _steps -= 1
        threading.Thread.start = start  # type: ignore[method-assign]
        ThreadPoolExecutor.submit = submit  # type: ignore[method-assign]
