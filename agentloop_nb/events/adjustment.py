"""What changes a state and is never recorded."""

from __future__ import annotations

from decimal import Decimal

from agentloop_nb.actions import ActionResult
from agentloop_nb.protocols import Value


class RunInterrupted(Value):
    """Adjustment: the kernel of a run that has no end in its record is dead."""


class LimitsReplaced(Value):
    """Adjustment: the run has the limits of the person's own settings, not those of its record."""

    max_steps: int
    budget: Decimal | None = None


class OutputsEvicted(Value):
    """Adjustment: of a step's outputs only the beginning is held in memory; the record has them."""

    index: int
    """The place of the step among all that were paid for: those that were taken back, then the others."""
    result: ActionResult


Adjustment = RunInterrupted | LimitsReplaced | OutputsEvicted
"""What changes a state and is never recorded: it is so in this process only."""
