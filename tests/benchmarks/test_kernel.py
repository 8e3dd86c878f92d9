"""What a step costs beside a cell on a full namespace, and what it costs to know what it changed.

In a quiet process by pytest-benchmark, and in a real kernel, both measured in one run, by turns. AGENTLOOP_BENCH_GB=2
makes the arrays that large (0.2).
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pytest_benchmark")

import numpy as np

from agentloop_nb.notebook.snapshots.tracker import Watch
from tests.kernel.conftest import Kernel, Place

GIGABYTES = float(os.environ.get("AGENTLOOP_BENCH_GB", "0.2"))

NAMES = """
import numpy as np, pandas as pd
for i in range(600): globals()[f"number_{i}"] = i
for i in range(600): globals()[f"text_{i}"] = "x" * i
for i in range(300): globals()[f"list_{i}"] = list(range(i))
for i in range(300): globals()[f"dict_{i}"] = {j: str(j) for j in range(50)}
for i in range(100): globals()[f"array_{i}"] = np.arange(1000.0) + i
for i in range(100): globals()[f"table_{i}"] = pd.DataFrame({"a": range(100), "b": list("xy" * 50)})
"""
"""2,000 names, as a long day's notebook has them."""
CODES = {
    "print": "print(1)",
    "list": "list_5.append(1)",
    "array": "array_5[0] += 1",
    "table, read": "_ = table_5['a'].sum()",
    "table, changed": "table_5['q'] = 1",
}
TURNS = """
import time as _time
async def _turns(code, count=40):
    took = {"cell": [], "step": []}
    for turn in range(count + 5):
        began = _time.perf_counter()
        _ = get_ipython().run_cell(code, store_history=False)
        between = _time.perf_counter()
        await _step(code)
        if turn >= 5:
            took["cell"].append((between - began) * 1000)
            took["step"].append((_time.perf_counter() - between) * 1000)
    return {how: [sorted(times)[0], sorted(times)[count // 2]] for how, times in took.items()}
"""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Callable[[str], None]]:
    """Run code as a step and as a plain cell of one shell with 2,000 names."""
    place, loop = Place(tmp_path_factory.mktemp("work")), asyncio.new_event_loop()
    exec(NAMES, place.names)

    def step(source: str) -> None:
        assert loop.run_until_complete(place.run(source)).ending == "ok"

    def cell(source: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            place.shell.run_cell(source).raise_error()

    return {"step": step, "cell": cell}


@pytest.mark.parametrize("how", ["cell", "step"])
@pytest.mark.parametrize("what", CODES)
def test_a_step_beside_a_cell(benchmark: Any, full: dict[str, Callable[[str], None]], what: str, how: str) -> None:
    """Target: 3 ms more than a cell, on a namespace of 2,000 names."""
    benchmark.group = f"2,000 names: {what}"
    benchmark.pedantic(full[how], args=(CODES[what],), rounds=40, warmup_rounds=5)


def test_a_step_beside_a_cell_in_a_real_kernel(benchmark: Any, tmp_path: Path) -> None:
    """The same in a kernel process, by turns; prints the least and the median of both, in ms."""
    kernel = Kernel(sys.executable, tmp_path)
    try:
        kernel.run(NAMES + TURNS)
        benchmark.pedantic(lambda: kernel.run("await _step('print(1)')"), rounds=5)
        for what, code in CODES.items():
            kernel.run(f"_found = await _turns({code!r})")
            found = kernel.evaluate("_found")
            benchmark.extra_info[what] = json.dumps(found)
            (cell, cell_median), (step, step_median) = found["cell"], found["step"]
            print(
                f"\n{what:16} +{step - cell:.2f} ms (median +{step_median - cell_median:.2f}; cell {cell:.2f})", end=""
            )
    finally:
        kernel.close()


@pytest.mark.benchmark(group="knowing what changed: 2,000 names")
@pytest.mark.parametrize("code", ["print(1)", "table_5['q'] = 1", "globals()"], ids=["nothing", "a table", "anything"])
def test_change_detection(benchmark: Any, code: str) -> None:
    """Remembering before a step and comparing after it, where it can touch nothing, one table, or every name."""
    names: dict[str, Any] = {}
    exec(NAMES, names)

    def watch() -> None:
        Watch(names, code, room=512 * 2**20).finish(1, ())

    benchmark.pedantic(watch, rounds=20, warmup_rounds=2)


@pytest.mark.benchmark(group=f"knowing what changed: arrays of {GIGABYTES:g} GB")
@pytest.mark.parametrize(
    "code", ["print(1)", "part_0[0] = 1", "whole[0] = 1", "globals()"], ids=["nothing", "a part", "all of it", "any"]
)
def test_change_detection_in_large_arrays(benchmark: Any, code: str) -> None:
    """The same with large arrays: one half of the size in one array, the other in eight."""
    count = int(GIGABYTES * 2**30 / 8 / 2)
    names: dict[str, Any] = {"whole": np.ones(count)} | {f"part_{i}": np.ones(count // 8) for i in range(8)}

    def watch() -> None:
        Watch(names, code, room=512 * 2**20).finish(1, ())

    benchmark.pedantic(watch, rounds=3, warmup_rounds=1)
