"""The notebook of a run, in nbformat 4.5: the goal, each step with its reason and its cells, the summary."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import json
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agentloop_nb._internal.ipython_syntax import parsed, to_python
from agentloop_nb._internal.markup import WIDGET_VIEW, fenced, harmless
from agentloop_nb._internal.text import STATUS_WORDS, counted
from agentloop_nb.actions import Cell, Finish, Query, RunCode, WriteFile
from agentloop_nb.actions.action import markdown_cell
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.export.anonymize import Anonymizer
from agentloop_nb.export.inputs import InputFile, inputs
from agentloop_nb.export.selection import Story, asserting
from agentloop_nb.protocols import Output
from agentloop_nb.record.replay_data import Recorded, recorded, refused
from agentloop_nb.safety.redaction import MASK
from agentloop_nb.state import State
from agentloop_nb.step import Step

FORMAT = 1
"""Version of what stands under `metadata.agentloop`."""
CONTRACT, CONTRACT_HEAD = "contract", "contract-why"
"""Ids of the cell that asserts the contract, and of the words above it."""
UNCHECKED = "nbval-ignore-output"
"""Tag of a cell whose outputs are not compared; `metadata.agentloop.unchecked` says why."""

_SEED = re.compile(r"\b(?:seed|random_state|default_rng|manual_seed|set_seed)\s*[=(]\s*\d+\)?")
PLACEHELD = "it reads a file that was left out"
_MASKED = "a secret in its output was masked"
_BEFORE = "it ran before the run, which did not record its output"
_DATA = "it makes values from before the run again, and shows nothing"
_DATA_HEAD = (
    "## Data from before the run\n\nThe run used these values, and no cell that is known makes them again. They are "
    "kept as data, small ones in the cell and others in files beside this notebook."
)
_FOLDER = "it keeps the working folder, and shows nothing"
_MOVES = re.compile(r"\bchdir\s*\(|^\s*%cd\b", re.MULTILINE)
_REMEMBER = "import os\n\n_folder = os.getcwd()  # the run moved back here after the next cell"
_MOVE_BACK = "os.chdir(_folder)"
_LISTS = re.compile(r"!\s*(?:ls|find|tree|du|dir)\b|\b(?:listdir|scandir|iterdir|glob|rglob|walk)\b")
_NOTEBOOKS = "it lists the notebooks of the folder, which are others elsewhere"
_ENDED = "## Where the results are"
_SENTENCE = re.compile(r"(?<=[.!?:;])\s")
_LONGEST_HEADING = 90

Json = dict[str, Any]


def build(story: Story, folder: Path | None, scrub: Anonymizer) -> Json:
    """Return the notebook as JSON values. The same story always gives the same notebook."""
    return _notebook(_cells(story), _metadata(story, folder, scrub), scrub)


def build_all(stories: Sequence[Story], folder: Path | None, scrub: Anonymizer) -> Json:
    """Return several runs of one kernel as one notebook."""
    cells = [(_numbered(name, number), cell) for number, story in enumerate(stories, 1) for name, cell in _cells(story)]
    parts = [_metadata(story, None, scrub) for story in stories]
    code = [piece for story in stories for piece in story.code]
    files = [*inputs(code, folder), *(file for story in stories for file in _data_files(story))]
    together = {
        "goal": "\n".join(part["goal"] for part in parts),
        "packages": {name: version for part in parts for name, version in part["packages"].items()},
        "seeds": sorted({seed for part in parts for seed in part["seeds"]}),
        "inputs": [file.model_dump() for file in files],
        "decisions": [decision for part in parts for decision in part["decisions"]],
    }
    return _notebook(cells, parts[-1] | together, scrub)


def _numbered(name: str, goal: int) -> str:
    """The id of a cell of one of several runs: `step-2-1-code` for the first step of the second goal."""
    kind, _, rest = name.partition("-")
    return "-".join(filter(None, [kind, str(goal), rest]))


def _notebook(told: Iterable[tuple[str, Cell]], metadata: Json, scrub: Anonymizer) -> Json:
    cells = [_finish_cell(cell, scrub) for cell in told]
    for count, cell in enumerate((cell for cell in cells if _is_run(cell)), 1):
        cell["execution_count"] = count
        for output in cell["outputs"]:
            if output["output_type"] == "execute_result":
                output["execution_count"] = count
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "agentloop": metadata,
        },
        "cells": cells,
    }


def _is_run(cell: Json) -> bool:
    """Whether a cell was run as part of the run; the user's earlier cells and parameters keep no count."""
    return bool(cell["cell_type"] == "code" and cell["id"].startswith("step-"))


