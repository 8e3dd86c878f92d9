"""The notebooks people open first: they run without a key, everywhere, and look right without being run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))

pytestmark = pytest.mark.kernel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of `notebooks/` with what git holds of it."""
    for part in ("data", "records"):
        shutil.copytree(ROOT / "notebooks" / part, tmp_path / part)
    for notebook in NOTEBOOKS:
        shutil.copy(notebook, tmp_path)
    return tmp_path


def run(folder: Path, environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_nbval_finds_every_checked_output_as_it_is_stored(folder, environment, notebook):
    said = run(folder, environment, "pytest", "--nbval-lax", "-q", "-p", "no:cacheprovider", notebook.name)
    assert re.search(r"\d+ passed", said)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_papermill_and_nbconvert_run_it(folder, environment, notebook):
    pytest.importorskip("nbconvert")
    run(folder, environment, "papermill", "--no-progress-bar", notebook.name, "made.ipynb")
    run(folder, environment, "jupyter", "nbconvert", "--execute", "--to", "html", notebook.name)
    page = (folder / f"{notebook.stem}.html").read_text(encoding="utf-8")
    assert "Finished" in page
    assert "Error displaying widget" not in page


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_stored_with_outputs_that_need_no_kernel(notebook):
    stored = nbformat.read(notebook, as_version=4)
    nbformat.validate(stored)
    outputs = [(cell, output) for cell in stored.cells if cell.cell_type == "code" for output in cell.outputs]
    for cell, output in outputs:
        assert output.output_type != "error"
        assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
        assert output.get("name") != "stderr", output
        if cell.source.startswith("%%agent") and "text/html" in output.get("data", {}):
            assert "text/plain" in output.data, "readable where HTML is stripped"
    assert sum(cell.source.startswith("%%agent") for cell, _ in outputs) >= 1
    text = notebook.read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|tmp|work|Users)/", text), "no path of the machine it was made on"
    first = stored.cells[0].source
    assert "scripted" in first or "written by hand" in first, "it says what is not live"
