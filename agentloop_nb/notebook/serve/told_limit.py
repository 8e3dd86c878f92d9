"""How much of the person's data leaves by the answers of one served run."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class ServeLimits(NamedTuple):
    """What ends a served run, besides its steps."""

    minutes: float | None = None
    megabytes: float = 50.0
    """That may be told."""


class ToldLimit:
    """Counts what clients are told, and says once when the limit is reached. Used on the server's loop."""

    def __init__(self, megabytes: float, reached: Callable[[str], None]) -> None:
        self._left = megabytes * 1e6
        self._megabytes, self._reached = megabytes, reached

    def count(self, *texts: str) -> None:
        """Take in what is told."""
        before = self._left
        self._left -= sum(len(text.encode("utf-8", "replace")) for text in texts)
        if self._left <= 0 < before:
            self._reached(f"the {self._megabytes:g} MB that may be told are told; --max-told sets how many")
