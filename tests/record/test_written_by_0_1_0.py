"""Records and notebooks that version 0.1.0 wrote stay readable: `written_by_0_1_0` holds them as they were."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agentloop_nb.cli import main
from agentloop_nb.record import reading

KEPT = Path(__file__).with_name("written_by_0_1_0")
RECORDS = sorted(path.stem for path in (KEPT / "runs").glob("*.jsonl"))
STATUS = {
    "Write the first 20 Fibonacci": "finished",
    "Total the revenue": "finished",
    "and which month": "finished",
    "count to a hundred": "step_limit",
    "this one has a bad key": "failed",
    "squares up to four": "finished",
    "say it again": "stopped",  # its last step was taken back
}
NOTEBOOKS = ("demo", "analysis", "minimal", "follow")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """A folder as 0.1.0 left it."""
    shutil.copytree(KEPT / "runs", tmp_path / ".agentloop" / "runs")
    for path in KEPT.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("run", RECORDS)
def test_a_record_folds_into_the_state_it_had(folder: Path, run: str):
    state = reading.load(folder / ".agentloop" / "runs" / f"{run}.jsonl")
    expected = next(status for goal, status in STATUS.items() if state.goal.startswith(goal))
    assert state.status == expected
    assert state.steps or expected == "failed"


@pytest.mark.parametrize("run", RECORDS)
def test_a_record_can_be_shown(folder: Path, run: str, capsys):
    finished = reading.load(folder / ".agentloop" / "runs" / f"{run}.jsonl").status == "finished"
    assert main(["show", run]) == (0 if finished else 1)
    assert "EXECUTION SUMMARY" in capsys.readouterr().out


def test_all_runs_are_listed(folder: Path, capsys):
    assert main(["runs"]) == 0
    listed = capsys.readouterr().out
    assert all(run in listed for run in RECORDS)


@pytest.mark.kernel
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_exported_notebook_still_verifies(folder: Path, name: str, capsys):
    assert main(["verify", f"{name}.ipynb"]) == 0, capsys.readouterr().out
