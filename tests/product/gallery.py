"""Makes the reports of the gallery from runs of packaged decisions: `python -m tests.product.gallery docs/gallery`."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.product.stories import HERE, notebook, write_records
from tests.product.story_texts import STORIES

DEMO = (
    "%load_ext agentloop_nb",
    "%%agent -m demo\nWhich day of the week sells most coffee in cafe.csv, and what does rain cost?\nDraw a chart.",
)
REPORTS = {"cafe": "", "contract": "06-contract", "trend": "07-fork-and-compare"}
"""By name of the report: the notebook whose run it tells, or nothing for the demo."""


def cells(story: str) -> nbformat.NotebookNode:
    """The notebook of a story, or of the demo."""
    if story:
        return notebook(STORIES[story])
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in DEMO])


def write(name: str, story: str, folder: Path) -> Path:
    """Run a notebook for real, and have its last run told as a report."""
    target = folder / f"{name}.html"
    with tempfile.TemporaryDirectory() as place:
        if story:
            write_records(HERE / "records", STORIES[story])
        for part in ("data", "records"):
            shutil.copytree(HERE / part, Path(place, part))
        made = cells(story)
        made.cells.append(nbformat.v4.new_code_cell("%agent report made.html"))
        NotebookClient(made, timeout=120, resources={"metadata": {"path": place}}).execute()
        shutil.copy(Path(place, "made.html"), target)
    return target


def main(folder: Path) -> None:
    """Write all reports."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.pop("OPENAI_API_KEY", None)
    for name, story in REPORTS.items():
        path = write(name, story, folder)
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
