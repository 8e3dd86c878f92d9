"""A real model of 135 M parameters, which understands hardly anything: each run still ends, and says honestly how.

Opt-in, since it fetches 130 MB once and takes minutes: AGENTLOOP_REAL_MODEL=1 pytest tests/real
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentloop_nb import run_agent
from agentloop_nb.run import Run
from tests.real.goals import FURTHER, GOALS, Check
from tests.real.serve import MODEL, serving

pytestmark = [
    pytest.mark.skipif(not os.environ.get("AGENTLOOP_REAL_MODEL"), reason="asks for AGENTLOOP_REAL_MODEL=1"),
    pytest.mark.timeout(1800),
]

STEPS = 4
ASKED = FURTHER if os.environ.get("AGENTLOOP_REAL_MODEL") == "further" else GOALS


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("OPENAI_") or name in ("MAX_STEPS", "MAX_RETRIES"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / ".ipython"))
    monkeypatch.setenv("AGENTLOOP_TEMPERATURE", "0.2")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(run: Run) -> str:
    """Everything that was printed or summed up."""
    return "\n".join([*(result.output for result in run.action_results if result.success), run.summary])


@pytest.mark.parametrize(("goal", "files", "check"), ASKED, ids=[goal[:40] for goal, _, _ in ASKED])
def test_every_run_ends_with_an_honest_status(
    base_url: str, home: Path, goal: str, files: dict[str, str], check: Check
) -> None:
    for name, text in files.items():
        (home / name).write_text(text)
    run = run_agent(goal, base_url=base_url, model=MODEL, max_steps=STEPS, verbose=False)
    assert run.status in ("finished", "not_met", "step_limit", "failed")
    assert run.current_step <= STEPS
    assert run.reason
    executed = [step.decision.action for step in run.steps if step.decision and step.started]
    assert all(executed.count(action) < 4 for action in executed), "nothing is done a fourth time"
    if run.status == "finished" and not check(home / "output", shown(run)):
        failed = [result for result in run.action_results if result.action != "finish" and not result.success]
        done = [result for result in run.action_results if result.action != "finish" and result.success]
        assert run.state.doubts or done or not failed, "no success is claimed unmarked where nothing succeeded"
    assert all((home / name).read_text() == text for name, text in files.items()), "the person's files are as they were"
