"""Stopping several runs as one."""

from __future__ import annotations

from collections.abc import Callable

from agentloop_nb.agent.control import Control


class GroupControl(Control):
    """The control of several runs together: a stop is a stop of each, begun already or not; a second one kills."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[Control] = []
        self.on_stop: Callable[[], object] | None = None
        """Told of a stop, from any thread."""
        self.on_kill: Callable[[], object] | None = None
        """Ends the processes of all runs at once, from any thread."""

    def add(self, part: Control) -> None:
        """Take one more run in; one that comes too late is stopped at once."""
        self.parts.append(part)
        if self.stopping:
            part.stop()

    def stop(self) -> None:
        """End all of them now; the second time whatever they are at."""
        if self.stopping:
            self.kill()
            return
        self.stopping = True
        for part in self.parts:
            part.reason = self.reason
            part.stop()
        if self.on_stop is not None:
            self.on_stop()

    def kill(self) -> None:
        """End their processes, which a stop asks to end by themselves."""
        if self.on_kill is not None:
            self.on_kill()
