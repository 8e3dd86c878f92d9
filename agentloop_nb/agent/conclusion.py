"""How a run ends by its own finish. That the goal is met is what the model says; nobody else has looked."""

from __future__ import annotations

from agentloop_nb.actions import Finish
from agentloop_nb.events import Status

MET = "the model reports the goal met"
NOT_MET = "the model reports that the goal is not met"


def conclusion(action: Finish) -> tuple[Status, str]:
    """Return the status of a run that ends with this finish, and the reason."""
    return ("finished", MET) if action.goal_met else ("not_met", NOT_MET)
