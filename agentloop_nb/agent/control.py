"""What a person can do to a run while it works: stop it, pause it, tell it something. Safe from any thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from agentloop_nb.actions import ActionResult

STOPPED = ActionResult(success=False, output="The user stopped this step.", error="stopped by the user", stopped=True)
"""The result of a step that a person stopped."""


class Control:
    """Handed to a run, its views and its workspace. One `Control` serves one run."""

    def __init__(self, *, attended: bool = False) -> None:
        self.attended = attended
        """Somebody may be there to answer a question."""
        self.stopping = False
        """Set once, never cleared: the run must end as soon as it can."""
        self.reason = "stopped by the user"
        """Why, for the record."""
        self.interrupt: Callable[[], None] | None = None
        """Set by a workspace while blocking code runs: cuts that code short from another thread."""
        self._extend: Callable[[float], None] | None = None
        self.code_began = 0.0
        """When the code that runs began, on time.monotonic()."""
        self.memory: Callable[[], int | None] | None = None
        """Set by a workspace while code runs: the bytes of memory that its process holds now."""
        self._notes: list[str] = []
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[object] | None = None
        self._paused = False
        self._wake: asyncio.Event | None = None

    @property
    def extend(self) -> Callable[[float], None] | None:
        """Set by a workspace while code runs: gives that code so many more seconds before its time limit."""
        return self._extend

    @extend.setter
    def extend(self, extend: Callable[[float], None] | None) -> None:
        if extend is not None:
            self.code_began = time.monotonic()
        self._extend = extend

    def attach(self) -> None:
        """Bind to the task that runs the loop; called inside it, before its first await."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._wake = asyncio.Event()

    def detach(self) -> None:
        """Let go of the task: the run is over, and a late stop must not cancel what its task does next."""
        self._task = None

    def stop(self) -> None:
        """End the run now: cut running code short, or cancel what is awaited."""
        self.stopping = True
        if self.interrupt is not None:
            self.interrupt()
        elif self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel)

    def kill(self) -> None:
        """End the processes that a stop has not ended; a run by itself sees to its own."""

    def _cancel(self) -> None:
        if self._task is not None and not self._task.done() and self.interrupt is None:
            self._task.cancel()

    def note(self, text: str) -> None:
        """Tell the agent something; it reads it before its next decision."""
        with self._lock:
            self._notes.append(text)

    def notes(self) -> list[str]:
        """Return the notes not yet taken, and leave them."""
        with self._lock:
            return list(self._notes)

    def take_notes(self) -> list[str]:
        """Hand over the notes not yet taken."""
        with self._lock:
            notes, self._notes = self._notes, []
        return notes

    @property
    def paused(self) -> bool:
        """Whether the run holds before its next decision."""
        return self._paused

    def pause(self) -> None:
        """Hold before the next decision."""
        self._paused = True

    def unpause(self) -> None:
        """Go on after a pause."""
        self._paused = False
        if self._loop is not None and self._wake is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def wait_while_paused(self) -> None:
        """Return at once, or when `unpause` is called."""
        while self._paused and self._wake is not None:
            self._wake.clear()
            await self._wake.wait()
