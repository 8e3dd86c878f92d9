"""`--on`: the code of a run is run on an engine of a cluster; the rest is as with any isolated run."""

from __future__ import annotations

import json
import re

import pytest

from agentloop_nb.record import reading
from tests.cluster.conftest import ON
from tests.isolated.conftest import CANARY, code
from tests.isolated.test_best_of import Paths, ranked, states, way
from tests.wire import Wire, decision, finish

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]


def test_code_runs_on_an_engine_and_what_it_makes_is_adopted(user):
    user.text("prices = [1, 2, 3]")
    user.folder.joinpath("data.csv").write_text("a\n1\n")
    steps = code(
        "import os, pathlib\npathlib.Path('sub').mkdir()\npathlib.Path('sub/made.txt').write_text('m')\n"
        "total = sum(prices) + 4\n"
        "print(os.environ.get('CANARY_TOKEN'), os.environ.get('OPENAI_API_KEY'), pathlib.Path('data.csv').read_text())"
    )
    with Wire(steps) as wire:
        told = user.agent(f"--on {ON}", wire, "add 4 to prices, see data.csv")
    assert user.records, told
    state = reading.load(user.records[-1])
    result = state.steps[0].result
    assert result.success, result.output
    assert result.output.startswith("None None a\n1")
    assert CANARY not in json.dumps(wire.bodies)
    assert "It made total, sub/made.txt. To bring it here: %agent adopt" in told
    assert f"of cluster {ON}" in user.records[-1].read_text()
    assert (state.settings["on"], state.settings["isolated"]) == (ON, True)
    user.text("%agent adopt")
    assert user.value("total, prices") == (10, [1, 2, 3])
    assert user.folder.joinpath("sub", "made.txt").read_text() == "m"


def test_files_go_there_and_back_by_content(user):
    steps = [
        decision("write_file", filename="in.txt", content="from here"),
        decision("run_code", code="text = open('in.txt').read()\nopen('out.bin', 'wb').write(bytes(range(256)) * 99)"),
        decision("run_code", code="import os\nos.remove('in.txt')\nopen('out.bin', 'ab').write(b'more')\nprint(text)"),
        finish("done"),
    ]
    with Wire(steps) as wire:
        user.agent(f"--on {ON}", wire)
    run = user.records[-1].stem
    place = user.folder / ".agentloop" / "isolated" / run
    assert place.joinpath("out.bin").read_bytes() == bytes(range(256)) * 99 + b"more"
    assert not place.joinpath("in.txt").exists()
    assert "from here" in reading.load(user.records[-1]).steps[2].result.output


def test_a_run_goes_on_where_it_is_and_is_forked_there(user):
    with Wire([*code("x = 2\nopen('x.txt', 'w').write('2')"), *code("y = x + 1"), *code("z = x * 10")]) as wire:
        user.agent(f"--on {ON}", wire)
        resumed = user.text(f"%agent resume -m scripted --base-url {wire.base_url} -- and one more")
        first = user.records[-1]
        user.text(f"%agent fork --at 1 -m scripted --base-url {wire.base_url} ten times")
    fork = user.records[-1]
    assert fork != first
    assert list(reading.load(first).changed) == ["x", "y"], resumed
    state = reading.load(fork)
    assert (state.status, state.settings["on"]) == ("finished", ON)
    assert "z" in state.changed
    assert fork.read_text().count(f"of cluster {ON}") >= 1


def test_tries_are_on_both_engines(user):
    user.text("base = 20\nfrom agentloop_nb.cluster import engines")
    user.text(f"engines.cluster({ON!r}).used.clear()")  # runs of other tests may still be kept alive
    where = "import os\nplace = os.getppid()\n"
    with Wire(Paths(way(1, f"{where}total = base + 1", "21"), way(2, f"{where}total = base + 22", "42"))) as wire:
        told = user.agent(f"--on {ON} --best-of 2 --until 'total == 42' --adopt best", wire, "add to base")
    (won,) = (state for state in states(user) if state.is_complete)
    assert ranked(user).chosen == won.run
    assert f"Adopted from run {won.run}: " in told
    assert user.value("total") == 42
    notes = " ".join(path.read_text() for path in user.records)
    assert len(set(re.findall(r"Code runs on engine (\d+)", notes))) == 2
