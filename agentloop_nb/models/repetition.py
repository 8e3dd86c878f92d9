"""A reply that repeats itself without end is noticed while it streams in."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_UNIT = 300
"""Characters of a text that is looked for again and again."""
LEAST_TIMES = 4
LONG_ENOUGH = 2400
"""Characters of repeated words that nobody means; numbers and signs, as in a table of zeros, are let go further."""
LONG_ENOUGH_SIGNS = 8000
LOOK_EVERY = 400
"""Characters between two looks."""
_WORDS = re.compile(r"[^\W\d_]{2,}.*[^\W\d_]{2,}", re.DOTALL)


@dataclass
class Repetition:
    """Looks at the end of what streams in."""

    found: bool = False
    _tail: str = ""
    _looked: int = 0

    def feed(self, piece: str) -> None:
        """Take in a piece of the reply."""
        self._tail += piece
        self._looked += len(piece)
        if self._looked >= LOOK_EVERY and not self.found:
            self._looked = 0
            self._tail = self._tail[-LONG_ENOUGH_SIGNS - LONGEST_UNIT :]
            self.found = _end(self._tail) is not None


def _end(text: str) -> tuple[int, int] | None:
    """Where the repetition that ends a text begins, and the length of what is repeated."""
    period = _period(text[-LEAST_TIMES * LONGEST_UNIT :])
    if period is None:
        return None
    start = _begin(text, period)
    unit = text[-period:]
    needed = LONG_ENOUGH if _WORDS.search(unit) else LONG_ENOUGH_SIGNS
    return (start, period) if len(text) - start >= needed else None


def _period(tail: str) -> int | None:
    """The length of the shortest text that a tail consists of, again and again."""
    if len(tail) < LEAST_TIMES * LONGEST_UNIT:
        return None
    return next((size for size in range(1, LONGEST_UNIT + 1) if tail[size:] == tail[:-size]), None)


def _begin(text: str, period: int) -> int:
    """Where the text begins that has this period up to its end."""
    position = len(text) - period - 1
    while position >= 0 and text[position] == text[position + period]:
        position -= 1
    return position + 1


def shortened(text: str) -> str:
    """Keep what is repeated at the end of a text once."""
    end = _end(text)
    return text if end is None else f"{text[: end[0] + end[1]]}…"
