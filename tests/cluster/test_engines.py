"""A process on an engine: it stops, it ends with whom it works for, and a dead engine costs a step, not a run."""

from __future__ import annotations

import asyncio
import math
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agentloop_nb.cluster.address import address
from agentloop_nb.cluster.engines import Cluster
from agentloop_nb.cluster.overview import overview
from agentloop_nb.cluster.wire import Wire as Connection
from agentloop_nb.errors import UserError
from agentloop_nb.isolated.connection import Died
from agentloop_nb.isolated.relay import Relay
from agentloop_nb.record import reading
from tests.cluster.conftest import ON
from tests.isolated.conftest import code
from tests.isolated.test_process import run, stop_when_told
from tests.processes import is_gone, wait_for
from tests.wire import Wire

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]

NATIVE = "import re\nprint('begun', flush=True)\nre.match(r'(a+)+$', 'a' * 40 + 'b')"

NO_ENGINES = SimpleNamespace(engines={}, closed="", ask_for_engines=lambda: None)
"""The connection to a cluster whose engines are all gone."""
DOOMED = f"""
import asyncio, pathlib, sys
from agentloop_nb.cluster.engines import cluster
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.testing import FakeWeb
own = IsolatedWorkspace(pathlib.Path("own"), web=FakeWeb(), connect=cluster(sys.argv[1]).line("doomed"))
code = '''import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True)
{NATIVE}'''
asyncio.run(own.run_code(code, step=1, timeout=500, on_output=lambda _: print("begun", flush=True)))
"""
"""A process with a run on an engine, in code that heeds nothing and has started something."""


async def test_code_that_heeds_no_stop_is_ended_and_the_engine_serves_others(place, lab):
    stubborn, other = place("stubborn"), place("other")
    engines = len(lab.engines())
    await run(other, "kept = 1")
    await run(stubborn, "lost = 1")
    assert (await stop_when_told(stubborn, "print('begun', flush=True)\nwhile True: pass")).ending == "stopped"
    assert stubborn.variables(["lost"]) == {"lost": 1}
    stubborn.control = type(stubborn.control)()
    ended = await stop_when_told(stubborn, NATIVE)
    assert ended.ending == "stopped"
    assert ended.notes == ("The isolated kernel was ended: it did not stop when asked to.",)
    assert not stubborn.alive
    assert other.variables(["kept"]) == {"kept": 1}
    assert len(lab.engines()) == engines


def test_what_is_asked_before_the_thread_listens_is_not_lost(lab, monkeypatch):
    serve = Connection._serve

    def late(self: Connection) -> None:
        time.sleep(0.3)
        serve(self)

    monkeypatch.setattr(Connection, "_serve", late)
    connection = Connection(address(lab.on), lambda content, buffers: None)
    connection.start()
    assert connection.engines == lab.cluster.wire.engines
    connection.close()


async def test_a_time_limit_holds_there_and_runs_on_one_engine_do_not_wait_for_each_other(monkeypatch, place, engines):
    monkeypatch.setattr(engines, "used", Counter(dict.fromkeys(range(1, 20), 99)))
    first, second = place("first"), place("second")
    await run(first, "a = 1")
    await run(second, "b = 1")
    wait_for(lambda: "2 runs\n" in overview(ON, {}).splitlines(keepends=True)[1], "those of an earlier test to end")
    slow = asyncio.ensure_future(run(first, "while True: pass", timeout=3))
    assert (await run(second, "b += 1\nprint(b)")).outputs[0]["text"] == "2\n"
    assert (await slow).ending == "timeout"


async def test_values_and_files_of_megabytes_come_whole(place):
    own = place()
    outcome = await run(
        own,
        "import numpy as np\nvalues = np.arange(3 * 10**6)\nvalues.tofile('values.raw')\n"
        "for number in range(30_000): print(number)",
    )
    assert outcome.outputs[0]["text"].endswith("29999\n")
    assert len(outcome.outputs[0]["text"]) == len("".join(f"{number}\n" for number in range(30_000)))
    assert np.array_equal(own.variables(["values"])["values"], np.arange(3 * 10**6))
    assert np.array_equal(np.fromfile(own.folder / "values.raw", dtype=int), np.arange(3 * 10**6))


