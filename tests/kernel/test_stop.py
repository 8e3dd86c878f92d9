"""A run stops within a second wherever it is, and no later step runs. Real kernels; Interrupt button and Stop alike.

One stop a phase, way and mode; AGENTLOOP_TEST_STOPS=3 makes it 144, with their distribution in the test's properties:

    AGENTLOOP_TEST_STOPS=3 pytest tests/kernel/test_stop.py -k every_phase -s --junitxml=stops.xml
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from tests.kernel.conftest import Kernel

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(900)]

ROUNDS = int(os.environ.get("AGENTLOOP_TEST_STOPS", "1"))
INSIDE = 0.3
"""Seconds a phase goes on before it is stopped: a child process has to be there, say."""

RUN = """
import asyncio as _asyncio, pathlib as _pathlib, threading as _threading, time as _time
from agentloop_nb.agent.loop import Loop as _Loop
from agentloop_nb.errors import TransientFault as _Fault
from agentloop_nb.notebook.kernel.runner import drive as _drive, drive_async as _drive_async
from agentloop_nb.settings import Settings as _Settings
from agentloop_nb.state import State as _State
from agentloop_nb.events import ApprovalGiven as _Given, RunStarted as _Started
from agentloop_nb.protocols import Delta as _Delta
from agentloop_nb.agent.event_stream import Stream as _Stream
from agentloop_nb.testing import ScriptedModel as _Scripted, code as _code, finish as _finish
kept, later = [1, 2, 3], []

def _reach():
    _pathlib.Path("reached").touch()
    _reached.set()

class _Phased(_Scripted):
    async def reply(self, request, on_delta):
        if len(self.requests) == 1:
            if self.phase == "model":
                _reach()
                await _asyncio.sleep(30)
            if self.phase == "streaming":
                for _ in range(600):
                    on_delta(_Delta(text=" "))
                    await _asyncio.sleep(0.05)
            if self.phase == "retry":
                raise _Fault("busy", retry_after=30)
        return await super().reply(request, on_delta)

class _View:
    def __init__(self, phase):
        self.phase = phase

    def show(self, event, state):
        if event.kind == "model_failed" and event.wait is not None:
            _reach()

    def progress(self, progress):
        streams = self.phase == "streaming" and hasattr(progress, "delta")
        if progress.step == 2 and (streams or "in it" in str(getattr(progress, "output", ""))):
            _reach()

async def _approve(asked, decision):
    if asked.step == 2:
        _reach()
        await _asyncio.sleep(30)
    return _Given(step=asked.step, approved=True)

def _loop(source, phase):
    global _control, _state, _events, _reached
    _control, _events, _reached = _Control(), [], _threading.Event()
    workspace = _Workspace(get_ipython(), web=_Web(), control=_control)
    before, later = _code("started = True; print('before')"), _code("later.append(1)")
    model = _Phased([before, _code(source, timeout=60), later, _finish()])
    model.phase = phase
    settings = _Settings(approve="code" if phase == "approval" else "auto")
    stream = _Stream(_State(), _events.append, [_View(phase)])
    stream.emit(_Started(run="r", goal="g", context="", settings=settings.record()))
    _state = stream.state
    return _Loop(stream, model, workspace, settings, _control, _approve)

def _stop_soon(inside):
    def stop():
        global _stopped_at
        _reached.wait(60)
        _time.sleep(inside)
        _stopped_at = _time.time()
        _control.stop()
    _threading.Thread(target=stop).start()

def _report():
    second = _state.steps[1] if len(_state.steps) > 1 else None
    return [_state.status, later, kept, second and second.result and second.result.model_dump(mode="json")]
