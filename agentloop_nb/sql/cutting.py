"""Running a database's work on a thread of its own, so that a stop or a time limit reaches it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

POLL = 0.02
"""Seconds between two looks at whether the step was stopped, and between the first attempts to cut."""
WAIT = 1.0
"""Seconds that a stopped step waits for its work to end."""
CUTS = 100
"""Attempts to cut, about one a second."""


def cuttable(work: Callable[[], Any], cut: Callable[[], None], close: Callable[[], None]) -> Any:
    """Return what `work` returns, after `close`. What ends the wait is raised, once `cut` has begun to end the work.

    Only the thread that works closes, and never while a cut is under way: drivers crash the whole process when a
    connection is closed under a query. Cutting goes on after this has returned, until the work has ended.
    """
    job = _Job(work, cut, close)
    try:
        job.wait()
    except BaseException:
        job.worker.join(WAIT)
        raise
    if job.error is not None:
        raise job.error
    return job.value


class _Job:
    """Work that holds a connection until it has ended."""

    def __init__(self, work: Callable[[], Any], cut: Callable[[], None], close: Callable[[], None]) -> None:
        self._work, self._cut, self._close = work, cut, close
        self._connection, self._waited_for = threading.Lock(), threading.Lock()
        self._over = threading.Event()
        self.value: Any = None
        self.error: BaseException | None = None
        self.worker = threading.Thread(target=self._run, name="agentloop-query", daemon=True)
        self._cutter = threading.Thread(target=self._cut_when_left, name="agentloop-cut", daemon=True)

    def wait(self) -> None:
        """Run the work and wait for it. The lock tells the cutter, however often an interrupt strikes here."""
        with self._waited_for:
            self._cutter.start()
            self.worker.start()
            while self.worker.is_alive():
                self.worker.join(POLL)

    def _run(self) -> None:
        try:
            self.value = self._work()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self.error = error
        with self._connection:
            self._over.set()
            with contextlib.suppress(Exception):  # what the connection held is over with it
                self._close()

    def _cut_when_left(self) -> None:
        with self._waited_for:
            pass
        wait = POLL
        for _ in range(CUTS):  # the first may come before the query has begun
            if self._over.wait(wait):
                return
            wait = min(2 * wait, WAIT)
            with self._connection, contextlib.suppress(Exception):
                if not self._over.is_set():
                    self._cut()
