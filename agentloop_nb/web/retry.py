"""Another attempt at what may be tried again: searches and page reads change nothing, so asking twice is harmless."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agentloop_nb._internal.backoff import backoff
from agentloop_nb.errors import ActionFailed, Offline

T = TypeVar("T")

LONGEST_WAIT = 20.0
"""Seconds waited between two attempts at most, whatever the server asks for."""

_NO_NETWORK = re.compile(r"may be offline|does not resolve at the moment|network is unreachable", re.IGNORECASE)
"""What is said where no other address can be reached either."""

OnWait = Callable[[float, str], None]
"""Told the seconds of a wait before another attempt, and its reason."""


class Again(Exception):
    """Worth another attempt; `after` is how many seconds the server asked to wait."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


async def attempts(attempt: Callable[[], Awaitable[T]], what: str, *, retries: int, on_wait: OnWait | None) -> T:
    """Return what `attempt` brings, trying again up to `retries` times. Raises `ActionFailed`."""
    number = 0
    while True:
        try:
            return await attempt()
        except Again as fault:
            number += 1
            if number > retries:
                failure = Offline if _NO_NETWORK.search(str(fault)) else ActionFailed
                raise failure(f"{what} failed {number} times: {fault}.") from fault
            wait = backoff(number, LONGEST_WAIT) if fault.after is None else min(fault.after, LONGEST_WAIT)
            if on_wait is not None:
                on_wait(wait, f"{what}: {fault}")
            await asyncio.sleep(wait)
