"""Whose output is this? The step that runs, or somebody else who shares the process with it.

A context variable answers it for everything that runs in the step's context, tasks and `to_thread` included. Raw
threads have no context, so a thread is marked with the scope it was started in. Code that a cell runs in an empty
context of its own is told by the stack, and what it hands to the loop from there is marked, too.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any

from agentloop_nb.notebook.kernel.thread_frames import current_frames

OUTSIDE = object()
"""The scope of the loop, the views and our own threads while a step runs."""

VARIABLE: ContextVar[object | None] = ContextVar("agentloop_scope", default=None)
"""Where a context keeps its scope."""
_MARK = "_agentloop_scope"
_steps: list[object] = []
"""The steps that run now and whose threads are marked."""
_entered: list[object] = []
"""The scopes that were entered and not left, the latest last."""
_CELL = ("IPython.core.interactiveshell", "run_code")
"""The function below all code of a cell."""

current: Callable[[], object | None] = VARIABLE.get
"""The scope of the running code: a step, `OUTSIDE`, or None for everything that has nothing to do with us."""


def in_step() -> bool:
    """Whether the code that asks runs inside a step (a nested `%%agent` does)."""
    scope = VARIABLE.get()
    if scope is None and _steps:  # one that outlives its step is nobody's any more
        thread = threading.current_thread()
        scope = _caller() or (thread if _is_foreign(thread) else None)
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
    token = VARIABLE.set(scope)
    _entered.append(scope)
    try:
        yield
    finally:
        _entered.remove(scope)
        VARIABLE.reset(token)


def enter(scope: object) -> None:
    """Put the whole rest of this context (a thread's, a task's) into a scope."""
    VARIABLE.set(scope)


def belongs(step: object, home: int) -> bool:
    """Whether the calling code belongs to `step`, which runs on the thread `home`."""
    scope = VARIABLE.get()
    if scope is not None:
        return scope is step
    if threading.get_ident() == home:
        return _in_cell()
    thread = threading.current_thread()
    mark = thread.__dict__.get(_MARK)
    if mark is not None:
        return mark is not OUTSIDE
    return _is_foreign(thread)


def _in_cell() -> bool:
    """Whether code of a cell is on the stack: a step runs there, whatever context it has chosen."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == _CELL[1] and frame.f_globals.get("__name__") == _CELL[0]:
            return True
        frame = frame.f_back
    return False


def _caller() -> object | None:
    """Return the scope of the calling code, of which threads and empty contexts know nothing."""
    scope = VARIABLE.get()
    if scope is None:
        scope = threading.current_thread().__dict__.get(_MARK)
    if scope is None and _in_cell():
        scope = next((each for each in reversed(_entered) if each is not OUTSIDE), None)
    return scope


def _within(scope: object, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    """Do work in a scope, on a thread that may have run long before."""
    __tracebackhide__ = True
    with entered(scope):
        return work(*arguments, **named)


def _marked(context: contextvars.Context | None, scope: object) -> contextvars.Context:
    """Return a context that tells the scope; one that is given and tells none is made to tell it."""
    context = contextvars.copy_context() if context is None else context
    if context.get(VARIABLE) is None:
        try:
            context.run(VARIABLE.set, scope)
        except RuntimeError:  # it is entered here
            VARIABLE.set(scope)
    return context


def _marking_calls(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method of the loop that takes a callback and a context."""

    def call(*arguments: Any, context: contextvars.Context | None = None, **named: Any) -> Any:
        if (scope := _caller()) not in (None, OUTSIDE):
            context = _marked(context, scope)
        return original(*arguments, context=context, **named)

    return call


def _marking_handles(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method of the loop whose callback takes the context of whoever calls it."""

    def call(*arguments: Any, **named: Any) -> Any:
        if (scope := _caller()) in (None, OUTSIDE):
            return original(*arguments, **named)
        return _within(scope, original, *arguments, **named)

    return call


def _marking_start(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the start of a thread."""

    def start(thread: threading.Thread) -> None:
        thread.__dict__.setdefault(_MARK, _caller())
        original(thread)

    return start


def _marking_submit(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap what hands work to a pool of threads."""

    def submit(pool: Any, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        marked = (work,) if (scope := _caller()) is None else (_within, scope, work)
        return original(pool, *marked, *arguments, **named)

    return submit


def _handing_on() -> Iterator[tuple[Any, str, Callable[[Any], Any]]]:
    """Yield the methods by which code hands work to threads and loops, and what marks them."""
    from concurrent.futures.thread import ThreadPoolExecutor

    yield threading.Thread, "start", _marking_start
    yield ThreadPoolExecutor, "submit", _marking_submit
    for name in ("call_soon", "call_soon_threadsafe", "call_at", "call_later"):
        yield asyncio.BaseEventLoop, name, _marking_calls
    selecting = sys.modules.get("asyncio.selector_events")
    for name in ("_add_reader", "_add_writer") if selecting else ():
        yield selecting.BaseSelectorEventLoop, name, _marking_handles  # type: ignore[union-attr]


@contextmanager
def marked_threads() -> Iterator[None]:
    """Mark each thread started in the body, and what is handed to pools and loops, with the scope of who does it."""
    before = [(owner, name, getattr(owner, name), marking) for owner, name, marking in _handing_on()]
    for owner, name, original, marking in before:
        setattr(owner, name, marking(original))
    _steps.append(before)
    try:
        yield
    finally:
        _steps.remove(before)
        for owner, name, original, _ in reversed(before):
            setattr(owner, name, original)
