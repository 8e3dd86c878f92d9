"""Serving the app: a page of Voila for people who do not read code."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat

from agentloop_nb.errors import UserError


def serve(options: Sequence[str]) -> int:
    """Serve the app until it is ended; return the exit code of Voila. Raises `UserError` where there is no Voila."""
    if importlib.util.find_spec("voila") is None:
        raise UserError("the app is served by Voila: pip install voila")
    here = f"import os\nos.chdir({str(Path.cwd())!r})\n"  # Voila starts kernels beside the notebook
    cell = nbformat.v4.new_code_cell(f"{here}from agentloop_nb.notebook.app.page import App\n\nApp()")
    with tempfile.TemporaryDirectory() as folder:
        notebook = Path(folder) / "AgentLoop.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"title": "AgentLoop"}), notebook)
        with subprocess.Popen([sys.executable, "-m", "voila", str(notebook), *options]) as server:
            signal.signal(signal.SIGTERM, lambda *_: server.terminate())  # its kernels notice that it is gone
            return server.wait()
