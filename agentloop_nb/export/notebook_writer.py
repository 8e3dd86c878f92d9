"""The notebook of a run, in nbformat 4.5: the goal, each step with its reason and its cells, the summary."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import json
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from agentloop_nb.actions import Cell, Finish, Query, RunCode, WriteFile
from agentloop_nb.actions.markdown import fenced, harmless
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.export.anonymize import Scrubber
from agentloop_nb.export.dependencies import parsed, to_python
from agentloop_nb.export.inputs import InputFile, inputs
from agentloop_nb.export.selection import Story
from agentloop_nb.protocols import Output
from agentloop_nb.record.replay_data import Recorded, recorded, refused
from agentloop_nb.safety.redaction import MASK
from agentloop_nb.state import Step

FORMAT = 1
"""Version of what stands under `metadata.agentloop`."""
UNCHECKED = "nbval-ignore-output"
"""Tag of a cell whose outputs are not compared; `metadata.agentloop.unchecked` says why."""

_SEED = re.compile(r"\b(?:seed|random_state|default_rng|manual_seed|set_seed)\s*[=(]\s*\d+\)?")
_MASKED = "a secret in its output was masked"
_BEFORE = "it ran before the run, which did not record its output"
_DATA = "it makes values from before the run again, and shows nothing"
_DATA_HEAD = (
    "## Data from before the run\n\nThe run used these values, and no cell that is known makes them again. They are "
    "kept as data, small ones in the cell and others in files beside this notebook."
)
_WIDGET = "application/vnd.jupyter.widget-view+json"

Json = dict[str, Any]


def build(story: Story, folder: Path | None, scrub: Scrubber) -> Json:
    """Return the notebook as JSON values. The same story always gives the same notebook."""
    cells = [_finish_cell(cell, scrub) for cell in _cells(story)]
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
            "agentloop": _metadata(story, folder, scrub),
        },
        "cells": cells,
    }


def _is_run(cell: Json) -> bool:
    """Whether a cell was run as part of the run; the user's earlier cells and parameters keep no count."""
    return bool(cell["cell_type"] == "code" and cell["id"].startswith("step-"))


def _metadata(story: Story, folder: Path | None, scrub: Scrubber) -> Json:
    sources = [piece.source for piece in story.code]
    return {
        "format": FORMAT,
        "run": story.state.run,
        "goal": scrub.text(story.state.goal),
        "status": story.state.status,
        "model": scrub.text(str(story.state.settings.get("model", ""))),
        "versions": {"python": platform.python_version(), **story.versions},
        "packages": packages(sources),
        "seeds": sorted({found for source in sources for found in _SEED.findall(source)}),
        "minimal": story.minimal,
        "inputs": [file.model_dump() for file in (*inputs(story.code, folder), *_data_files(story))],
        "decisions": [_decision(each, scrub) for each in recorded(story.steps)],
    }


def _data_files(story: Story) -> list[InputFile]:
    return story.data.inputs if story.data else []


def _decision(each: Recorded, scrub: Scrubber) -> Json:
    """A decision for replay. Code and files stay as they are, but for paths and secrets; prose is scrubbed as prose."""
    record = each.record()
    runs = isinstance(each.decision.action, RunCode | WriteFile | Query | OwnAction)
    decision = scrub.value(record.pop("decision"), scrub.code if runs else scrub.text)
    decision["reasoning"] = scrub.text(decision["reasoning"])
    return {"decision": decision, **scrub.value(record)}


# -- cells


def _cells(story: Story) -> Iterator[tuple[str, Cell]]:
    """All cells in order, each with its id."""
    yield "goal", _markdown(_title(story))
    if story.missing:
        yield "parameters", _parameters(story.missing)
    if story.brought:
        yield "earlier", _markdown("## Before the run\n\nCells of the notebook that the run depends on.")
    for number, source in enumerate(story.brought, 1):
        yield f"earlier-{number}", Cell(cell_type="code", source=source, unchecked=_BEFORE)
    if story.data:
        yield "data", _markdown(_DATA_HEAD)
        yield "data-1", Cell(cell_type="code", source=story.data.source, unchecked=_DATA)
    for step in story.steps:
        yield from _step(step)
    if not story.steps or story.state.status != "finished":
        yield "end", _markdown(_end(story))


