"""What a person sees of an exported notebook, against what its metadata would have run, and what looks forged."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentloop_nb._internal.ipython_syntax import parsed
from agentloop_nb._internal.text import on_one_line
from agentloop_nb.actions import Action, Query, RunCode, UseTool, WriteFile
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.decision import Decision

Cell = Mapping[str, Any]

_HIDING_TAGS = frozenset(
    {"hide-input", "hide-cell", "hide_input", "hide", "remove-input", "remove-cell", "remove_input", "remove_cell"}
)
_SHOWN = 200
"""Characters of a difference that are shown."""


def difference(cells: Sequence[Cell], decisions: Iterable[tuple[int, Decision]]) -> str:
    """Where code of the decisions (with the numbers of their steps) is not what the cells show; empty if nowhere."""
    for cell in cells:
        if is_hidden(cell):
            return f"cell {on_one_line(str(cell.get('id')))} is marked as hidden, and would run unseen"
    for step, decision in decisions:
        mine = [cell for cell in cells if not step or str(cell.get("id")).startswith(f"step-{step}-")]
        if not any(_shows(cell, decision.action) for cell in mine):
            return _told(step, mine, decision.action)
    return ""


def is_hidden(cell: Cell) -> bool:
    """Whether a reader would not show the code of a cell."""
    metadata = cell.get("metadata") or {}
    jupyter = metadata.get("jupyter") or {}
    hidden = bool(metadata.get("hide_input") or (isinstance(jupyter, dict) and jupyter.get("source_hidden")))
    return cell.get("cell_type") == "code" and (
        hidden or bool(_HIDING_TAGS & set(map(str, metadata.get("tags") or ())))
    )


def forged(cell: Cell) -> str:
    """Why the outputs of a code cell cannot be those of a run; empty if they may be."""
    if cell.get("outputs") and not cell.get("execution_count"):
        return "it shows outputs, but was never run: they were put there by other means"
    return "it is marked as hidden, and would run unseen" if is_hidden(cell) else ""


def _shows(cell: Cell, action: Action) -> bool:
    source, code = source_of(cell), cell.get("cell_type") == "code"
    if isinstance(action, RunCode):
        wanted = _plain(action.code)
        return _plain(source) == wanted if code else f"\n{wanted}\n" in f"\n{_plain_text(source)}\n"
    if isinstance(action, WriteFile):
        return code and _writes(source, action)
    if isinstance(action, Query):
        shown = (source, source.replace("%%", "%"), source.replace("\n# ", "\n"))
        return any(_plain_text(action.sql) in _plain_text(each) for each in shown)
    if isinstance(action, OwnAction):
        return action.function is None or action.call in source  # what is not declared here is not called
    if isinstance(action, UseTool):
        return not action.save_as or action.save_as in source
    return True  # it runs no code and writes nothing


def source_of(cell: Cell) -> str:
    """Return the source of a cell; nbformat allows a list of lines."""
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list | tuple) else str(source)


def _plain(code: str) -> str:
    """Code without what the export puts around it."""
    code = _plain_text(code)
    return code.removesuffix("\nNone") if code.removesuffix("\nNone").rstrip().endswith(";") else code


def _plain_text(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").strip().split("\n"))


def _writes(source: str, action: WriteFile) -> bool:
    """Whether a cell holds the content and the name of a file."""
    tree = parsed(source)
    if tree is None:
        return False
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    names = {_name(text) for text in texts if len(text) < 2000}
    return action.content in texts and _name(action.filename) in names


def _name(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _told(step: int, cells: Sequence[Cell], action: Action) -> str:
    seen = next((source_of(cell) for cell in cells if cell.get("cell_type") == "code"), "") if step else ""
    hidden = _hidden(action)
    shown = f"shows {_cut(seen)}" if seen.strip() else "shows no such code"
    return f"step {step or '?'} {shown}, and its metadata would run {_cut(hidden)}"


def _hidden(action: Action) -> str:
    """Return what an action would run or write."""
    match action:
        case RunCode() | OwnAction():
            return action.code
        case Query():
            return action.sql
        case _:
            return str(getattr(action, "content", ""))


def _cut(text: str) -> str:
    line = on_one_line(text[: 4 * _SHOWN])
    return repr(line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…")
