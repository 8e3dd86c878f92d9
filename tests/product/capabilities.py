"""What holds of each action, found out from its code: how it is undone, replayed and exported, and where it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from agentloop_nb.actions import (
    BUILT_IN,
    Action,
    ActionResult,
    Query,
    RunCode,
    UseTool,
    WriteFile,
    look_up,
    read_document,
)
from agentloop_nb.actions.delegate import Delegate
from agentloop_nb.actions.effects import Answer, Effects, OwnCall
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.bridge.tools import STEPS
from agentloop_nb.models.recorded_answers import question_of
from agentloop_nb.protocols import Document, Page, SearchHit, ToolAnswer, WrittenFile

HEAD = ("action", "undo", "replay", "export", "isolated, fork", "browser", "served")
"""The columns of the table."""


class YourFunction(OwnAction):
    """Stands for any function of the user's."""


SAMPLES: dict[str, tuple[dict[str, object], Effects]] = {
    "search_web": ({"query": "q"}, Effects(hits=(SearchHit(title="t", url="https://a.example/", snippet="s"),))),
    "read_url": ({"url": "https://a.example/"}, Effects(page=Page(url="https://a.example/", title="t", text="x"))),
    "run_code": ({"code": "1"}, Effects()),
    "write_file": ({"filename": "a.txt", "content": "x"}, Effects(file=WrittenFile(path="a.txt", size=1))),
    "finish": ({"summary": "done"}, Effects()),
    "look_up": ({"requests": [{"query": "q"}]}, Effects()),
    "read_document": ({"path": "a.csv"}, Effects(document=Document(path="a.csv", kind="csv", text="x"))),
    "query": ({"sql": "SELECT 1"}, Effects()),
    "use_tool": ({"tool": "files.read", "save_as": "text"}, Effects(tool=ToolAnswer(text="x"))),
    "ask_user": ({"question": "q?", "default": "a"}, Effects(answer=Answer(text="a", by="choice"))),
    "your_function": ({}, Effects()),
}
"""Fields of one of each, and what it brought."""
REACHED = ActionResult(success=True, output="x", effects=Effects(own=OwnCall(code="f()", reaches="reads web")))
"""What came of a function that was declared to reach outside."""


def rows() -> Iterator[tuple[str, ...]]:
    """One row an action; what tasks do that were delegated is up to their own actions."""
    for kind in (*BUILT_IN, YourFunction):
        if kind is not Delegate:
            yield _row(kind)


def _row(kind: type[Action]) -> tuple[str, ...]:
    fields, effects = SAMPLES[kind.name]
    action = kind.model_validate(fields)
    result = ActionResult(success=True, output="x", effects=effects)
    name = "your own function" if issubclass(kind, OwnAction) else f"`{kind.name}`"
    where = (_isolated(action), _browser(action), _served(action))
    return name, _undo(action), _replay(action, effects), _export(action, result), *where


def _undo(action: Action) -> str:
    if isinstance(action, OwnAction):
        return "variables; what it reaches outside by `undo=`"
    if isinstance(action, RunCode):
        return "variables; files and effects are named"
    if isinstance(action, UseTool):
        return "the variable; what its server did is named"
    if isinstance(action, Query):
        return "the result"
    return "the file" if isinstance(action, WriteFile) else "it changes nothing"


def _replay(action: Action, effects: Effects) -> str:
    if isinstance(action, Query):
        return "of a connection from the record, else done again"
    if isinstance(action, OwnAction) and action.is_kept(REACHED):
        return "what reached outside from the record, else done again"
    if effects.answer is not None or any(map(question_of, action.parts())):
        return "from the record"
    return "done again"


def _export(action: Action, result: ActionResult) -> str:
    kinds = {cell.cell_type for cell in action.cells(result, 1)}
    if isinstance(action, OwnAction):
        return "the function and the call, or what it brought"
    if isinstance(action, UseTool):
        return "quoted, its variable bound" if kinds == {"markdown", "code"} else "quoted"
    return "a cell that runs" if "code" in kinds else "quoted" if kinds else "the answer"


def _isolated(action: Action) -> str:
    return "where what it uses can go along" if isinstance(action, OwnAction) else "yes"


def _served(action: Action) -> str:
    if action.name in STEPS:
        return "a tool"
    return "by `run_code`" if isinstance(action, OwnAction) else "no tool"


def _browser(action: Action) -> str:
    if isinstance(action, Query):
        return "where DuckDB is"
    with _in_browser():
        if type(action).unavailable():
            return "no"
    return "from a record" if any(map(question_of, action.parts())) else "yes"


@contextmanager
def _in_browser() -> Iterator[None]:
    for module in (look_up, read_document):
        module.IN_BROWSER = True
    try:
        yield
    finally:
        for module in (look_up, read_document):
            module.IN_BROWSER = False