"""
CODE = {
    "sleep": "import time; print('in it', flush=True); time.sleep(30)",
    "busy": "print('in it', flush=True)\nwhile True: pass",
    "swallow": (
        "print('in it', flush=True)\nimport time; tries = 0\nwhile True:\n"
        "    try: time.sleep(1)\n    except BaseException: tries += 1\n    if tries > 1: break"
    ),
    "await": "import asyncio; print('in it', flush=True); await asyncio.sleep(30)",
    "await then block": "import asyncio, time; print('in it', flush=True); await asyncio.sleep(0); time.sleep(30)",
    "shell": "print('in it', flush=True)\n!sleep 30",
    "child": "import subprocess; print('in it', flush=True); subprocess.run(['sleep', '30'])",
    "lock": "import threading; print('in it', flush=True); threading.Event().wait(30)",
}  # fmt: skip
WAITS = ("model", "streaming", "retry", "approval")
MODES = {"await": "await _drive_async(_run.run(), _control)",
         "drive": "_drive(_run.run, _control); None"}  # fmt: skip


def stopped(kernel: Kernel, cell: str, way: str) -> float:
    """Start a cell, stop it once it is in its phase; returns the seconds from then to the end of the cell."""
    request = kernel.send(cell)
    if way == "interrupt":
        wait_for_the_phase(kernel)
        time.sleep(INSIDE)
        asked = time.time()
        kernel.manager.interrupt_kernel()
    kernel.collect(request)
    ended = time.time()
    assert kernel.reply["status"] == "ok", kernel.reply
    return ended - (asked if way == "interrupt" else kernel.evaluate("_stopped_at"))


def wait_for_the_phase(kernel: Kernel) -> None:
    reached, began = kernel.folder / "reached", time.monotonic()
    while not reached.exists():
        assert time.monotonic() - began < 60, "the phase never began"
        time.sleep(0.01)
    reached.unlink()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", ["interrupt", "stop"])
def test_a_run_stops_in_every_phase(
    kernel: Kernel, way: str, mode: str, record_property: Callable[[str, object], None]
) -> None:
    kernel.run(RUN)
    took: dict[str, list[float]] = {}
    for phase, source in {**CODE, **dict.fromkeys(WAITS, "1")}.items():
        soon = f"_stop_soon({INSIDE}); " if way == "stop" else ""
        for _ in range(ROUNDS):
            seconds = stopped(kernel, f"_run = _loop({source!r}, {phase!r}); {soon}{MODES[mode]}", way)
            status, later, kept, second = kernel.evaluate("_report()")
            assert status == "stopped", phase
            assert later == [], f"{phase}: a later step ran"
            assert kept == [1, 2, 3], f"{phase}: a variable was lost"
            if phase in CODE:
                assert second["stopped"], phase
                assert "in it" in second["output"], f"{phase}: the output so far was lost"
            else:
                assert second is None, f"{phase}: the step was carried out"
            (kernel.folder / "reached").unlink(missing_ok=True)
            took.setdefault(phase, []).append(seconds)
    took["all"] = [value for values in took.values() for value in values]
    for phase, values in took.items():
        record_property(f"{way}, {mode}, {phase}", distribution(values))
        print(f"\n{way:9} {mode:5} {phase:16} {distribution(values)}", end="")
    assert kernel.step("sum(kept)").outputs[0]["data"]["text/plain"] == "6", "the kernel is not usable"


def distribution(values: list[float]) -> str:
    values = sorted(values)
    middle, late = values[len(values) // 2], values[round(0.95 * (len(values) - 1))]
    return f"{len(values):3} stops: p50 {middle:.2f} s, p95 {late:.2f} s, max {values[-1]:.2f} s"


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
    begin = "_run = _loop('1', 'model'); " + MODES["await"]
    first = kernel.send(begin + "\nif _state.status == 'stopped': raise RuntimeError('stopped')")
    second = kernel.send("ran_on = True")
    wait_for_the_phase(kernel)
    kernel.manager.interrupt_kernel()
    kernel.collect(first)
    assert kernel.reply["status"] == "error"
    kernel.collect(second)
    assert kernel.reply["status"] == "aborted"
