"""What an isolated workspace needs of the kernel process it works in, wherever that process is."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from agentloop_nb.isolated.resource_limits import Limits


class Died(Exception):
    """The kernel's process is gone. The message says why."""


class Garbled(Exception):
    """The kernel's process answered what nobody can use. It may be hostile, or code in it broke something."""


class Connection(Protocol):
    """A kernel process that is started, called, told things while it works, and ended. Safe from any thread."""

    remarks: list[str]
    """What a person is to know of the process, not yet told."""

    @property
    def private(self) -> Path:
        """A folder of this machine in which things are handed over."""

    @property
    def alive(self) -> bool:
        """Whether the process is known to live."""

    def start(self) -> None:
        """Start the process and wait until it answers. Raises `Died`."""

    def call(self, what: str, **arguments: Any) -> Any:
        """Have something done and return the answer. Raises `Died` or `Garbled`."""

    def submit(
        self, what: str, arguments: dict[str, Any], on_output: Callable[[Any], None]
    ) -> concurrent.futures.Future[Any]:
        """Have something done that shows output meanwhile, told on another thread."""

    def tell(self, message: str, **content: Any) -> None:
        """Tell the process something although it works."""

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Have something done on another thread after some seconds."""

    def kill(self, why: str) -> None:
        """End the process now; whoever waits for an answer gets `Died`. Only in what `later` was given."""

    def check(self) -> concurrent.futures.Future[bool]:
        """Look whether the process lives."""

    def close(self) -> None:
        """End the process. Closing again does nothing."""


Connect = Callable[[Path, Limits], Connection]
"""Makes the connection to a kernel process that is yet to start, with its working folder and its limits."""
