"""What requests weigh: the unit of a bill, and how much of a request the one before it had, too."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

CACHED, SMALLEST = 0.1, 4_096
"""What a character costs inside a prefix that the request before had, too, and the shortest prefix that counts."""


def fixed(body: dict[str, Any]) -> str:
    """Return what a request says of the form of its answer, as text."""
    return json.dumps({key: body[key] for key in ("response_format", "tools") if key in body})


def sent(body: dict[str, Any]) -> str:
    """Return a request as text: what never changes first."""
    return fixed(body) + "\n".join(json.dumps(message) for message in body["messages"])


def shared(one: str, other: str) -> int:
    """Return how many characters two texts begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))


def units(bodies: list[dict[str, Any]]) -> float:
    """Return what the requests of a run cost."""
    texts = list(map(sent, bodies))
    total = float(len(texts[0]))
    for before, text in pairwise(texts):
        same = shared(before, text)
        total += len(text) - (same * (1 - CACHED) if same >= SMALLEST else 0)
    return total