def _metadata(story: Story, folder: Path | None, scrub: Anonymizer) -> Json:
    sources = [piece.source for piece in story.code]
    return {
        "format": FORMAT,
        "run": story.state.run,
        "goal": scrub.text(story.state.goal),
        "status": story.state.status,
        "model": scrub.text(story.state.decided_by),
        "versions": {"python": platform.python_version(), **story.versions},
        "packages": packages(sources),
        "seeds": sorted({found for source in sources for found in _SEED.findall(source)}),
        "minimal": story.minimal,
        "inputs": [
            file.model_dump()
            for file in (*inputs(story.code, folder), *_data_files(story))
            if file.path not in story.left_out
        ],
        **({"until": [scrub.code(each) for each in story.state.until]} if story.state.until else {}),
        **({"left_out": story.left_out} if story.left_out else {}),
        "decisions": [_decision(each, scrub) for each in recorded(story.steps)],
    }


def _data_files(story: Story) -> list[InputFile]:
    return story.data.inputs if story.data else []


def _decision(each: Recorded, scrub: Anonymizer) -> Json:
    """A decision for replay. Code and files stay as they are, but for paths and secrets; prose is scrubbed as prose."""
    record = each.record()
    runs = isinstance(each.decision.action, RunCode | WriteFile | Query | OwnAction)
    decision = scrub.value(record.pop("decision"), scrub.code if runs else scrub.text)
    decision["reasoning"] = scrub.text(decision["reasoning"])
    return {"decision": decision, **scrub.value(record)}


# -- cells


def _cells(story: Story) -> Iterator[tuple[str, Cell]]:
    """All cells in order, each with its id."""
    yield "goal", markdown_cell(_title(story))
    if story.state.plan:
        yield "plan", markdown_cell(_plan(story.state))
    if story.missing:
        yield "parameters", _parameters(story.missing)
    if story.left_out:
        yield "left-out", markdown_cell(_told_left_out(story.left_out))
    if story.brought:
        yield "earlier", markdown_cell("## Before the run\n\nCells of the notebook that the run depends on.")
    for number, piece in enumerate(story.brought, 1):
        tags = ("raises-exception",) if piece.failed else ()
        cell = Cell(cell_type="code", source=silent(piece.source), tags=tags, unchecked=_BEFORE)
        yield from _in_its_folder(f"earlier-{number}", cell)
    if story.data:
        yield "data", markdown_cell(_DATA_HEAD)
        yield "data-1", Cell(cell_type="code", source=story.data.source, unchecked=_DATA)
    for count, step in enumerate(story.steps, 1):
        for name, cell in _step(step, count):
            held = step.number in story.placeheld and cell.cell_type == "code"
            yield name, cell.model_copy(update={"unchecked": PLACEHELD}) if held else cell
    if not story.steps or story.state.status != "finished":
        yield "end", markdown_cell(_end(story))
    yield from _contract(story.state)


def _contract(state: State) -> Iterator[tuple[str, Cell]]:
    """The contract, last of all: what holds is asserted, so that a run of the notebook shows it again."""
    if not state.checks:
        return
    missed = [f"- {harmless(check.line)}" for check in state.checks if not check.held]
    yield CONTRACT_HEAD, markdown_cell("\n".join(["## Contract", "", "This has to be True at the end.", *missed]))
    if asserted := asserting(state):
        yield CONTRACT, Cell(cell_type="code", source=asserted)


