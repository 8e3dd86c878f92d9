"""Work that takes long and starts kernels, done on a thread: the kernel's own loop serves the panel meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.errors import AgentStopped
from agentloop_nb.notebook.kernel import interrupts, output_scope

_LOOK = 0.2
"""Seconds between two looks at whether work that is to stop has begun another verification."""


def tell(work: Callable[[], str], *, awaited: bool) -> Coroutine[Any, Any, None] | None:
    """Print what work tells: at once, or as a coroutine where the cell awaits it."""
    if awaited and not IN_BROWSER and not output_scope.in_step():
        return _tell(work)
    print(work())
    return None


async def _tell(work: Callable[[], str]) -> None:
    print(await _beside(work))


async def _beside(work: Callable[[], str]) -> str:
    """Return what work on a thread returns. An interrupt ends what it verifies, and is raised once it is over."""
    from agentloop_nb.verify.certified_export import stop_verifying

    stopped = asyncio.Event()
    doing = asyncio.ensure_future(asyncio.to_thread(work))
    with interrupts.heard(stopped.set):
        while not doing.done():
            try:
                await asyncio.wait([doing], timeout=_LOOK)
            except asyncio.CancelledError:  # the kernel has a handler of its own for a cell that awaits
                stopped.set()
            if stopped.is_set():
                stop_verifying()
    if stopped.is_set() and (doing.cancelled() or doing.exception() is not None):
        raise AgentStopped("not verified to the end, because it was interrupted")
    return doing.result()
