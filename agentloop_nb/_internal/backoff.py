"""Exponential back-off: how long to wait before another attempt."""

from __future__ import annotations

import random


def backoff(number: int, longest: float) -> float:
    """Return seconds to wait after failed attempt `number`, from 1: half a second, doubled each time, with jitter.

    The jitter keeps clients from coming back all at once.
    """
    seconds = min(longest, 0.5 * 2.0 ** min(number - 1, 10))
    return seconds * random.uniform(0.75, 1)  # noqa: S311 - jitter, no secret
