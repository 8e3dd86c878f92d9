"""The action space. These tuples are the only lists of actions; prompt, wire schema, cards and docs follow them."""

from __future__ import annotations

from agentloop_nb.actions.action import Action, ActionResult, Cell
from agentloop_nb.actions.ask_user import AskUser
from agentloop_nb.actions.finish import Finish
from agentloop_nb.actions.plan import Plan
from agentloop_nb.actions.read_url import ReadUrl
from agentloop_nb.actions.run_code import RunCode
from agentloop_nb.actions.search_web import SearchWeb
from agentloop_nb.actions.write_file import WriteFile

ACTIONS: tuple[type[Action], ...] = (SearchWeb, ReadUrl, RunCode, WriteFile, Finish)
"""The five that every run has."""
BUILT_IN: tuple[type[Action], ...] = (*ACTIONS, AskUser, Plan)
"""All there are; those beside the five are offered where they can be used."""
BY_NAME: dict[str, type[Action]] = {action.name: action for action in BUILT_IN}

__all__ = [
    "ACTIONS",
    "BUILT_IN",
    "BY_NAME",
    "Action",
    "ActionResult",
    "AskUser",
    "Cell",
    "Finish",
    "Plan",
    "ReadUrl",
    "RunCode",
    "SearchWeb",
    "WriteFile",
]
