"""How a run ends by its own finish. That the goal is met is what the model says, or what a contract shows."""

from __future__ import annotations

from collections.abc import Sequence

from agentloop_nb.actions import Finish
from agentloop_nb.events import Status
from agentloop_nb.protocols import Check

MET = "the model reports the goal met"
SHOWN = "the contract holds: {}"
NOT_MET = "the model reports that the goal is not met"


def conclusion(action: Finish, checks: Sequence[Check] = ()) -> tuple[Status, str]:
    """Return the status of a run that ends with this finish, and the reason."""
    if not action.goal_met:
        return "not_met", NOT_MET
    return "finished", SHOWN.format(", ".join(check.expression for check in checks)) if checks else MET
