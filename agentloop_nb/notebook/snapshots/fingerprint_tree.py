"""What a value and everything mutable in it look like together, to tell later whether somebody changed it in place."""

from __future__ import annotations

from typing import Any

from agentloop_nb._internal.platform import thread_time
from agentloop_nb.notebook.snapshots.fingerprint import differs, likeness
from agentloop_nb.notebook.snapshots.snapshot import Memory

ROOM = 256 * 2**20
"""Bytes copied for a moment to find what lies in a value; of what is larger, samples are looked at."""
LOOK_TIME = 1.0
"""CPU seconds for looking at one value; what lies beyond counts as unchanged."""


class Appearance:
    """How a value looked when this was made. Keeps what lies in it alive, but no copy."""

    def __init__(self, value: Any) -> None:
        memory = Memory(ROOM)
        memory.add(value, thread_time() + LOOK_TIME)
        pieces = list(memory.pieces.values())
        self._looks = [(each.value, each.kind, likeness(each.value, each.kind)) for each in pieces if each.restorable]
        self._digests = [each for each in pieces if not each.restorable]

    def changed(self) -> bool:
        """Whether the value, or anything in it, was changed in place since."""
        return any(differs(*look) for look in self._looks) or not all(each.same() for each in self._digests)