def test_a_dead_engine_is_a_failed_step_and_the_run_goes_on_elsewhere(user, own_lab):
    lab = own_lab(2)
    begun = user.folder / "begun"
    deadly = f"open({str(begun)!r}, 'w').close()\nimport time\ntime.sleep(200)"
    steps = code("x = 41\nopen('x.txt', 'w').write('1')", deadly, "print(x + 1, open('x.txt').read())")

    def kill() -> None:
        wait_for(begun.exists)
        (kernel,) = lab.kernels()
        kernel.parent().kill()

    killer = threading.Thread(target=kill)
    with Wire(steps) as wire:
        killer.start()
        told = user.agent(f"--on {lab.on}", wire)
    killer.join()
    assert user.records, told
    state = reading.load(user.records[-1])
    died, after = state.steps[1].result, state.steps[2].result
    assert "KernelDied" in str(died.error)
    assert "is gone" in str(died.error), died.error
    assert after.output.startswith("42 1"), after.output
    assert state.status == "finished"
    assert len(lab.cluster.wire.engines) == 1


@pytest.mark.parametrize("end", ["parent", "engine"])
def test_nothing_is_left_when_a_parent_or_an_engine_is_killed(own_lab, tmp_path, end):
    lab = own_lab(1)
    parent = subprocess.Popen(
        [sys.executable, "-c", DOOMED, lab.on], cwd=tmp_path, stdout=subprocess.PIPE, env=os.environ
    )
    try:
        assert parent.stdout.readline() == b"begun\n"
        (kernel,) = lab.kernels()
        left = [kernel, *kernel.children(recursive=True)]
        assert len(left) == 2
        home = Path(kernel.environ()["HOME"])
        folder = Path(kernel.cwd())
        (parent if end == "parent" else kernel.parent()).kill()
        wait_for(lambda: all(map(is_gone, left)), "processes were left")
        wait_for(lambda: not home.exists() and not folder.exists(), "folders were left")
    finally:
        parent.kill()
        parent.wait()


async def test_another_machine_shares_no_files_and_serves_as_well(own_lab, machine, place):
    lab, there = own_lab(1), machine()
    (here,) = lab.cluster.wire.engines
    lab.add(
        there / "venv" / "bin" / "python", there / "work", HOME=str(there / "home"), IPYTHONDIR=str(there / "ipython")
    )
    wait_for(lambda: len(lab.cluster.wire.engines) == 2)
    (number,) = {*lab.cluster.wire.engines} - {here}
    lab.cluster.used[here] = 99
    own = place(on=lab)
    own.write_file("in.txt", "from here")
    outcome = await run(
        own, "import agentloop_nb, sys\ntext = open('in.txt').read()\nprint(agentloop_nb.__file__, sys.prefix)"
    )
    assert f"engine {number}" in outcome.notes[0]
    assert outcome.outputs[0]["text"].split() == [
        str(next((there / "venv" / "lib").glob("python*")) / "site-packages" / "agentloop_nb" / "__init__.py"),
        str(there / "venv"),
    ]
    assert own.variables(["text"]) == {"text": "from here"}


def test_an_engine_of_another_version_or_without_the_package_is_told_in_a_line(own_lab, machine, tmp_path):
    lab, old = own_lab(1), machine(version="0.0.1")
    engines = lab.cluster
    lab.add(old / "venv" / "bin" / "python", old / "work")
    tmp_path.joinpath("sitecustomize.py").write_text(
        "import sys\nclass Hide:\n    def find_spec(self, name, *_):\n"
        "        if name.startswith('agentloop_nb'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}')\n"
        "sys.meta_path.insert(0, Hide())\n"
    )
    lab.add(PYTHONPATH=str(tmp_path))
    wait_for(lambda: len(engines.wire.engines) == 3)
    faults = []
    for number in sorted(engines.wire.engines)[-2:]:
        with pytest.raises(UserError) as fault:
            engines.load(number)
        faults.append(str(fault.value))
    told = " ".join(faults)
    assert "has agentloop-nb 0.0.1; here it is" in told
    assert "has no agentloop-nb" in told
    engines.check()  # another can be used


