"""Refuse paths of a run that lead through a link: nothing of a run is kept behind one."""

from __future__ import annotations

from pathlib import Path

PRIVATE = ".agentloop"
"""The folder where records and what belongs to them lie."""


def link_in(path: Path) -> Path | None:
    """Return the first part of a path, from `.agentloop` on, that is a link: what lies there may be anybody's."""
    parts = path.absolute().parts
    if PRIVATE not in parts:
        return None
    first = len(parts) - parts[::-1].index(PRIVATE)
    places = (Path(*parts[:end]) for end in range(first, len(parts) + 1))
    return next((place for place in places if place.is_symlink()), None)


def refuse_links(path: Path) -> None:
    """Raise `OSError` where a path leads through a link, from `.agentloop` on."""
    if found := link_in(path):
        raise OSError(f"{found} is a link, and nothing of a run is kept behind one; remove it")
