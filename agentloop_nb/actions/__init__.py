"""The action space. Prompt, wire schema, cards and docs are made from these lists, and from no other."""

from __future__ import annotations

from agentloop_nb.actions.action import Action, ActionResult, Cell
from agentloop_nb.actions.ask_user import AskUser
from agentloop_nb.actions.delegate import Delegate
from agentloop_nb.actions.finish import Finish
from agentloop_nb.actions.look_up import LookUp
from agentloop_nb.actions.plan import Plan
from agentloop_nb.actions.query import Query
from agentloop_nb.actions.read_document import ReadDocument
from agentloop_nb.actions.read_url import ReadUrl
from agentloop_nb.actions.run_code import RunCode
from agentloop_nb.actions.search_web import SearchWeb
from agentloop_nb.actions.use_tool import UseTool
from agentloop_nb.actions.write_file import WriteFile

ACTIONS: tuple[type[Action], ...] = (SearchWeb, ReadUrl, RunCode, WriteFile, Finish)
"""The five that every run has had since the first version."""
BUILT_IN: tuple[type[Action], ...] = (*ACTIONS, LookUp, ReadDocument, Query, UseTool, AskUser, Delegate)
"""All that come with this package, the five first; what one run may do is chosen in `registry`."""
BY_NAME: dict[str, type[Action]] = {action.name: action for action in BUILT_IN}

__all__ = [
    "ACTIONS",
    "BUILT_IN",
    "BY_NAME",
    "Action",
    "ActionResult",
    "AskUser",
    "Cell",
    "Delegate",
    "Finish",
    "LookUp",
    "Plan",
    "Query",
    "ReadDocument",
    "ReadUrl",
    "RunCode",
    "SearchWeb",
    "UseTool",
    "WriteFile",
]
