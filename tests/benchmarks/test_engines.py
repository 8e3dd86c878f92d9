"""Steps on an engine of a cluster beside isolated ones here, and what grows over a thousand of them.

`pytest tests/benchmarks/test_engines.py --benchmark-only -s`; `AGENTLOOP_BENCH_STEPS=1000` for the long run.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytest.importorskip("pytest_benchmark")
pytest.importorskip("ipyparallel", reason="needs the cluster extra")

from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.testing import FakeWeb
from tests.cluster.conftest import MARK, Lab
from tests.cluster.conftest import ipython_home as ipython_home
from tests.processes import wait_for

STEPS = int(os.environ.get("AGENTLOOP_BENCH_STEPS", "200"))
CODE = "x = [0] * 1000\nopen('made.txt', 'w').write('{number}')\nprint({number})"


@pytest.fixture
def lab(ipython_home: Path) -> Iterator[Lab]:
    made = Lab(ipython_home, "bench", 1)
    try:
        wait_for(lambda: len(made.cluster.wire.engines) == 1, "the engine did not come")
        yield made
    finally:
        made.cluster.close()
        made.stop()


def step(own: IsolatedWorkspace, code: str, number: int) -> float:
    """Run a step, and return the milliseconds that it took."""
    began = time.perf_counter()
    outcome = asyncio.run(own.run_code(code, step=number, timeout=60, on_output=lambda _: None))
    took = (time.perf_counter() - began) * 1000
    assert outcome.ending == "ok", outcome
    return took


def sizes(lab: Lab) -> dict[str, tuple[float, int, int]]:
    """Megabytes, threads and open files of this process, and of all that belong to the cluster, by what they are."""
    found = {f"here {os.getpid()}": psutil.Process()}
    for each in psutil.process_iter():
        try:
            if each.environ().get(MARK) == lab.mark:
                found[f"{' '.join(each.cmdline())[-40:]} {each.pid}"] = each
        except psutil.Error:
            continue
    found |= {f"isolated {each.pid}": each for each in lab.kernels()}
    return {name: (each.memory_info().rss / 2**20, each.num_threads(), each.num_fds()) for name, each in found.items()}


def test_a_step_on_an_engine_beside_one_here(lab: Lab, tmp_path: Path, benchmark) -> None:
    far = IsolatedWorkspace(tmp_path / "far", web=FakeWeb(), connect=lab.cluster.line("a benchmark"))
    near = IsolatedWorkspace(tmp_path / "near", web=FakeWeb())
    for own in (far, near):
        step(own, "print(1)", 1)
    pairs = benchmark.pedantic(
        lambda: [(step(far, "print(1)", 1), step(near, "print(1)", 1)) for _ in range(50)], rounds=1
    )
    there, here = (statistics.median(times) for times in zip(*pairs, strict=True))
    sys.stdout.write(f"\na step: {there:.1f} ms on an engine, {here:.1f} ms here: {there / here:.2f} (to reach: 2)\n")
    far.close()
    near.close()


def test_what_grows_over_many_steps(lab: Lab, tmp_path: Path, benchmark) -> None:
    own = IsolatedWorkspace(tmp_path / "own", web=FakeWeb(), connect=lab.cluster.line("a benchmark"))
    times = [step(own, CODE.format(number=number), number) for number in range(1, 101)]
    before, threads = sizes(lab), threading.active_count()
    times += benchmark.pedantic(
        lambda: [step(own, CODE.format(number=number), number) for number in range(101, 101 + STEPS)], rounds=1
    )
    early, late = statistics.median(times[50:100]), statistics.median(times[-50:])
    sys.stdout.write(f"\n{STEPS} steps over the relay: {early:.1f} ms, then {late:.1f} ms each\n")
    for name, (memory, count, files) in sizes(lab).items():
        past, count_before, files_before = before.get(name, (0.0, 0, 0))
        sys.stdout.write(
            f"  {memory - past:+6.1f} MB ({memory:.0f}), {count - count_before:+d} threads, "
            f"{files - files_before:+d} open files: {name}\n"
        )
    sys.stdout.write(f"  threads here: {threads}, then {threading.active_count()}\n")
    own.close()
