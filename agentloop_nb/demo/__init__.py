"""The packaged demo: a record whose decisions were scripted by hand and whose code really ran."""

from __future__ import annotations

import functools
from pathlib import Path

RECORD = Path(__file__).with_name("cafe.jsonl")
"""What the model `demo` replays: decisions are replayed, code and files are live, nothing is asked of anyone."""
DATA = Path(__file__).with_name("cafe.csv")
"""What its goal is about: eight weeks of a small cafe."""
PACE = 1.5
"""Seconds a reply takes where a person watches it in a panel."""


@functools.cache
def goal() -> str:
    """Return the goal of the packaged demo."""
    from agentloop_nb.record import reading
    from agentloop_nb.state import fold

    return fold(reading.read(RECORD)).goal


def prepare(folder: Path) -> None:
    """Put the data of the demo into a working folder; a file of that name that is there stays as it is."""
    target = folder / DATA.name
    if not target.exists():
        target.write_bytes(DATA.read_bytes())


def known_goal_only(asked: str) -> str:
    """Return what to say before a run of any other goal than the demo's own; empty for its own."""
    if _words(asked) == _words(goal()):
        return ""
    return f"The demo knows one goal only and cannot do another. It shows this one instead: {goal()}"


def _words(text: str) -> list[str]:
    return text.lower().strip().rstrip(".").split()
