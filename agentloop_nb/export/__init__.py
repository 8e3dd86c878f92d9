"""The export: a run as a notebook that re-runs without a model, a key or this package."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agentloop_nb import journal
from agentloop_nb.errors import UserError
from agentloop_nb.events import AnyEvent
from agentloop_nb.export.inputs import InputFile, take_along
from agentloop_nb.export.notebook import build
from agentloop_nb.export.scrub import Scrubber
from agentloop_nb.export.story import story

__all__ = ["export"]


def export(
    source: Path | Sequence[AnyEvent],
    destination: Path,
    *,
    folder: Path | None = None,
    minimal: bool = False,
    mask: Callable[[str], str] | None = None,
) -> Path:
    """Write a run as a notebook and return its path. Exporting twice gives identical bytes.

    `source` is a record's path or its events; `folder` is the working folder of the run (default: the one that holds
    the record); `minimal` keeps only the steps that the result depends on; `mask` hides secrets in a text. Input
    files are copied beside the notebook when it goes to another folder. Raises `UserError`.
    """
    events = journal.read(source) if isinstance(source, Path) else list(source)
    folder = folder or (_home(source) if isinstance(source, Path) else None)
    notebook = build(story(events, minimal=minimal), folder, Scrubber(folder, mask or _masker()))
    destination = _destination(destination)
    write(notebook, destination)
    if folder is not None and folder.resolve() != destination.parent.resolve():
        files = [InputFile(**each) for each in notebook["metadata"]["agentloop"]["inputs"]]
        take_along(files, folder, destination.parent)
    return destination


def write(notebook: dict[str, Any], destination: Path) -> None:
    """Write a notebook whole or not at all. Raises `UserError`."""
    import nbformat

    text = nbformat.writes(nbformat.from_dict(notebook), version=nbformat.NO_CONVERT) + "\n"
    unfinished = destination.with_name(f".{destination.name}.{os.getpid()}.part")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")
        unfinished.replace(destination)
    except OSError as error:
        raise UserError(f"{destination} cannot be written: {error.strerror or error}") from None


def _destination(path: Path) -> Path:
    path = path.expanduser().absolute()
    if path.suffix != ".ipynb":
        raise UserError(f"an export is a notebook: name it {path.with_suffix('.ipynb').name}")
    return path


def _home(record: Path) -> Path:
    """The folder whose `.agentloop` holds a record; else the record's own."""
    home = record.absolute().parent
    return home.parent.parent if home.parent.name == ".agentloop" else home


def _masker() -> Callable[[str], str]:
    from agentloop_nb import secrets
    from agentloop_nb.settings import dotenv

    return secrets.known_secrets(os.environ, dotenv(), ()).mask
