"""Run foreign code for a bounded time, on a thread of its own, without letting it show anything."""

from __future__ import annotations

import _thread
import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.notebook.kernel.capture import patch
from agentloop_nb.notebook.kernel.worker_threads import have_done

STRIKES = 40
"""How often code that goes on is asked to end, with `PAUSE` seconds between."""
PAUSE = 0.05


class _TooSlow(BaseException):
    """Ends the code; no `Exception`, so that the code does not handle it by accident."""


def call(work: Callable[[], str | None], seconds: float) -> str | None:
    """Return what `work` returns; None when it fails or takes longer. Then it is ended as soon as Python can."""
    if IN_BROWSER:  # there are no threads
        try:
            return work()
        except Exception:
            return None
    bounded = _Call(work)
    with _silenced(bounded):
        bounded.start()
        if bounded.ready.wait(seconds):
            return bounded.told
    have_done(bounded.end)
    return None


class _Call:
    """One call on its thread."""

    def __init__(self, work: Callable[[], str | None]) -> None:
        self._work: Callable[[], str | None] | None = work
        self._lock = threading.Lock()
        self._over = False
        self.ident = 0
        self.ready = threading.Event()
        self.told: str | None = None

    def start(self) -> None:
        """Begin the thread. It is no `threading.Thread`: the interpreter does not wait for it at its end."""
        _thread.start_new_thread(self._run, ())

    def _run(self) -> None:
        self.ident = threading.get_ident()
        while not self._over:  # again, if it is struck just here
            with suppress(BaseException):
                if self._work is not None:
                    work, self._work = self._work, None
                    self.told = work()
                with self._lock:
                    self._over = True
        with suppress(BaseException):
            for _ in range(100):  # a last strike is raised here
                pass
        self.ready.set()

    def end(self) -> None:
        """Ask the code to end, again and again."""
        for _ in range(STRIKES):
            with self._lock:
                if self._over:
                    return
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident), ctypes.py_object(_TooSlow))
            if self.ready.wait(PAUSE):
                return


@contextmanager
def _silenced(bounded: _Call) -> Iterator[None]:
    """Drop what the call's thread writes to the streams or displays."""
    with ExitStack() as stack:
        for target, name in _outlets():
            with suppress(AttributeError):  # a stream of the user's without attributes of its own
                patch(stack, target, name, _muted(getattr(target, name), bounded))
        yield


def _outlets() -> Iterator[tuple[Any, str]]:
    yield sys.stdout, "write"
    yield sys.stderr, "write"
    from IPython.core.interactiveshell import InteractiveShell

    if InteractiveShell.initialized():
        yield InteractiveShell.instance().display_pub, "publish"


def _muted(outlet: Callable[..., Any], bounded: _Call) -> Callable[..., Any]:
    def write(*args: Any, **kwargs: Any) -> Any:
        return None if threading.get_ident() == bounded.ident else outlet(*args, **kwargs)

    return write
