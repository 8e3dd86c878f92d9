"""A kernel that lasts: late steps and runs beside early ones, and the first goal. Processor time, medians.

`pytest tests/benchmarks/test_lasting.py --benchmark-only -s`; `AGENTLOOP_BENCH_STEPS=1000` for the long run.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pytest_benchmark")

from agentloop_nb import run_agent
from tests.wire import Item, Request, Wire, decision, finish

STEPS = int(os.environ.get("AGENTLOOP_BENCH_STEPS", "200"))
RUNS = 200

FIRST_GOAL = """
import json, sys, time
from IPython.core.interactiveshell import InteractiveShell
from tests.benchmarks.test_lasting import Timed
from tests.wire import finish
shell = InteractiveShell.instance()
shell.run_cell("%load_ext agentloop_nb")
time.sleep(5)
with Timed([finish(), finish()]) as wire:
    began = time.process_time()
    shell.run_cell_magic("agent", f"-m scripted --base-url {wire.base_url} --quiet", "say done")
print(json.dumps((wire.marks[0] - began) * 1000))
"""


class Timed(Wire):
    """Notes the processor time at each request."""

    marks: list[float]

    def take(self, request: Request) -> Item:
        self.marks = [*getattr(self, "marks", ()), time.process_time()]
        return super().take(request)


def spent(marks: list[float]) -> list[float]:
    """Milliseconds of processor time between marks."""
    return [(later - earlier) * 1000 for earlier, later in pairwise(marks)]


def told(what: str, early: list[float], late: list[float], target: float) -> None:
    one, other = statistics.median(early), statistics.median(late)
    sys.stdout.write(f"\n{what}: {one:.1f} ms, then {other:.1f} ms of CPU: {other / one:.2f} (to reach: {target})")


def test_late_steps(benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = [decision("run_code", code=f"x{number} = {number}\nprint(x{number})") for number in range(STEPS - 1)]
    marks: list[float] = []

    def run() -> None:
        with Timed([*script, finish()], streams=True) as wire:
            run_agent("measure", model="scripted", base_url=wire.base_url, max_steps=STEPS + 1, verbose=False)
        marks[:] = wire.marks

    benchmark.pedantic(run, rounds=1)
    each = spent(marks)
    fifth = len(each) // 5
    told(f"a step of {STEPS}, the server's work included", each[:fifth], each[-fifth:], 1.2)


def test_late_runs(benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    marks = [time.process_time()]
    sizes: list[int] = []

    def run() -> None:
        for number in range(RUNS):
            with Wire([decision("run_code", code=f"y = {number}\nprint(y)"), finish()]) as wire:
                made = run_agent("measure", model="scripted", base_url=wire.base_url, verbose=False)
            marks.append(time.process_time())
            sizes.append(len(made.journal.read_text().splitlines()[0]))

    benchmark.pedantic(run, rounds=1)
    each = spent(marks)
    told(f"a run of {RUNS}", each[1:21], each[-20:], 1.15)
    sys.stdout.write(f"; a record's first line {sizes[1]}, then {sizes[-1]} characters")


def test_the_first_goal(benchmark: Any, tmp_path: Path) -> None:
    found: list[float] = []

    def run() -> None:
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(
            [sys.executable, "-c", FIRST_GOAL], capture_output=True, check=True, cwd=tmp_path, env=environment
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))

    benchmark.pedantic(run, rounds=5)
    sys.stdout.write(f"\nfirst goal to the wire: {statistics.median(found):.0f} ms of CPU (to reach: 150)")
