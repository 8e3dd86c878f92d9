"""End to end: a real kernel, a real HTTP server speaking the model protocol, nothing faked in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.wire import Wire


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own and no setting from outside; returns the folder."""
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "AGENTLOOP_")) or name in ("MAX_STEPS", "MAX_RETRIES"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / ".ipython"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run_notebook(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., nbformat.NotebookNode]:
    """Run cells in a real kernel against a scripted server; returns the executed notebook."""

    def run(cells: list[str], wire: Wire | None = None, *, allow_errors: bool = False) -> nbformat.NotebookNode:
        if wire is not None:
            monkeypatch.setenv("OPENAI_BASE_URL", wire.base_url)
            monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef0123456789")
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        client = NotebookClient(
            notebook,
            timeout=60,
            kernel_name="python3",
            resources={"metadata": {"path": str(environment)}},
            allow_errors=allow_errors,
        )
        client.execute()
        return notebook

    return run


def errors(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    """Name and message of every error output."""
    return [
        (output.ename, output.evalue)
        for cell in notebook.cells
        for output in cell.outputs
        if output.output_type == "error"
    ]


def text(notebook: nbformat.NotebookNode, index: int) -> str:
    """Everything the cell shows as plain text."""
    outputs = notebook.cells[index].outputs
    return "".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in outputs)
