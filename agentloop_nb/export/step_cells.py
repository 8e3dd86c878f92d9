"""The cells of one step: why it was taken, and what does it again."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence

from agentloop_nb._internal.ipython_syntax import parsed, to_python
from agentloop_nb._internal.markup import WIDGET_VIEW, code_span, fenced, harmless, plain
from agentloop_nb.actions import Cell, Finish, RunCode
from agentloop_nb.actions.action import markdown_cell
from agentloop_nb.record.replay_data import refused
from agentloop_nb.step import Step

_MOVES = re.compile(r"\bchdir\s*\(|^[^\S\n]*%cd\b", re.MULTILINE)
_REMEMBER = "import os\n\n_folder = os.getcwd()  # the run moved back here after the next cell"
_MOVE_BACK = "os.chdir(_folder)"
_FOLDER = "it keeps the working folder, and shows nothing"
_LISTS = re.compile(r"!\s*(?:ls|find|tree|du|dir)\b|\b(?:listdir|scandir|iterdir|glob|rglob|walk)\b")
_NOTEBOOKS = "it lists the notebooks of the folder, which are others elsewhere"
_ENDED = "## Where the results are"
_SENTENCE = re.compile(r"(?<=[.!?:;])\s")
_LONGEST_HEADING = 90


def step_cells(step: Step, count: int, found: str = "") -> Iterator[tuple[str, Cell]]:
    """Tell a step, each cell with its id; `count` is its number among those that are told.

    `found` is what it gave to the answer.
    """
    assert step.decision is not None
    name, action = f"step-{step.number}", step.decision.action
    said = "".join(f"> **You:** {harmless(note)}\n\n" for note in step.notes)
    concluded = isinstance(action, Finish) and step.result is not None and step.result.success
    head = _ENDED if concluded else _heading(step.decision.reasoning, count)
    cells = _replayed(step)
    given = f"\n\n*Found here, for the answer:* {harmless(found)}" if found else ""
    yield f"{name}-why", markdown_cell(said + head + given + _failure(step, cells))
    for number, cell in enumerate(cells, 1):
        yield from in_its_folder(f"{name}-{cell.cell_type}" + (f"-{number}" if number > 1 else ""), cell)


def _failure(step: Step, cells: Sequence[Cell]) -> str:
    """Say of code that failed that it did, because its outputs are folded."""
    if step.result is None or not any("raises-exception" in cell.tags for cell in cells):
        return ""
    told = " ".join((step.result.error or "an error").split())
    return f"\n\n*This step failed, and its outputs are folded:* {plain(_cut(told))}"


def in_its_folder(name: str, cell: Cell) -> Iterator[tuple[str, Cell]]:
    """Yield a cell; one that moves into another folder is followed by one that moves back, as the run did."""
    moves = cell.cell_type == "code" and _MOVES.search(cell.source)
    if moves:
        yield f"folder-{name}", Cell(cell_type="code", source=_REMEMBER, unchecked=_FOLDER)
    yield name, cell
    if moves:
        yield f"back-{name}", Cell(cell_type="code", source=_MOVE_BACK, unchecked=_FOLDER)


def _files(action: Finish) -> str:
    """Return what a run left, at its end; the answer stands at the top."""
    files = "".join(f"\n- {code_span(name)}" for name in action.artifacts)
    return f"Files:\n{files}" if files else "The answer stands at the top; what was computed is in the variables."


def _heading(reasoning: str, count: int) -> str:
    """Return the first sentence of a reason as a heading, numbered, and the rest below it."""
    text = " ".join(reasoning.split("\n\n", maxsplit=1)[0].split())
    first = _SENTENCE.split(text, maxsplit=1)[0].rstrip(".:")
    if not 0 < len(first) <= _LONGEST_HEADING:
        return f"### {count}. {harmless(_cut(first)) or 'A step'}\n\n{harmless(reasoning)}"
    rest = reasoning.strip()[len(first) :].lstrip(".: \n") if reasoning.strip().startswith(first) else reasoning
    return f"### {count}. {harmless(first)}" + (f"\n\n{harmless(rest[0].upper() + rest[1:])}" if rest else "")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_HEADING else text[:_LONGEST_HEADING].rsplit(" ", 1)[0] + " …"


def _replayed(step: Step) -> list[Cell]:
    """Return the cells that do again what the step did; of what cannot be done again, the code is only shown."""
    assert step.decision is not None
    action, result = step.decision.action, step.result
    if not isinstance(action, RunCode):
        told = [] if result is None else action.cells(result, step.number)
        if isinstance(action, Finish) and result is not None:
            told = [markdown_cell(_files(action) if result.success else f"*{harmless(str(result.error))}*")]
        return [cell if cell.cell_type == "code" else markdown_cell(cell.source) for cell in told]
    if result is not None and (result.success or any(out["output_type"] == "error" for out in result.outputs)):
        why = _varies(action.code, json.dumps(result.outputs))
        changed = [
            {"source": silent(cell.source), "unchecked": cell.unchecked or why}
            for cell in action.cells(result, step.number)
        ]
        return [
            cell.model_copy(update=new) for cell, new in zip(action.cells(result, step.number), changed, strict=True)
        ]
    if refused(step):
        why = "It was the same again, and not run." if step.effects.repeated else "It was refused, and not run."
    elif result is None:
        why = "The kernel died while this ran; it is not run again."
    else:
        why = f"It did not end by itself ({result.error}), and is not run again."
    return [markdown_cell(f"{fenced(action.code)}\n\n*{harmless(why)}*")]


def _varies(code: str, shown: str) -> str:
    """Say why what code showed cannot be the same elsewhere; empty where it can."""
    if WIDGET_VIEW in shown:
        return "a widget shows what it holds in a living kernel only"
    return _NOTEBOOKS if _LISTS.search(code) and ".ipynb" in shown else ""


def silent(source: str) -> str:
    """Keep a last expression quiet whose `;` only works where a notebook keeps a history (nbval does not)."""
    if not source.rstrip().endswith(";"):
        return source
    tree = parsed(to_python(source)[0])
    return f"{source}\nNone" if tree and tree.body and isinstance(tree.body[-1], ast.Expr) else source