def _title(story: Story) -> str:
    state = story.state
    first, *rest = state.goal.strip().split("\n")
    lines = [f"# {harmless(first)}"]
    if any(line.strip() for line in rest):
        lines += ["", *(f"> {harmless(line)}".rstrip() for line in rest)]
    what = "the steps that its result depends on" if story.minimal else f"{len(story.steps)} steps"
    model = state.decided_by or "a model"
    model = "a recorded run" if model.startswith("replay:") else model
    told = (
        f"This notebook holds {what} of a run that was decided by {model} and carried out by agentloop_nb. It runs "
        "from top to bottom in plain Jupyter, without a model or a key. To check that it still shows what it showed: "
        "agentloop verify, and the name of this file."
    )
    answer = ["", "## Answer", "", harmless(state.summary.strip())] if state.summary.strip() else []
    return "\n".join([*lines, "", f"*{harmless(told)}*", *answer])


def _plan(state: State) -> str:
    """The plan that was followed last, and how often there was another one."""
    rounds = [each for step in state.steps for each in step.plans]
    told = ["", f"*{counted(len(rounds) - 1, 'plan')} before it did not stand.*"] if len(rounds) > 1 else []
    lines = [f"{number}. {harmless(line)}" for number, line in enumerate(state.plan, 1)]
    return "\n".join(["## Plan", "", *lines, *told])


def _end(story: Story) -> str:
    return f"*The run is {STATUS_WORDS[story.state.status]}: {harmless(story.state.reason)}*"


def _told_left_out(files: Mapping[str, str]) -> str:
    lines = [f"- `{path}`: {why}" for path, why in files.items()]
    return "\n".join(["## Left out", "", "The run read these files. Fill in what was read from them.", "", *lines])


def _parameters(missing: Iterable[str]) -> Cell:
    lines = [
        "# Fill these in before you run the notebook: the run used them, and no cell that it knows of makes them.",
        *(f"# {name} = ..." for name in missing),
    ]
    return Cell(cell_type="code", source="\n".join(lines), tags=("parameters",), unchecked=_BEFORE)


def _step(step: Step, count: int) -> Iterator[tuple[str, Cell]]:
    assert step.decision is not None
    name, action = f"step-{step.number}", step.decision.action
    said = "".join(f"> **You:** {harmless(note)}\n\n" for note in step.notes)
    concluded = isinstance(action, Finish) and step.result is not None and step.result.success
    head = _ENDED if concluded else _heading(step.decision.reasoning, count)
    yield f"{name}-why", markdown_cell(said + head)
    for number, cell in enumerate(_replayed(step), 1):
        yield from _in_its_folder(f"{name}-{cell.cell_type}" + (f"-{number}" if number > 1 else ""), cell)


def _in_its_folder(name: str, cell: Cell) -> Iterator[tuple[str, Cell]]:
    """A cell; one that moves into another folder is followed by one that moves back, as the run did."""
    moves = cell.cell_type == "code" and _MOVES.search(cell.source)
    if moves:
        yield f"folder-{name}", Cell(cell_type="code", source=_REMEMBER, unchecked=_FOLDER)
    yield name, cell
    if moves:
        yield f"back-{name}", Cell(cell_type="code", source=_MOVE_BACK, unchecked=_FOLDER)


def _files(action: Finish) -> str:
    """What a run left, at its end; the answer stands at the top."""
    files = "".join(f"\n- `{name}`" for name in action.artifacts)
    return f"Files:\n{files}" if files else "The answer stands at the top; what was computed is in the variables."


def _heading(reasoning: str, count: int) -> str:
    """The first sentence of a reason as a heading, numbered, and the rest below it."""
    text = " ".join(reasoning.split("\n\n", maxsplit=1)[0].split())
    first = _SENTENCE.split(text, maxsplit=1)[0].rstrip(".:")
    if not 0 < len(first) <= _LONGEST_HEADING:
        return f"### {count}. {harmless(_cut(first)) or 'A step'}\n\n{harmless(reasoning)}"
    rest = reasoning.strip()[len(first) :].lstrip(".: \n") if reasoning.strip().startswith(first) else reasoning
    return f"### {count}. {harmless(first)}" + (f"\n\n{harmless(rest)}" if rest else "")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_HEADING else text[:_LONGEST_HEADING].rsplit(" ", 1)[0] + " …"


