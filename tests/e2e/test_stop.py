"""The Interrupt button in each phase of a run: it ends at once, loses nothing, and stops Run All."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import errors, text
from tests.wire import Reply, Wire, decision, finish, rate_limited

LOAD = "%load_ext agentloop_nb\nimport os, signal, threading, time"
SOON = """
def interrupt():
    global began
    while "kept" not in globals():
        time.sleep(0.05)
    time.sleep(1.0)
    began = time.time()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
"""
"""Interrupts what comes a second after the first step."""
FIRST = decision("run_code", code="kept = 1\nprint('first')")
LATE = Reply(text=json.dumps(finish("late")), delay=40)
SLOW = Reply(text=json.dumps(decision("run_code", reasoning="word " * 400, code="never = 1")), pace=0.1, size=4)
SLEEP = decision("run_code", code="print('begun', flush=True)\ntime.sleep(40)\nnever = 1", timeout=60)
AWAIT = decision("run_code", code="import asyncio\nawait asyncio.sleep(40)\nnever = 1", timeout=60)
SHELL = decision("run_code", code="!sleep 40", timeout=60)
READ = decision("read_url", url="https://slow.invalid/")

PHASES = [
    pytest.param(LATE, id="waiting-for-the-model"),
    pytest.param(SLOW, id="streaming"),
    pytest.param(rate_limited(40), id="retry-wait"),
    pytest.param(SLEEP, id="sleeping-code"),
    pytest.param(AWAIT, id="awaiting-code"),
    pytest.param(SHELL, id="shell"),
]


@pytest.mark.parametrize("phase", PHASES)
def test_an_interrupt_ends_the_run_at_once_and_loses_nothing(run_notebook, phase):
    with Wire([FIRST, phase, finish("too late")]) as wire:
        notebook = run_notebook(
            [
                LOAD,
                SOON,
                "%%agent -m scripted\nwait",
                "round(time.time() - began), kept, 'never' in globals()",
                "_agent.status, _agent.steps[0].result.success, _agent.journal.exists()",
            ],
            wire,
            allow_errors=True,
        )
    [(name, told)] = errors(notebook)
    assert name == "AgentStopped"
    assert "%agent resume" in told
    seconds, kept, never = eval(text(notebook, 3))
    assert seconds < 20, "the phase alone takes 40 seconds"
    assert (kept, never) == (1, False)
    assert text(notebook, 4) == "('stopped', True, True)"
    assert len(wire.requests) == 2, "nothing was asked afterwards"
