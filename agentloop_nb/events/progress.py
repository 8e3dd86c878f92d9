"""What a view may show while something is under way; never recorded."""

from __future__ import annotations

from agentloop_nb.protocols import Delta, Output, Value


class ReplyStreamed(Value):
    """Progress: a piece of the reply for `step` came in."""

    step: int
    delta: Delta


class OutputAppeared(Value):
    """Progress: the running step showed something; streams carry only the new text."""

    step: int
    output: Output


class WaitStarted(Value):
    """Progress: nothing happens for `seconds`, because of `reason`."""

    step: int
    seconds: float
    reason: str


Progress = ReplyStreamed | OutputAppeared | WaitStarted
