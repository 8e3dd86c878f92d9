"""Exponential back-off: how long to wait before another attempt."""

from __future__ import annotations

import random

CHANCE = random.SystemRandom()
"""Not the generator that `random` shares: the user's code may have seeded that one, and counts on what it draws."""


def backoff(number: int, longest: float) -> float:
    """Return seconds to wait after failed attempt `number`, from 1: half a second, doubled each time, with jitter.

    The jitter keeps clients from coming back all at once.
    """
    seconds = min(longest, 0.5 * 2.0 ** min(number - 1, 10))
    return seconds * CHANCE.uniform(0.75, 1)
