"""Load, overhead a step, and code as a step against code as a cell. The targets are the project's own."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("pytest_benchmark")

from agentloop_nb import run_agent
from agentloop_nb.events import ActionFinished
from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace
from agentloop_nb.notebook.kernel.private_shell import private_shell
from agentloop_nb.record import reading
from agentloop_nb.testing import FakeWeb
from tests.wire import Wire, decision, finish

LOAD = """
import json, resource, sys, time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
modules, memory = len(sys.modules), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
shell.run_line_magic("load_ext", "agentloop_nb")
ms = (time.perf_counter() - began) * 1000
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
print(json.dumps([ms, len(sys.modules) - modules, memory / 1024]))
"""


def test_load_ext(benchmark, tmp_path):
    """Target: 40 ms."""
    found = []

    def load() -> None:
        done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, check=True, cwd=tmp_path)
        found.append(json.loads(done.stdout.splitlines()[-1]))

    benchmark.pedantic(load, rounds=9, warmup_rounds=1)
    ms, modules, megabytes = (round(statistics.median(column), 1) for column in zip(*found, strict=True))
    benchmark.extra_info.update(load_ms=ms, modules=modules, megabytes=megabytes)
    print(f"\n%load_ext: {ms} ms, {modules:.0f} modules, {megabytes} MB")


@pytest.mark.parametrize("steps", [20, 100])
def test_overhead_a_step(benchmark, tmp_path, monkeypatch, steps):
    """Target: 10 ms a step, a late step at most 1.2 times an early one."""
    monkeypatch.chdir(tmp_path)
    script = [decision("run_code", code=f"x{number} = {number}\nprint(x{number})") for number in range(steps - 1)]
    records, cpu = [], []

    def run() -> None:
        began = time.process_time()
        with Wire([*script, finish()], streams=True) as wire:
            made = run_agent("measure", model="scripted", base_url=wire.base_url, max_steps=steps + 1, verbose=False)
        assert made.is_complete
        records.append(made.journal)
        cpu.append((time.process_time() - began) * 1000 / steps)

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    ends = [event.at for event in reading.read(records[-1]) if isinstance(event, ActionFinished)]
    each = [(later - earlier) * 1000 for earlier, later in itertools.pairwise(ends)]
    fifth = max(len(each) // 5, 1)
    early, late = statistics.median(each[:fifth]), statistics.median(each[-fifth:])
    size = records[-1].stat().st_size / steps
    median, busy = statistics.median(each), min(cpu)
    benchmark.extra_info.update(step_ms=round(median, 1), cpu_ms=round(busy, 1), late_to_early=round(late / early, 2))
    print(
        f"\n{steps} steps: {median:.1f} ms a step ({busy:.1f} of CPU, the server's included), "
        f"late to early {late / early:.2f}, {size:.0f} bytes"
    )


@pytest.fixture
def code(tmp_path: Path):
    """Run code as a step and as a plain cell of one shell."""
    shell = private_shell()
    workspace = KernelWorkspace(shell, web=FakeWeb(), folder=tmp_path)
    loop = asyncio.new_event_loop()

    def step(source: str) -> None:
        outcome = loop.run_until_complete(
            workspace.run_code(source, step=1, timeout=60, on_output=lambda _output: None)
        )
        assert outcome.ending == "ok"

    def cell(source: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            shell.run_cell(source).raise_error()

    yield {"step": step, "cell": cell}
    loop.close()


@pytest.mark.benchmark(group="print(1)")
@pytest.mark.parametrize("how", ["cell", "step"])
def test_trivial_code(benchmark, code, how):
    """Target: a step within 3 ms of a cell."""
    benchmark.pedantic(code[how], args=("print(1)",), rounds=50, warmup_rounds=5)


@pytest.mark.benchmark(group="loop of 2 M turns")
@pytest.mark.parametrize("how", ["cell", "step"])
def test_cpu_bound_code(benchmark, code, how):
    """Target: as a plain cell."""
    source = "total = 0\nfor i in range(2_000_000):\n    total += i"
    benchmark.pedantic(code[how], args=(source,), rounds=7, warmup_rounds=1)