def _replayed(step: Step) -> list[Cell]:
    """The cells that do again what the step did; of what cannot be done again, the code is only shown."""
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
    """Why what code showed cannot be the same elsewhere; empty where it can."""
    if WIDGET_VIEW in shown:
        return "a widget shows what it holds in a living kernel only"
    return _NOTEBOOKS if _LISTS.search(code) and ".ipynb" in shown else ""


def silent(source: str) -> str:
    """Keep a last expression quiet whose `;` only works where a notebook keeps a history (nbval does not)."""
    if not source.rstrip().endswith(";"):
        return source
    tree = parsed(to_python(source)[0])
    return f"{source}\nNone" if tree and tree.body and isinstance(tree.body[-1], ast.Expr) else source


def _finish_cell(told: tuple[str, Cell], scrub: Anonymizer) -> Json:
    """A cell as nbformat writes it, fit to leave."""
    name, cell = told
    outputs = [output for each in cell.outputs if (output := fit_output(each, scrub))]
    unchecked = cell.unchecked or (_MASKED if MASK in json.dumps(outputs) else "")
    tags = [*cell.tags, *([UNCHECKED] if unchecked else [])]
    metadata: Json = {"tags": tags} if tags else {}
    if cell.cell_type == "markdown":
        return {"cell_type": "markdown", "id": name, "metadata": metadata, "source": scrub.text(cell.source)}
    if unchecked:
        metadata["agentloop"] = {"unchecked": unchecked}
    return {
        "cell_type": "code",
        "id": name,
        "metadata": metadata,
        "execution_count": None,
        "source": scrub.code(cell.source),
        "outputs": outputs,
    }


def fit_output(output: Output, scrub: Anonymizer) -> Json | None:
    """An output with the fields of nbformat and no others."""
    kind = output.get("output_type")
    if kind == "stream":
        text = scrub.text(_text(output.get("text")))
        return {"output_type": kind, "name": output.get("name", "stdout"), "text": text}
    if kind == "error":
        told = {key: scrub.text(_text(output.get(key))) for key in ("ename", "evalue")}
        traceback = [scrub.text(str(line)) for line in output.get("traceback", ())]
        return {"output_type": kind, **told, "traceback": traceback}
    if kind in ("display_data", "execute_result"):
        data = {mime: _data(mime, value, scrub) for mime, value in output.get("data", {}).items()}
        made = {"output_type": kind, "data": data, "metadata": dict(output.get("metadata") or {})}
        data.pop(WIDGET_VIEW, None)
        return (made | ({"execution_count": None} if kind == "execute_result" else {})) if data else None
    return None


def _data(mime: str, value: Any, scrub: Anonymizer) -> Any:
    if mime.startswith("image/") and mime != "image/svg+xml":
        return value
    return scrub.value(_text(value) if isinstance(value, list) and not mime.endswith("json") else value)


def _text(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")


# -- packages


def packages(sources: Iterable[str]) -> dict[str, str]:
    """Distribution -> version of what the sources import, the standard library left out."""
    modules = set().union(*map(_imports, sources)) - sys.stdlib_module_names
    found: dict[str, str] = {}
    for module in modules:
        try:
            found[module] = importlib.metadata.version(module)
        except importlib.metadata.PackageNotFoundError:
            found |= {name: importlib.metadata.version(name) for name in _distributions().get(module, ())}
    return dict(sorted(found.items()))


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    """Module -> distributions, where their names differ (sklearn: scikit-learn). Slow: it reads all there is."""
    return importlib.metadata.packages_distributions()


def _imports(source: str) -> set[str]:
    tree = parsed(to_python(source)[0])
    if tree is None:
        return set()
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    froms = {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.split(".")[0] for name in plain | froms}
