"""The export: a run as a notebook that re-runs without a model, a key or this package."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agentloop_nb import journal
from agentloop_nb.errors import UserError
from agentloop_nb.events import AnyEvent
from agentloop_nb.export.formats import report, script
from agentloop_nb.export.inputs import InputFile, take_along
from agentloop_nb.export.notebook import build
from agentloop_nb.export.scrub import Scrubber
from agentloop_nb.export.story import story

__all__ = ["export", "write"]


def export(
    source: Path | Sequence[AnyEvent],
    destination: Path,
    *,
    folder: Path | None = None,
    minimal: bool = False,
    mask: Callable[[str], str] | None = None,
) -> Path:
    """Write a run as a notebook (`.ipynb`), a script (`.py`) or a report (`.html`), and return its path.

    `source` is a record's path or its events; `folder` is the working folder of the run (default: the one that holds
    the record); `minimal` keeps only the steps that the result depends on; `mask` hides secrets in a text. Input
    files are copied beside a notebook that goes to another folder. Exporting twice gives identical bytes. Raises
    `UserError`.
    """
    destination = destination.expanduser().absolute()
    if destination.suffix not in _FORMATS:
        raise UserError(
            f"an export is a notebook, a script or a report: name it {destination.stem}.ipynb, .py or .html"
        )
    events = journal.read(source) if isinstance(source, Path) else list(source)
    folder = folder or (journal.home(source) if isinstance(source, Path) else None)
    notebook = build(story(events, minimal=minimal), folder, Scrubber(folder, mask or _masker()))
    _write_text(_FORMATS[destination.suffix](notebook), destination)
    if destination.suffix == ".ipynb" and folder is not None and folder.resolve() != destination.parent.resolve():
        files = [InputFile(**each) for each in notebook["metadata"]["agentloop"]["inputs"]]
        take_along(files, folder, destination.parent)
    return destination


def write(notebook: dict[str, Any], destination: Path) -> None:
    """Write a notebook whole or not at all. Raises `UserError`."""
    _write_text(_notebook(notebook), destination)


def _notebook(notebook: dict[str, Any]) -> str:
    cells = [_in_lines(cell) for cell in notebook["cells"]]
    return json.dumps({**notebook, "cells": cells}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


_FORMATS: dict[str, Callable[[dict[str, Any]], str]] = {".ipynb": _notebook, ".py": script, ".html": report}


def _write_text(text: str, destination: Path) -> None:
    unfinished = destination.with_name(f".{destination.name}.{os.getpid()}.part")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")
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


def _masker() -> Callable[[str], str]:
    from agentloop_nb.safety import secrets
    from agentloop_nb.settings import dotenv

    return secrets.known_secrets(os.environ, dotenv(), ()).mask
