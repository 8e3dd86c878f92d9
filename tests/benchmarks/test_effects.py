"""What the audit hook costs: the same code as a plain cell, as a step, and as a step whose effects are judged.

By turns in one process: `pytest tests/benchmarks/test_effects.py --benchmark-only -s`.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from pathlib import Path

import pytest

pytest.importorskip("pytest_benchmark")

from agentloop_nb.safety.observed_effects import Mandate
from tests.kernel.conftest import Place

ROUNDS = 15
TIMED = "import time as _t\n_began = _t.process_time()\n{}\nspent = _t.process_time() - _began\n"
CODES = {
    "10,000 opens": "for _ in range(10_000):\n    with open('a.txt') as _f: _f.read()",
    "10,000 opens of different files": "for _i in range(10_000):\n    with open(f'd/{_i % 1000}.txt') as _f: _f.read()",
    "1,000 imports": (
        "import sys\nfor _i in range(1000): sys.modules.pop(f'mod_{_i}', None)\n"
        "for _i in range(1000): __import__(f'mod_{_i}')"
    ),
}


@pytest.mark.benchmark
@pytest.mark.parametrize("what", CODES)
def test_the_hook(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, benchmark: object) -> None:
    place, loop = Place(tmp_path), asyncio.new_event_loop()
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "d").mkdir()
    (tmp_path / "a.txt").write_text("x" * 2000)
    for number in range(1000):
        (tmp_path / f"mod_{number}.py").write_text("x = 1\n")
        (tmp_path / "d" / f"{number}.txt").write_text("x" * 2000)
    code = TIMED.format(CODES[what])
    monkeypatch.chdir(tmp_path)
    took: dict[str, list[float]] = {"cell": [], "step": [], "judged": []}
    for _ in range(ROUNDS):
        for how, times in took.items():
            if how == "cell":
                place.shell.run_cell(code)
            else:
                place.workspace.mandate = Mandate() if how == "judged" else None
                loop.run_until_complete(place.run(code))
            times.append(place.names["spent"])
    benchmark.pedantic(lambda: None, rounds=1)  # type: ignore[attr-defined]
    for how, times in took.items():
        ratio = statistics.median(a / b for a, b in zip(times, took["cell"], strict=True))
        sys.stdout.write(f"\n{what}, {how}: {min(times) * 1000:.1f} ms, {ratio:.3f} of a plain cell")
