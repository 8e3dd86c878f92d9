"""What the audit hook costs: the same code as a plain cell, as a step, and as a step whose effects are judged.

By turns in one process, in time of the thread: `pytest tests/benchmarks/test_effects.py --benchmark-only -s`.
On a busy machine these differ by more than the hook costs; what it does with the same events alone is told beside them.
"""

from __future__ import annotations

import asyncio
import functools
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pytest_benchmark")

from agentloop_nb.notebook.kernel import effect_hook
from agentloop_nb.safety.observed_effects import Mandate
from tests.kernel.conftest import Place

ROUNDS = 18
TIMED = "import gc, time as _t\ngc.collect()\n_began = _t.thread_time()\n{}\nspent = _t.thread_time() - _began\n"
CODES = {
    "10,000 opens": "for _ in range(10_000):\n    with open('a.txt') as _f: _f.read()",
    "10,000 opens of different files": "for _i in range(10_000):\n    with open(f'd/{_i % 1000}.txt') as _f: _f.read()",
    "1,000 imports": (
        "import sys\nfor _i in range(1000): sys.modules.pop(f'mod_{_i}', None)\n"
        "for _i in range(1000): __import__(f'mod_{_i}')"
    ),
}
_recorded: list[tuple[str, tuple[Any, ...]]] = []
_recording = False


def _record(event: str, args: tuple[Any, ...]) -> None:
    if _recording:
        _recorded.append((event, args))


@functools.cache
def _listen() -> None:
    sys.addaudithook(_record)


def events_of(run: Callable[[], object]) -> list[tuple[str, tuple[Any, ...]]]:
    """Return the audit events that running something raises."""
    global _recording
    _listen()
    _recorded.clear()
    _recording = True
    try:
        run()
    finally:
        _recording = False
    return _recorded[:]


def seconds_of(events: list[tuple[str, tuple[Any, ...]]], monkeypatch: pytest.MonkeyPatch, *, on: bool) -> float:
    """Return what the hook needs for events while it listens, or while it does not; the best of thirty."""
    monkeypatch.setattr(effect_hook, "_on", on)
    spent = []
    for _ in range(30):
        effect_hook._readings.clear()
        begun = time.thread_time()
        for event, args in events:
            effect_hook._hear(event, args)
        spent.append(time.thread_time() - begun)
    return min(spent)


@pytest.mark.benchmark
@pytest.mark.parametrize("what", CODES)
def test_the_hook(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, benchmark: Any) -> None:
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
        took = {
            how: took[how] for how in [*took][1:] + [*took][:1]
        }  # by turns: who comes after whom makes a difference
        for how, times in took.items():
            if how == "cell":
                place.shell.run_cell(code)
            else:
                place.workspace.mandate = Mandate() if how == "judged" else None
                loop.run_until_complete(place.run(code))
            times.append(place.names["spent"])
    benchmark.pedantic(lambda: None, rounds=1)
    for how, times in took.items():
        ratio = statistics.median(a / b for a, b in zip(times, took["cell"], strict=True))
        sys.stdout.write(f"\n{what}, {how}: {min(times) * 1000:.1f} ms, {ratio:.3f} of a plain cell")
    events = events_of(lambda: place.shell.run_cell(code))
    more = seconds_of(events, monkeypatch, on=True) - seconds_of(events, monkeypatch, on=False)
    sys.stdout.write(f"\n{what}, the hook: {len(events)} events, {more * 1000:.2f} ms, {more / min(took['cell']):.2%}")