def test_a_cluster_without_usable_engines_starts_nothing(engines, monkeypatch):
    monkeypatch.setattr(engines, "wire", NO_ENGINES)
    with pytest.raises(UserError, match="has no engines; start some"):
        engines.check()
    with pytest.raises(Died, match="has no engines"):
        engines.choose(lambda: False)


def test_an_engine_is_waited_for_where_those_that_died_are_replaced(engines, monkeypatch):
    looks = []

    def wanted() -> bool:
        looks.append(1)
        if len(looks) == 2:
            monkeypatch.undo()
        return True

    monkeypatch.setattr(engines, "wire", NO_ENGINES)
    engine = engines.choose(wanted)
    assert engine.number in engines.wire.engines
    assert len(looks) == 2
    engine.leave()
    assert not engines.missing(engine.number)


def test_an_engine_that_was_silent_and_is_back_is_used_at_once(engines, monkeypatch):
    engines.check()
    monkeypatch.setattr(engines, "_words", dict.fromkeys(engines.wire.engines, (99, 0)))
    engine = engines.choose(lambda: True)
    assert not engine.gone()
    engine.leave()


@pytest.mark.parametrize("told", [{1, 2}, math.nan, "\ud800", object()])
def test_what_cannot_be_sent_is_the_fault_of_its_call_only(engines, told):
    number = min(engines.wire.engines)
    engines.load(number)
    answer, _ = engines.ask(number, {"do": "status", "told": told}).result(timeout=60)
    assert "answer" in answer if isinstance(told, str) else "cannot be sent" in answer["garbled"]
    assert not engines.wire.closed
    assert engines.status(number)["versions"]


@pytest.mark.parametrize("limits", [{"colour": "red"}, {"memory": "lots"}, None])
def test_a_process_that_cannot_be_started_leaves_no_folder(monkeypatch, tmp_path, limits):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    relay = Relay(lambda client, content, buffers: answers.put(content), lambda told: None)
    relay.take({"client": "a", "do": "open", "run": "b", "call": "c", "told": "a test", "limits": limits}, ())
    assert {"failed", "died"} & {*answers.get(timeout=60)}
    assert [*tmp_path.iterdir()] == []


def test_nothing_is_sent_over_a_connection_that_broke(lab):
    made = Cluster(lab.on)
    made.wire.close("it broke")
    wait_for(lambda: not made._lease.is_alive())


async def test_a_stop_while_a_process_is_started_leaves_nothing(place, lab, engines, monkeypatch):
    def begun() -> list[object]:
        return engines.status(min(engines.wire.engines))["runs"] + engines.status(max(engines.wire.engines))["runs"]

    engines.check()
    own = place("stopped")
    step = asyncio.ensure_future(run(own, "x = 1"))
    while own._starting is None or own._starting._engine is None:
        await asyncio.sleep(0.01)
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    assert not own.alive
    wait_for(lambda: own._starting is None or not own._starting.alive)
    wait_for(lambda: not lab.kernels() and not begun())
    assert sum(engines.used.values()) == 0
    assert (await run(own, "print(2)")).outputs[0]["text"] == "2\n"


def test_what_runs_where_is_told(place, engines, agentloop_text):
    own = place(told="20261130-000000-abcd")
    own.open()
    told = overview(ON, {})
    assert re.match(rf"Cluster {ON}: 2 engines\n  engine \d+: ", told)
    assert "run 20261130-000000-abcd, for " in told
    assert "run 20261130-000000-abcd, for " in agentloop_text("cluster", ON)
    own.close()
    wait_for(lambda: "nothing runs" in overview("", {"AGENTLOOP_ON": ON}))


@pytest.fixture
def agentloop_text(tmp_path):
    def call(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "agentloop_nb", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    return call
