"""Folders that this process has open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress


def open_folders() -> Iterator[str]:
    """Yield the folders that this process has open: any of them may be the one that a name is looked up in."""
    with suppress(OSError):
        for number in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                place = os.readlink(f"/proc/self/fd/{number}")
                if os.path.isdir(place) and not place.startswith("/proc/"):
                    yield place
