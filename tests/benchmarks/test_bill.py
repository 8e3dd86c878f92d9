"""What a run's prompts cost: `pytest tests/benchmarks/test_bill.py --benchmark-only -s`. The same on every machine.

The unit: 1 for a character of input, 0.1 for one inside a prefix of at least 4,096 characters that the request before
it had, too. Schemas and tools count as sent.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pytest_benchmark")

from agentloop_nb import run_agent
from tests.benchmarks.billing import sent, units
from tests.wire import Wire, decision, finish

BEYOND_THE_FIVE = "look_up,read_document,query"
"""The targets are for the original five actions, with a price of a tenth for what is cached."""
TARGETS = {20: 54, 50: 170, 100: 360, 200: 800}
"""Thousands of units by steps, no more than the cheapest peer bills."""


@pytest.mark.parametrize("steps", TARGETS)
def test_the_bill_of_a_run(benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    monkeypatch.chdir(tmp_path)
    purpose = "Look at the next part of the data, because the part before it was in order."
    script = [
        decision("run_code", reasoning=purpose, code=f"x{number} = {number}\nprint(f'{{x{number}:04d}} ' * 200)")
        for number in range(steps - 1)
    ]
    bodies: list[dict[str, Any]] = []

    def run() -> None:
        options = {"max_steps": steps + 1, "verbose": False, "price": "1,4,0.1", "no_actions": BEYOND_THE_FIVE}
        with Wire([*script, finish()]) as wire:
            made = run_agent("measure", model="scripted", base_url=wire.base_url, **options)
        assert made.is_complete
        bodies[:] = wire.bodies

    benchmark.pedantic(run, rounds=1)
    billed = units(bodies) / 1000
    told = sum(purpose in json.dumps(message) for message in bodies[-1]["messages"])
    sys.stdout.write(
        f"\n{steps} steps: {billed:.0f} k units (to reach: {TARGETS[steps]}), "
        f"first request {len(sent(bodies[0]))} characters, last {len(sent(bodies[-1]))}, {told} messages tell a purpose"
    )