def _title(story: Story) -> str:
    state = story.state
    first, *rest = state.goal.strip().split("\n")
    lines = [f"# {harmless(first)}"]
    if any(line.strip() for line in rest):
        lines += ["", *(f"> {harmless(line)}".rstrip() for line in rest)]
    what = "the steps that its result depends on" if story.minimal else f"{len(story.steps)} steps"
    model = str(state.settings.get("model") or "a model")
    model = "a recorded run" if model.startswith("replay:") else model
    told = f"Made by agentloop_nb: {what}, decided by {model}. Run it again without a model or a key."
    return "\n".join([*lines, "", f"*{harmless(told)}*"])


def _end(story: Story) -> str:
    ended = f"*The run is {story.state.status.replace('_', ' ')}: {harmless(story.state.reason)}*"
    return f"## Result\n\n{harmless(story.state.summary)}\n\n{ended}" if story.state.summary else ended


def _parameters(missing: Iterable[str]) -> Cell:
    lines = [
        "# Fill these in before you run the notebook: the run used them, and no cell that it knows of makes them.",
        *(f"# {name} = ..." for name in missing),
    ]
    return Cell(cell_type="code", source="\n".join(lines), tags=("parameters",), unchecked=_BEFORE)


def _step(step: Step) -> Iterator[tuple[str, Cell]]:
    assert step.decision is not None
    name, action = f"step-{step.number}", step.decision.action
    said = "".join(f"> **You:** {harmless(note)}\n\n" for note in step.notes)
    concluded = isinstance(action, Finish) and step.result is not None and step.result.success
    head = "## Result" if concluded else f"### Step {step.number}\n\n{harmless(step.decision.reasoning)}"
    yield f"{name}-why", _markdown(said + head)
    for number, cell in enumerate(_replayed(step), 1):
        yield f"{name}-{cell.cell_type}" + (f"-{number}" if number > 1 else ""), cell


def _replayed(step: Step) -> list[Cell]:
    """The cells that do again what the step did; of what cannot be done again, the code is only shown."""
    assert step.decision is not None
    action, result = step.decision.action, step.result
    if not isinstance(action, RunCode):
        told = [] if result is None else action.cells(result, step.number)
        if isinstance(action, Finish) and result is not None and not result.success:
            told = [_markdown(f"*{harmless(str(result.error))}*")]
        return [cell if cell.cell_type == "code" else _markdown(cell.source) for cell in told]
    if result is not None and (result.success or any(out["output_type"] == "error" for out in result.outputs)):
        return [cell.model_copy(update={"source": silent(cell.source)}) for cell in action.cells(result, step.number)]
    if refused(step):
        why = "It was refused, and not run."
    elif result is None:
        why = "The kernel died while this ran; it is not run again."
    else:
        why = f"It did not end by itself ({result.error}), and is not run again."
    return [_markdown(f"{fenced(action.code)}\n\n*{harmless(why)}*")]


def _markdown(source: str) -> Cell:
    return Cell(cell_type="markdown", source=source)


def silent(source: str) -> str:
    """Keep a last expression quiet whose `;` only works where a notebook keeps a history (nbval does not)."""
    if not source.rstrip().endswith(";"):
        return source
    tree = parsed(to_python(source)[0])
    return f"{source}\nNone" if tree and tree.body and isinstance(tree.body[-1], ast.Expr) else source


def _finish_cell(told: tuple[str, Cell], scrub: Scrubber) -> Json:
    """A cell as nbformat writes it, fit to leave."""
    name, cell = told
    outputs = [output for each in cell.outputs if (output := _output(each, scrub))]
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


def _output(output: Output, scrub: Scrubber) -> Json | None:
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
        data.pop(_WIDGET, None)
        return (made | ({"execution_count": None} if kind == "execute_result" else {})) if data else None
    return None


def _data(mime: str, value: Any, scrub: Scrubber) -> Any:
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
