from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agentloop_nb import session
from agentloop_nb.errors import UserError
from agentloop_nb.record import locating, reading
from agentloop_nb.run import Run
from agentloop_nb.safety.secrets import Masker
from agentloop_nb.settings import resolve
from agentloop_nb.testing import FakeWorkspace

WRITES = Path(__file__).parents[1] / "record" / "written_by_0_1_0" / "runs" / "20261129-164716-07dd.jsonl"
"""A run that wrote a file by `write_file`."""


async def begun(folder: Path, **arguments: Any) -> Run:
    """A run of the demo that met its step limit."""
    settings = resolve({"model": "demo", "max_steps": 1, **arguments}, {}, {})
    how = session.NewRun("count", settings, {}, folder, Masker(()))
    return await session.begin(how, lambda web: FakeWorkspace(folder)).go()


def resumed(record: Path, folder: Path, **overrides: Any) -> session.Session:
    settings = resolve({"model": "demo", **overrides}, {}, {})
    how = session.RecordedRun(record, overrides, {}, settings, Masker(()))
    return session.resume(how, lambda web: FakeWorkspace(folder))


def test_a_start_that_is_refused_leaves_no_record(tmp_path: Path):
    class Gone(FakeWorkspace):
        def describe(self, tokens: int) -> str:
            raise UserError("the process ended")

    how = session.NewRun("count", resolve({"model": "demo"}, {}, {}), {}, tmp_path, Masker(()))
    with pytest.raises(UserError, match="the process ended"):
        session.begin(how, lambda web: Gone(tmp_path))
    assert locating.runs(tmp_path) == []


async def test_limits_named_on_resuming_are_read_as_they_are_at_the_start(tmp_path: Path):
    run = await begun(tmp_path)
    assert run.status == "step_limit"
    with pytest.raises(UserError, match="allow more: %agent resume --max-steps 21"):
        resumed(run.journal, tmp_path)
    made = resumed(run.journal, tmp_path, max_steps="2e1", budget="$0.50")
    assert (made.settings.max_steps, made.settings.budget) == (20, Decimal("0.50"))
    made.record.close()
    made = resumed(run.journal, tmp_path, max_steps="3")
    assert (made.settings.max_steps, made.settings.budget) == (3, None), "what is not named stays"
    made.record.close()


async def test_privacy_and_pictures_are_kept_to_as_named_on_resuming(tmp_path: Path):
    run = await begun(tmp_path)
    assert run.state.settings["privacy"] == "full"
    made = resumed(run.journal, tmp_path, max_steps="3", privacy="none")
    await made.go()
    assert made.state.settings["privacy"] == "none"
    assert reading.load(run.journal).settings["privacy"] == "none", "so that what left can be shown"


async def test_files_that_cannot_be_kept_safe_end_a_resumed_run_with_a_reason(tmp_path: Path):
    run = await begun(tmp_path, max_steps=3, model=f"replay:{WRITES}")
    assert any(step.decision.action.name == "write_file" for step in run.steps)
    (tmp_path / ".agentloop" / "aside").write_text("in the way")
    again = await resumed(run.journal, tmp_path, max_steps="9").go()
    assert again.status == "interrupted"
    assert "the files of the run cannot be kept safe" in again.reason


async def test_a_record_that_was_moved_knows_what_its_runs_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = await begun(tmp_path)
    moved = run.journal.rename(tmp_path / "moved.jsonl")
    monkeypatch.chdir(tmp_path)
    made = resumed(Path(moved.name), tmp_path, max_steps="3")
    assert made._written_before() == frozenset()
    made.record.close()
