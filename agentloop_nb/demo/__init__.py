"""The packaged demo: a record whose decisions were scripted by hand and whose code really ran."""

from __future__ import annotations

from pathlib import Path

RECORD = Path(__file__).with_name("fibonacci.jsonl")
"""What the model `demo` replays: decisions are replayed, code and files are live, nothing is asked of anyone."""


def goal() -> str:
    """The goal of the packaged demo."""
    from agentloop_nb.record import reading
    from agentloop_nb.state import fold

    return fold(reading.read(RECORD)).goal
