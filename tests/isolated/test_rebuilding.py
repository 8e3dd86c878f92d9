"""Resuming: a rebuilding that is stopped is begun anew; one that shows something else goes on when told to."""

from __future__ import annotations

import threading
import time

import pytest

from agentloop_nb.record import reading
from tests.isolated.conftest import code
from tests.wire import Wire

pytestmark = pytest.mark.kernel


def interrupted_when(user, cell: str, shown: str) -> str:
    """Run a cell, interrupt it as the button does once it has shown a text, and say what it shows."""
    marker = user.folder / shown

    def watch() -> None:
        while not marker.exists():
            time.sleep(0.05)
        user.kernel.manager.interrupt_kernel()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    said = user.text(cell)
    watching.join(10)
    return said


@pytest.mark.parametrize("options", ["", "--isolated"])
def test_a_rebuilding_that_was_stopped_is_begun_anew(user, options):
    first = "before = 1"
    slow = (
        "import pathlib, time\n"
        f"if pathlib.Path({str(user.folder)!r}, 'slow').exists():\n"
        f"    pathlib.Path({str(user.folder)!r}, 'begun').touch()\n"
        "    time.sleep(60)\n"
        "after = 2"
    )
    with Wire([*code(first, slow), *code("both = before + after")]) as wire:
        user.agent(options, wire)
        record = user.records[-1].stem
        user.kernel.run("get_ipython().magics_manager.registry['AgentMagics'].manager.runs.clear()", aside=True)
        user.text("%reset -f")
        user.folder.joinpath("slow").touch()
        said = interrupted_when(user, f"%agent resume {record} -- go on", "begun")
        assert "stopped while the variables were being rebuilt; %agent resume begins that anew" in said
        assert len(wire.requests) == 3, "no model is asked before the variables are there"
        user.folder.joinpath("slow").unlink()
        user.text("%agent resume -- go on")
    state = reading.load(user.records[-1])
    assert state.status == "finished", state.reason
    if options:
        user.text("%agent adopt both")
    assert user.value("both") == 3


def test_what_shows_something_else_now_goes_on_when_it_is_told_to(user):
    with Wire([*code("import pathlib\nx = 5\nprint(pathlib.Path('shown').exists())"), *code("y = x")]) as wire:
        user.agent("", wire)
        record = user.records[-1].stem
        user.kernel.run("get_ipython().magics_manager.registry['AgentMagics'].manager.runs.clear()", aside=True)
        user.text("%reset -f")
        user.folder.joinpath("shown").touch()
        said = user.text(f"%agent resume {record} -- go on")
        assert "step 1 came out differently" in said
        assert "%agent resume --anyway goes on" in said
        user.text(f"%agent resume {record} --anyway -- go on")
    assert user.value("x, y") == (5, 5)
