"""`kill -9` at the boundaries of the loop: whatever the point, the run resumes as if nothing had happened."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.record.crashes import SCENARIOS

ROOT = Path(__file__).parents[2]
STRIDE = int(os.environ.get("CRASH_STRIDE", "2"))
"""Of the boundaries, every second is tried, 119 in all; `CRASH_STRIDE=1` tries each."""


@pytest.mark.timeout(600)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_run_resumes_wherever_its_kernel_was_killed(scenario):
    program = [sys.executable, "-m", "tests.record.crashes", str(STRIDE), scenario]
    done = subprocess.run(program, capture_output=True, text=True, cwd=ROOT, check=True)
    whole, *crashes = map(json.loads, done.stdout.splitlines())
    undisturbed = whole["undisturbed"]
    assert undisturbed["status"] == "finished"
    assert len(crashes) >= (100 / len(SCENARIOS) if STRIDE <= 2 else 1), "at least 100 points in all"

    for crash in crashes:
        resumed = crash["resumed"]
        assert crash["killed"], crash
        assert "failed" not in resumed, crash
        assert resumed["status"] == "finished", crash
        assert resumed["kept"], crash
        assert resumed["diverged"] is None, crash
        assert resumed["names"] == undisturbed["names"], crash
        others = {name: text for name, text in resumed["files"].items() if name != "effects.log"}
        assert others == {name: text for name, text in undisturbed["files"].items() if name != "effects.log"}, crash
        assert once_each(resumed["effects"], resumed["begun"], undisturbed["effects"]), crash


def once_each(effects: list[str], begun: list[str], wanted: list[str]) -> bool:
    """Whether every effect is there, in order, and none more often than its step was decided and begun."""
    return [mark for mark, _ in itertools.groupby(effects)] == wanted and all(
        effects.count(mark) <= begun.count(mark) for mark in wanted
    )
