"""The corpus: runs of many kinds, made in real kernels, exported, and verified in fresh ones. Never a false green."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentloop_nb.export import export
from agentloop_nb.export.dependencies import names_of
from agentloop_nb.verify import verify
from tests.record.corpus import CASES, Case
from tests.record.kernels import Kernel, kernel, recorded_run

pytestmark = pytest.mark.kernel

STRICT = bool(os.environ.get("CORPUS_NBVAL"))
"""With `CORPUS_NBVAL=1` every sound export also has to pass `pytest --nbval` as it is: minutes more."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with kernel(tmp_path_factory.mktemp("shared")) as live:
        yield live


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_export_is_sound_or_says_where_and_why_not(
    case: Case, tmp_path: Path, shared: Kernel, record_property: Callable[[str, object], None]
) -> None:
    folder = tmp_path / "work"
    for name, text in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    record = recorded_run(folder, case.steps, case.cells, shared=shared)
    notebook = export(record, folder / "run.ipynb")
    assert export(record, folder / "again.ipynb").read_bytes() == notebook.read_bytes()
    for name, text in case.after.items():
        (folder / name).unlink() if text is None else (folder / name).write_text(text)

    verdict = verify(notebook)
    if STRICT:
        record_property("verdict", verdict.text)
        record_property("cells", len(code_cells(notebook)))

    if case.red is not None:
        assert not verdict.ok
        assert verdict.cell == case.red[0], verdict.text
        assert case.red[1] in verdict.cause
        return
    assert verdict.ok, verdict.text
    assert len([name for name in verdict.unchecked if name.startswith("step-")]) == case.unchecked, verdict.unchecked
    if case.minimal is not None:
        short = export(record, folder / "short.ipynb", minimal=True)
        assert verify(short).ok
        if STRICT:
            record_property("kept under --minimal", len(code_cells(short)))
        assert len(code_cells(short)) == case.minimal
    if STRICT:
        assert agrees(notebook), "verified, and nbval finds something else"
    if (broken := without_a_needed_cell(notebook)) is not None:
        red = verify(broken)
        assert not red.ok, "a false green"


def agrees(notebook: Path) -> bool:
    """Whether strict nbval passes on a notebook, run beside it as its reader would."""
    program = [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", "--rootdir", "."]
    done = subprocess.run([*program, notebook.name], cwd=notebook.parent, capture_output=True, text=True)
    print(done.stdout)
    return done.returncode == 0


def code_cells(path: Path) -> list[dict]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def without_a_needed_cell(path: Path) -> Path | None:
    """The notebook with one cell emptied that a later one depends on; None where there is none."""
    notebook = json.loads(path.read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for index, cell in enumerate(cells):
        made = names_of("".join(cell["source"])).settles
        compared = [each for each in cells[index + 1 :] if "agentloop" not in each["metadata"]]
        needing = [each for each in compared if names_of("".join(each["source"])).uses & made]
        if needing and "raises-exception" not in needing[0]["metadata"].get("tags", ()):
            cell["source"], cell["outputs"] = [], []
            for key in ("seal", "verdict"):
                notebook["metadata"]["agentloop"].pop(key)
            broken = path.with_name("broken.ipynb")
            broken.write_text(json.dumps(notebook))
            return broken
    return None
