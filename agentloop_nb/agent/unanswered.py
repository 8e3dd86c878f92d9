"""What only a person may decide, and nobody decided in time."""

from __future__ import annotations

from agentloop_nb._internal.amounts import duration
from agentloop_nb.errors import Hint

ASK_AGAIN = Hint("resume", "asks again")


def what_then(seconds: float) -> str:
    """Return what comes of it where nobody answers, on one line; empty where it waits without end."""
    return f"Without an answer the run ends in {duration(seconds)}; it can be resumed." if seconds else ""


class Unanswered(Exception):
    """Nobody answered: the run ends, nothing is granted, and the same is asked when it is resumed."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"nobody answered within {duration(seconds)}: {what}")
