"""The action space. This tuple is the only list of actions; prompt, wire schema, cards and docs are made from it."""

from __future__ import annotations

from agentloop_nb.actions.action import Action, ActionResult, Cell
from agentloop_nb.actions.finish import Finish
from agentloop_nb.actions.read_url import ReadUrl
from agentloop_nb.actions.run_code import RunCode
from agentloop_nb.actions.search_web import SearchWeb
from agentloop_nb.actions.write_file import WriteFile

ACTIONS: tuple[type[Action], ...] = (SearchWeb, ReadUrl, RunCode, WriteFile, Finish)
BY_NAME: dict[str, type[Action]] = {action.name: action for action in ACTIONS}

__all__ = [
    "ACTIONS",
    "BY_NAME",
    "Action",
    "ActionResult",
    "Cell",
    "Finish",
    "ReadUrl",
    "RunCode",
    "SearchWeb",
    "WriteFile",
]
