"""The export: a run as a notebook that re-runs without a model, a key or this package."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agentloop_nb.errors import UserError
from agentloop_nb.events import AnyEvent
from agentloop_nb.export.anonymize import Anonymizer
from agentloop_nb.export.destination import checked
from agentloop_nb.export.embedded_data import Data, hold
from agentloop_nb.export.formats import script
from agentloop_nb.export.former import former, together
from agentloop_nb.export.inputs import InputFile, take_along
from agentloop_nb.export.leftout import Hiding, left_out, without
from agentloop_nb.export.notebook_writer import build
from agentloop_nb.export.report import gather
from agentloop_nb.export.selection import Story, story
from agentloop_nb.record import locating, reading

__all__ = [
    "REPORTS",
    "Hiding",
    "Values",
    "data_folder",
    "export",
    "known_mask",
    "run_cells",
    "write",
    "write_export",
    "write_report",
]

REPORTS = (".html", ".md")
"""Suffixes of reports, which are for reading only."""
Values = Callable[[Sequence[str]], Mapping[str, Any]]
"""Looks names up in the namespace that a run left: the present values of those that exist."""


def export(
    source: Path | Sequence[AnyEvent],
    destination: Path,
    *,
    folder: Path | None = None,
    minimal: bool = False,
    mask: Callable[[str], str] | None = None,
    values: Values | None = None,
    instead: bool = False,
    foreign: bool = False,
) -> Path:
    """Write a run as a notebook (`.ipynb`), a script (`.py`) or a report (`.html`, `.md`), and return its path.

    `source` is a record's path or its events; `folder` is the working folder of the run (default: the one that holds
    the record); `minimal` keeps only the steps that the result depends on; `mask` hides secrets in a text. `values`
    looks names up where the run took place: what no known cell makes travels as data then, and with `instead` all
    that was there before the run. With `foreign` nothing is read in the folder: only the record says that it was the
    run's. Input files are copied beside a notebook that goes to another folder. Exporting
    twice gives identical bytes. Raises `UserError`, also rather than replacing what no export wrote.
    """
    destination = checked(destination)
    if destination.suffix in REPORTS:
        return write_report(source, destination, folder=folder, mask=mask, foreign=foreign)
    events, folder, hiding, scrub = _source(source, folder, mask)
    told = story(events, minimal=minimal)
    secret = left_out(told, None if foreign else folder, hiding)
    data = former(told.steps, data_folder(destination).name, scrub)
    if values is not None:
        wanted = _unchanged(told.handed if instead else told.missing, told)
        data = together(hold(values(wanted), data_folder(destination).name, scrub), data)
    told = story(events, minimal=minimal, data=data) if data else told
    folder = None if foreign else folder
    return write_export(build(without(told, secret), folder, scrub), destination, told.data, folder)


def write_export(notebook: dict[str, Any], destination: Path, data: Data | None, folder: Path | None) -> Path:
    """Write a notebook in the format of its name, with its data beside it and the input files of `folder`."""
    _write_text(_FORMATS[destination.suffix](notebook), destination)
    made = data.files if data else {}
    for path, content in made.items():
        if not (destination.parent / path).exists():
            _write_bytes(content, destination.parent / path)
    if destination.suffix == ".ipynb" and folder is not None and folder.resolve() != destination.parent.resolve():
        files = [InputFile(**each) for each in notebook["metadata"]["agentloop"]["inputs"] if each["path"] not in made]
        take_along(files, folder, destination.parent)
    return destination


def write_report(
    source: Path | Sequence[AnyEvent],
    destination: Path,
    *,
    folder: Path | None = None,
    mask: Callable[[str], str] | None = None,
    foreign: bool = False,
    verdict: str = "",
    cost: bool = False,
) -> Path:
    """Write a report (`.html`, `.md`) that says `verdict`, and with `cost` what the run cost; return its path.

    The other options are those of `export`. Raises `UserError`, also rather than replacing what no export wrote.
    """
    from agentloop_nb.export import report_formats

    destination = checked(destination)
    events, folder, hiding, scrub = _source(source, folder, mask)
    folder, told = None if foreign else folder, story(events, minimal=True)
    told = without(told, left_out(told, folder, hiding))
    report = gather(told, build(told, folder, scrub), scrub, verdict, cost=cost)
    as_text = report_formats.as_html if destination.suffix == ".html" else report_formats.as_markdown
    _write_text(as_text(report), destination)
    return destination


def run_cells(source: Path, *, folder: Path, minimal: bool = False) -> list[dict[str, Any]]:
    """Return the steps of an export as cells without outputs and ids, ready to be put below the run."""
    events, _, hiding, scrub = _source(source, folder, None)
    told = story(events, minimal=minimal)
    made = build(without(told, left_out(told, folder, hiding)), folder, scrub)["cells"]
    ends = [f"step-{step.number}-" for step in told.steps if step.decision and step.decision.action.name == "finish"]
    return [
        {"cell_type": cell["cell_type"], "source": cell["source"], "metadata": _kept(cell)}
        for cell in made
        if cell["id"] not in ("goal", "end") and not cell["id"].startswith(tuple(ends))
    ]


def _source(
    source: Path | Sequence[AnyEvent], folder: Path | None, mask: Callable[[str], str] | None
) -> tuple[list[AnyEvent], Path | None, Hiding, Anonymizer]:
    """Return the events of a run, its folder, and what hides secrets and private places in them."""
    events = reading.read(source) if isinstance(source, Path) else list(source)
    folder = folder or (locating.home(source) if isinstance(source, Path) else None)
    hiding = mask if isinstance(mask, Hiding) else Hiding(mask or known_mask())
    return events, folder, hiding, Anonymizer(folder, hiding)


def _kept(cell: dict[str, Any]) -> dict[str, Any]:
    """Of a cell's metadata only that it may fail, so that `Run All` goes on."""
    return {"tags": ["raises-exception"]} if "raises-exception" in cell["metadata"].get("tags", ()) else {}


