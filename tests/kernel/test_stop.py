"""A run stops within a second wherever it is, and no later step runs. Real kernels; Interrupt button and Stop alike."""
# ruff: noqa: E501 - one snippet a line

from __future__ import annotations

import os
import statistics
import time

import pytest

from tests.kernel.conftest import Kernel

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(600)]

ROUNDS = int(os.environ.get("AGENTLOOP_TEST_STOPS", "1"))
"""Stops a phase, way and mode; 5 make more than a hundred."""

RUN = """
import asyncio as _asyncio, time as _time
from agentloop_nb.loop import Loop as _Loop
from agentloop_nb.notebook.kernel.drive import drive as _drive, drive_async as _drive_async
from agentloop_nb.settings import Settings as _Settings
from agentloop_nb.state import State as _State
from agentloop_nb.events import RunStarted as _Started
from agentloop_nb.stream import Stream as _Stream
from agentloop_nb.testing import ScriptedModel as _Scripted, code as _code, finish as _finish
kept, later = [1, 2, 3], []

class _Slow(_Scripted):
    async def reply(self, request, on_delta):
        if len(self.requests) in self.slow:
            await _asyncio.sleep(30)
        return await super().reply(request, on_delta)

def _loop(source, slow=()):
    global _control, _state, _events
    _control, _events = _Control(), []
    workspace = _Workspace(get_ipython(), web=_Web(), control=_control)
    model = _Slow([_code("started = True; print('before')"), _code(source, timeout=60), _code("later.append(1)"), _finish()])
    model.slow = slow
    stream = _Stream(_State(), _events.append)
    stream.emit(_Started(run="r", goal="g", context="", settings=_Settings().record()))
    _state = stream.state
    loop = _Loop(stream, model, workspace, _Settings(), _control)
    print("ready", flush=True)
    return loop

def _report():
    second = _state.steps[1] if len(_state.steps) > 1 else None
    return [_state.status, later, kept, second and second.result and second.result.model_dump(mode="json")]
"""
BLOCKING = {
    "sleep": "import time; print('in it', flush=True); time.sleep(30)",
    "busy": "print('in it', flush=True)\nwhile True: pass",
    "swallow": "print('in it', flush=True)\nimport time; tries = 0\nwhile True:\n    try: time.sleep(1)\n    except BaseException: tries += 1\n    if tries > 1: break",
    "await": "import asyncio; print('in it', flush=True); await asyncio.sleep(30)",
    "await then block": "import asyncio, time; print('in it', flush=True); await asyncio.sleep(0); time.sleep(30)",
    "shell": "print('in it', flush=True)\n!sleep 30",
    "child": "import subprocess; print('in it', flush=True); subprocess.run(['sleep', '30'])",
    "lock": "import threading; print('in it', flush=True); threading.Event().wait(30)",
    "socket": "import socket; print('in it', flush=True)\na, b = socket.socketpair(); a.recv(1)",
}  # fmt: skip
MODES = {"await": "_run = _loop({0!r}, {1!r}); await _drive_async(_run.run(), _control, get_ipython())",
         "drive": "_run = _loop({0!r}, {1!r}); _drive(_run.run, _control, get_ipython()); None"}  # fmt: skip


def measure(kernel: Kernel, cell: str, way: str) -> float:
    """Start a cell, stop it once it is in its phase; returns the seconds from then to the end of the cell."""
    stop = (
        ""
        if way == "interrupt"
        else "import threading as _t; _timer = _t.Timer(1.5, lambda: _control.stop()); _timer.start()\n"
    )
    request = kernel.send(stop + cell)
    if way == "interrupt":
        time.sleep(1.5)
        kernel.manager.interrupt_kernel()
        began = time.monotonic()
    else:
        time.sleep(1.5)
        began = time.monotonic()
    kernel.collect(request)
    assert kernel.reply["status"] == "ok", kernel.reply
    return time.monotonic() - began


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", ["interrupt", "stop"])
def test_a_run_stops_in_every_phase(kernel: Kernel, way: str, mode: str) -> None:
    kernel.run(RUN)
    took: dict[str, list[float]] = {}
    for phase, source in {**BLOCKING, "model": "1"}.items():
        for _ in range(ROUNDS):
            slow = (1,) if phase == "model" else ()
            seconds = measure(kernel, MODES[mode].format(source, slow), way)
            status, later, kept, second = kernel.evaluate("_report()")
            assert status == "stopped", phase
            assert later == [], f"{phase}: a later step ran"
            assert kept == [1, 2, 3], f"{phase}: a variable was lost"
            if phase != "model":
                assert second["stopped"], phase
                assert "in it" in second["output"], f"{phase}: the output so far was lost"
            took.setdefault(phase, []).append(seconds)
    everything = sorted(value for values in took.values() for value in values)
    print(f"\n{way}, {mode}: {len(everything)} stops, median {statistics.median(everything):.2f} s,"
          f" p95 {everything[int(0.95 * (len(everything) - 1))]:.2f} s, max {everything[-1]:.2f} s;"
          f" by phase {({phase: round(max(values), 2) for phase, values in took.items()})}")  # fmt: skip
    assert kernel.step("sum(kept)").outputs[0]["data"]["text/plain"] == "6", "the kernel is not usable"


def test_native_code_that_cannot_be_cut_says_so(kernel: Kernel) -> None:
    code = (
        "import hashlib; print('in it'); _key = hashlib.pbkdf2_hmac('sha256', b'x', b'y', 12_000_000); print('went on')"
    )

    outcome = kernel.step(code, 0.5)

    assert outcome.ending == "timeout"
    assert [output["text"] for output in outcome.outputs] == ["in it\n"]
    assert any("native code" in output.get("text", "") for output in kernel.evaluate("_told"))
    assert any("native code" in note for note in outcome.notes)


def test_run_all_stops_after_an_interrupt_between_steps(kernel: Kernel) -> None:
    kernel.run(RUN)
    first = kernel.send(
        MODES["await"].format("1", (1,)) + "\nif _state.status == 'stopped': raise RuntimeError('stopped')"
    )
    second = kernel.send("ran_on = True")
    time.sleep(1)
    kernel.manager.interrupt_kernel()
    kernel.collect(first)
    assert kernel.reply["status"] == "error"
    kernel.collect(second)
    assert kernel.reply["status"] == "aborted"
