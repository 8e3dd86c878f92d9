"""The notebook of a run, in nbformat 4.5: the goal, each step with its reason and its cells, the summary."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from agentloop_nb._internal.markup import code_span, harmless
from agentloop_nb._internal.text import STATUS_WORDS, counted
from agentloop_nb.actions import Cell, Query, RunCode, WriteFile
from agentloop_nb.actions.action import markdown_cell
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.export.anonymize import Anonymizer
from agentloop_nb.export.claim_links import grounds_of
from agentloop_nb.export.finding import found_at, says_something, title_of
from agentloop_nb.export.inputs import InputFile, inputs
from agentloop_nb.export.output_fields import Json, fit_output
from agentloop_nb.export.packages import packages
from agentloop_nb.export.selection import Story, asserting
from agentloop_nb.export.step_cells import in_its_folder, silent, step_cells
from agentloop_nb.record.replay_data import Recorded, recorded
from agentloop_nb.safety.redaction import MASK
from agentloop_nb.state import State

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
    """Return the id of a cell of one of several runs: `step-2-1-code` for the first step of the second goal."""
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
    """Return a decision for replay.

    Code and files stay as they are, but for paths and secrets; prose is scrubbed as prose.
    """
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
        yield "earlier", markdown_cell("## Before the run\n\nYour cells and code of earlier runs, which the run needs.")
    for number, piece in enumerate(story.brought, 1):
        tags = ("raises-exception",) if piece.failed else ()
        cell = Cell(cell_type="code", source=silent(piece.source), tags=tags, unchecked=_BEFORE)
        yield from in_its_folder(f"earlier-{number}", cell)
    if story.data:
        yield "data", markdown_cell(_DATA_HEAD)
        yield "data-1", Cell(cell_type="code", source=story.data.source, unchecked=_DATA)
    grounds = grounds_of(story.state)
    for count, step in enumerate(story.steps, 1):
        for name, cell in step_cells(step, count, found_at(step.number, grounds)):
            held = step.number in story.placeheld and cell.cell_type == "code"
            yield name, cell.model_copy(update={"unchecked": PLACEHELD}) if held else cell
    if not story.steps or story.state.status != "finished":
        yield "end", markdown_cell(_end(story))
    yield from _contract(story.state)


def _contract(state: State) -> Iterator[tuple[str, Cell]]:
    """Yield the contract, last of all: what holds is asserted, so that a run of the notebook shows it again."""
    if not state.checks:
        return
    missed = [f"- {harmless(check.line)}" for check in state.checks if not check.held]
    yield CONTRACT_HEAD, markdown_cell("\n".join(["## Contract", "", "This has to be True at the end.", *missed]))
    if asserted := asserting(state):
        yield CONTRACT, Cell(cell_type="code", source=asserted)


def _title(story: Story) -> str:
    state = story.state
    lines = [f"# {harmless(title_of(state))}", "", *_question(state)] if says_something(state) else _asked(state)
    what = "the steps that its result depends on" if story.minimal else counted(len(story.steps), "step")
    model = state.decided_by or "a model"
    model = "a recorded run" if model.startswith("replay:") else model
    told = (
        f"This notebook holds {what} of a run of agentloop_nb, decided by {model}. It runs from top to bottom in plain "
        "Jupyter, without a model or a key. To check that it still shows what it showed, type agentloop verify and the "
        "name of this file in a shell."
    )
    answer = ["", "## Answer", "", harmless(state.summary.strip())] if state.summary.strip() else []
    return "\n".join([*lines, "", f"*{harmless(told)}*", *answer])


def _question(state: State) -> list[str]:
    """Return the goal, below a title that answers it."""
    first, *rest = state.goal.strip().split("\n")
    return [f"**The question:** {harmless(first)}", *_quoted(rest)]


def _asked(state: State) -> list[str]:
    """Return the goal as the title: its first line, and what follows as a quotation."""
    first, *rest = state.goal.strip().split("\n")
    return [f"# {harmless(first)}", *_quoted(rest)]


def _quoted(lines: Sequence[str]) -> list[str]:
    return ["", *(f"> {harmless(line)}".rstrip() for line in lines)] if any(map(str.strip, lines)) else []


def _plan(state: State) -> str:
    """Return the plan that was followed last, and how often there was another one."""
    rounds = [each for step in state.steps for each in step.plans]
    told = ["", f"*{counted(len(rounds) - 1, 'plan')} before it did not stand.*"] if len(rounds) > 1 else []
    lines = [f"{number}. {harmless(line)}" for number, line in enumerate(state.plan, 1)]
    return "\n".join(["## Plan", "", *lines, *told])


def _end(story: Story) -> str:
    return f"*The run is {STATUS_WORDS[story.state.status]}: {harmless(story.state.reason)}*"


def _told_left_out(files: Mapping[str, str]) -> str:
    lines = [f"- {code_span(path)}: {harmless(why)}" for path, why in files.items()]
    return "\n".join(["## Left out", "", "The run read these files. Fill in what was read from them.", "", *lines])


def _parameters(missing: Iterable[str]) -> Cell:
    lines = [
        "# Fill these in before you run the notebook: the run used them, and no cell that it knows of makes them.",
        *(f"# {name} = ..." for name in missing),
    ]
    return Cell(cell_type="code", source="\n".join(lines), tags=("parameters",), unchecked=_BEFORE)


def _finish_cell(told: tuple[str, Cell], scrub: Anonymizer) -> Json:
    """Return a cell as nbformat writes it, fit to leave."""
    name, cell = told
    outputs = [output for each in cell.outputs if (output := fit_output(each, scrub))]
    unchecked = cell.unchecked or (_MASKED if MASK in json.dumps(outputs) else "")
    tags = [*cell.tags, *([UNCHECKED] if unchecked else [])]
    metadata: Json = {"tags": tags} if tags else {}
    if cell.cell_type == "markdown":
        return {"cell_type": "markdown", "id": name, "metadata": metadata, "source": scrub.text(cell.source)}
    if unchecked:
        metadata["agentloop"] = {"unchecked": unchecked}
    if "raises-exception" in tags:
        metadata["jupyter"] = {"outputs_hidden": True}  # never the source: what runs is seen
    return {
        "cell_type": "code",
        "id": name,
        "metadata": metadata,
        "execution_count": None,
        "source": scrub.code(cell.source),
        "outputs": outputs,
    }