def _unchanged(names: Iterable[str], told: Story) -> list[str]:
    """Names whose value is still the one that the run found."""
    changed = {change.name for step in told.state.steps if step.result for change in step.result.changes}
    return [name for name in names if name not in changed]


def data_folder(destination: Path) -> Path:
    """Return the folder beside a notebook where its data lie."""
    return destination.with_name(re.sub(r"[^\w-]+", "-", destination.stem) + "-data")


def write(notebook: dict[str, Any], destination: Path) -> None:
    """Write a notebook whole or not at all. Raises `UserError`."""
    _write_text(_notebook(notebook), destination)


def _notebook(notebook: dict[str, Any]) -> str:
    cells = [_in_lines(cell) for cell in notebook["cells"]]
    return json.dumps({**notebook, "cells": cells}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


_FORMATS: dict[str, Callable[[dict[str, Any]], str]] = {".ipynb": _notebook, ".py": script}


def _write_text(text: str, destination: Path) -> None:
    _write_bytes(text.encode("utf-8", "backslashreplace"), destination)


def _write_bytes(content: bytes, destination: Path) -> None:
    unfinished = destination.with_name(f".{destination.name}.{os.getpid()}.part")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(destination)
    except OSError as error:
        raise UserError(f"{destination} cannot be written: {error.strerror or error}") from None


def _in_lines(cell: dict[str, Any]) -> dict[str, Any]:
    """Texts as lists of lines, as Jupyter itself writes them: version control shows what changed."""
    made = {**cell, "source": cell["source"].splitlines(keepends=True)}
    if "outputs" in cell:
        made["outputs"] = [_output_in_lines(output) for output in cell["outputs"]]
    return made


def _output_in_lines(output: dict[str, Any]) -> dict[str, Any]:
    if "text" in output:
        return {**output, "text": output["text"].splitlines(keepends=True)}
    if "data" in output:
        data = {
            mime: value.splitlines(keepends=True) if isinstance(value, str) and "json" not in mime else value
            for mime, value in output["data"].items()
        }
        return {**output, "data": data}
    return output


def known_mask() -> Callable[[str], str]:
    """Mask what looks secret in the environment and in the `.env` of the current folder."""
    from agentloop_nb.safety import secrets
    from agentloop_nb.settings import dotenv

    return secrets.known_secrets(os.environ, dotenv(), ()).mask
