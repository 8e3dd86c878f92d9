"""Serving the app: a page of Voila for people who do not read code."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

from agentloop_nb._internal.held_folder import HeldFolder
from agentloop_nb.errors import UserError
from agentloop_nb.notebook.app.visit_files import FOLDER


def serve(options: Sequence[str]) -> int:
    """Serve the app until it is ended; return the exit code of Voila. Raises `UserError` where there is no Voila."""
    data, options = _files(list(options))
    if importlib.util.find_spec("voila") is None:
        raise UserError("the app is served by Voila: pip install voila")
    here = f"import os\nos.chdir({str(Path.cwd())!r})\n"  # Voila starts kernels beside the notebook
    cell = nbformat.v4.new_code_cell(f"{here}from agentloop_nb.notebook.app.page import App\n\nApp()")
    with HeldFolder("app") as folder:
        notebook = Path(folder) / "AgentLoop.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"title": "AgentLoop"}), notebook)
        command, given = [sys.executable, "-m", "voila", str(notebook), *options], {FOLDER: data} if data else {}
        with subprocess.Popen(command, env={**os.environ, **given}) as server:
            signal.signal(signal.SIGTERM, lambda *_: server.terminate())  # its kernels notice that it is gone
            return server.wait()


def _files(options: list[str]) -> tuple[str, list[str]]:
    """Part `--files DIR` from what is Voila's. Raises `UserError` where there is no such folder."""
    for number, option in enumerate(options):
        name, equals, value = option.partition("=")
        if name != "--files":
            continue
        rest = options[number + 1 :]
        value, rest = (value, rest) if equals else (rest[0] if rest else "", rest[1:])
        if not Path(value).is_dir() or not value:
            raise UserError(f"there is no folder {value!r}; name the one with the data: agentloop app --files data")
        return str(Path(value).absolute()), [*options[:number], *rest]
    return "", options
