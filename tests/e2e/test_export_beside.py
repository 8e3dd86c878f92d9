"""A cell that exports serves the kernel's loop meanwhile, and an interrupt ends what it verifies."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import errors, text
from tests.wire import Wire, decision, finish

LOAD = "%load_ext agentloop_nb\nimport asyncio, collections, glob, os, signal, tempfile, threading, time"
COUNT = """
turns, cell = collections.Counter(), ""
def begin(info):
    global cell
    cell = info.raw_cell
def end(result):
    global cell
    cell = ""
async def count():
    while True:
        turns[cell] += 1
        await asyncio.sleep(0.05)
get_ipython().events.register("pre_run_cell", begin)
get_ipython().events.register("post_run_cell", end)
counting = asyncio.ensure_future(count())
"""
"""Counts the turns of the kernel's loop while each cell runs."""
INTERRUPT = """
def interrupt():
    while not glob.glob(os.path.join(tempfile.gettempdir(), "agentloop-verify-*")):
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
"""
"""Interrupts the kernel once a verification has begun."""
GOAL = "%%agent -m scripted\ncount"
EXPORT, VERIFY = "%agent export run.ipynb", "%agent verify run.ipynb"


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files of its own, with a name that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="agl-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def test_the_loop_goes_on_while_cells_export_and_verify(run_notebook, environment):
    with Wire([decision("run_code", code="n = 3\nprint(n)"), finish("It is 3.")]) as wire:
        notebook = run_notebook([LOAD, COUNT, GOAL, EXPORT, VERIFY, f"turns[{EXPORT!r}], turns[{VERIFY!r}]"], wire)
    assert "eproduced" in text(notebook, 3)
    assert "eproduced" in text(notebook, 4)
    assert all(turns > 1 for turns in eval(text(notebook, 5))), "cells of commands that block see no turn at all"
    assert (environment / "run.ipynb").is_file()


def test_an_interrupt_ends_an_export_and_leaves_what_was_written(run_notebook, environment, temporary):
    with Wire([decision("run_code", code="n = 3\nprint(n)"), finish("It is 3.")]) as wire:
        cells = [LOAD, GOAL, INTERRUPT, EXPORT, "threading.enumerate()"]
        notebook = run_notebook(cells, wire, allow_errors=True)
    assert errors(notebook) == [("AgentStopped", "not verified to the end, because it was interrupted")]
    assert (environment / "run.ipynb").is_file()
    assert "agentloop-verify" not in text(notebook, 4), "the thread of the verification is over"
    assert not list(temporary.glob("agentloop-verify-*"))
