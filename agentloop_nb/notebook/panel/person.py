"""What the questions of a run have in common: a person is reached by the panel, or by `input()` in the cell."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, Protocol

from agentloop_nb.agent.control import Control
from agentloop_nb.notebook.kernel.runner import read_line


class Desk(Protocol):
    """Where something is put to a person: the panel."""

    served: threading.Event
    """Set once a front end's message arrived while the run was going on."""


class Click:
    """One message of the panel that is waited for. It may come from any thread."""

    def __init__(self) -> None:
        self._waiting: asyncio.Future[dict[str, Any]] | None = None

    def expect(self) -> asyncio.Future[dict[str, Any]]:
        """Wait for a message from now on: before the buttons are shown, so that no click is lost."""
        self._waiting = asyncio.get_running_loop().create_future()
        return self._waiting

    def no_more(self) -> None:
        """Take no message any longer."""
        self._waiting = None

    def take(self, message: dict[str, Any]) -> bool:
        """Take a message in. False when it comes too late."""
        waiting = self._waiting
        if waiting is None or waiting.done():
            return False
        waiting.get_loop().call_soon_threadsafe(_settle, waiting, message)
        return True


def _settle(waiting: asyncio.Future[dict[str, Any]], message: dict[str, Any]) -> None:
    if not waiting.done():
        waiting.set_result(message)


async def reachable(desk: Desk) -> bool:
    """Whether the panel's messages arrive, known within a second and a half of the first question."""
    for _ in range(30):
        if desk.served.is_set():
            return True
        await asyncio.sleep(0.05)
    return False


def until_of(seconds: float) -> float:
    """Say when a wait that begins now is over, in seconds since the epoch; 0 for one without end."""
    return time.time() + seconds if seconds else 0.0


async def typed(prompt: str, control: Control, seconds: float | None) -> str | None:
    """Read a line in the cell itself, where a busy kernel cannot serve the panel; None where nobody can type.

    An interrupt stops the run. Raises `TimeoutError`.
    """
    try:
        return await read_line(prompt, control, seconds=seconds)
    except (KeyboardInterrupt, EOFError):
        control.stopping = True
        raise asyncio.CancelledError from None
    except NotImplementedError:  # whatever the panel believed
        return None
