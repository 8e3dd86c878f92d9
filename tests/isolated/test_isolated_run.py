"""`%%agent --isolated`: the user's kernel, folder and secrets stay out of it; what it makes comes back when asked."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import psutil
import pytest

from agentloop_nb.errors import UserError
from agentloop_nb.notebook.isolation import placement
from agentloop_nb.notebook.isolation.adopt import adopt
from agentloop_nb.notebook.kernel.private_shell import private_shell
from agentloop_nb.notebook.run_manager import RunManager
from agentloop_nb.record import journal, reading
from tests.isolated.conftest import CANARY, code
from tests.processes import is_gone, wait_for
from tests.record.made import printed, started, step
from tests.wire import Wire, decision, finish

pytestmark = pytest.mark.kernel


def test_the_users_kernel_folder_and_secrets_are_out_of_reach(user):
    user.text("prices = [1, 2, 3]\nsecret_plan = 'x'")
    user.folder.joinpath("data.csv").write_text("a\n1\n")
    steps = code(
        "prices.append(4)\nimport os, pathlib\nfrom collections import Counter\n"
        "pathlib.Path('made.txt').write_text('m')\n"
        "print(os.environ.get('CANARY_TOKEN'), os.environ.get('OPENAI_API_KEY'), 'secret_plan' in globals())\n"
        "print(sorted(os.listdir()), sum(prices))"
    )
    with Wire(steps) as wire:
        told = user.agent("--isolated", wire, "add 4 to prices, see data.csv")
    assert user.value("prices, 'pathlib' in globals()") == ([1, 2, 3], False)
    assert sorted(path.name for path in user.folder.iterdir()) == [".agentloop", "data.csv"]
    result = reading.load(user.records[-1]).steps[0].result
    assert result.success, result.output
    assert result.output.startswith("None None False\n['data.csv', 'made.txt'] 10")
    assert CANARY not in json.dumps(wire.bodies)
    assert "It made prices, made.txt. To bring it here: %agent adopt" in told
    assert "Copied in for you: prices, data.csv." in json.dumps(wire.bodies[0])


def test_variables_and_files_are_adopted_and_taken_back(user):
    user.text("total = 'mine'")
    steps = code("total = 5\ntable = {'a': [1, (2, 3)]}\nmodel = object()\nopen('out.bin', 'wb').write(b'\\xff\\x00')")
    with Wire(steps) as wire:
        user.agent("--isolated", wire)
    told = user.text("%agent adopt")
    assert "Adopted from run" in told
    assert "were bound here before: total" in told
    assert "NOT adopted: model (a object cannot be handed over as data" in told
    assert user.value("total, table") == (5, {"a": [1, (2, 3)]})
    assert user.folder.joinpath("out.bin").read_bytes() == b"\xff\x00"
    assert "is taken back: total, table, out.bin" in user.text("%agent adopt --undo")
    assert user.value("total, 'table' in globals()") == ("mine", False)
    assert not user.folder.joinpath("out.bin").exists()


def test_what_a_run_made_is_adopted_although_its_process_was_killed_since(user):
    with Wire(code("x = 42")) as wire:
        user.agent("--isolated", wire)
    children = psutil.Process(user.kernel.manager.provisioner.pid).children()
    processes = [each for each in children if "isolation.host" in " ".join(each.cmdline())]
    newest = max(processes, key=psutil.Process.create_time)
    newest.kill()
    wait_for(lambda: is_gone(newest))
    told = user.text("%agent adopt")
    assert ": x." in told, told
    assert user.value("x") == 42


def test_one_name_is_adopted_and_a_wrong_one_is_refused_in_a_line(user):
    with Wire(code("a = 1\nb = 2")) as wire:
        user.agent("--isolated", wire)
    assert "did not make 'c'; it made a, b" in user.text("%agent adopt c")
    user.text("%agent adopt b")
    assert user.value("b, 'a' in globals()") == (2, False)


def test_what_cannot_be_data_is_adopted_by_running_its_code_here_and_taken_back(user):
    with Wire(code("class Model:\n    weight = 3\nmodel = Model()", "score = model.weight * 2")) as wire:
        user.agent("--isolated", wire)
    assert "ran here again: 1, 2" in user.text("%agent adopt --rerun")
    assert user.value("score, model.weight") == (6, 3)
    user.text("%agent adopt --undo")
    assert user.value("'model' in globals(), 'score' in globals()") == (False, False)


def test_names_are_chosen_and_wrong_ones_are_told_before_anything_is_spent(user):
    user.text("a = 1\nb = 2\nlock = __import__('threading').Lock()\ndef double(x):\n    return 2 * x")
    with Wire(code("c = double(b)\n'a' in globals()")) as wire:
        assert "which is no variable and no file" in user.agent("--isolated --with nothing", wire)
        assert "lock cannot be copied" in user.agent("--isolated --with lock", wire)
        assert "add --isolated" in user.agent("--with a", wire)
        assert "--limits takes memory" in user.agent("--isolated --limits memory=lots", wire)
        assert not wire.requests
        user.agent("--isolated --with b,double", wire, "double a")
    assert "False" in reading.load(user.records[-1]).steps[0].result.output
    user.text("%agent adopt")
    assert user.value("c") == 4


def test_steps_of_an_isolated_run_are_undone_and_it_is_resumed(user):
    with Wire([*code("x = [1]", "x.append(2)"), *code("y = sum(x)")]) as wire:
        user.agent("--isolated", wire)
        told = user.text("%agent undo")
        assert "Step 2 is taken back" in told
        assert "put back: x" in told
        user.text("%agent resume -- sum it up")
    user.text("%agent adopt")
    assert user.value("x, y") == ([1], 1)


def test_a_resumed_run_whose_kernel_is_gone_is_rebuilt_in_a_new_one(user):
    user.text("base = 10")
    with Wire([*code("x = base + 1"), *code("y = x + 1")]) as wire:
        user.agent("--isolated", wire, "add to base")
        user.text("_agent.workspace.close()")
        user.text("%agent resume -- once more")
    state = reading.load(user.records[-1])
    assert state.status == "finished", state.reason
    assert len(user.records) == 1
    user.text("%agent adopt y")
    assert user.value("y, 'x' in globals()") == (12, False)


def test_what_a_run_of_another_kernel_made_is_adopted_by_rebuilding_it(user):
    with Wire(code("x = [1, 2]")) as wire:
        user.agent("--isolated", wire)
        user.text("_agent.workspace.close()")
    assert "Adopted" in user.text("%agent adopt x")
    assert user.value("x") == [1, 2]


def test_a_kernel_that_dies_is_a_failed_step_and_the_next_one_finds_its_variables(user):
    steps = [
        decision("run_code", code="x = 1"),
        decision("run_code", code="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
        decision("run_code", code="x + 1"),
        finish("done"),
    ]
    with Wire(steps) as wire:
        user.agent("--isolated", wire)
    dead, after = reading.load(user.records[-1]).steps[1:3]
    assert "the isolated kernel is gone: it was ended by SIGKILL" in dead.result.output
    assert "are run again" in dead.result.output
    assert after.result.success
    assert after.result.output.startswith("2\n")
    assert "steps 1 ran again" in after.result.output


def test_the_export_of_an_isolated_run_brings_the_users_cells_along_and_verifies(user):
    user.text("base = 10")
    with Wire(code("x = base + 1\nprint(x)")) as wire:
        user.agent("--isolated", wire, "add to base")
    assert ": Reproduced:" in user.text("%agent export run.ipynb")


def test_the_interrupt_button_stops_an_isolated_step_and_the_run_goes_on_later(user):
    begun = user.folder / "begun"
    steps = [
        decision("run_code", code=f"x = 1\nimport pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(60)"),
        *code("x += 1"),
    ]

    def press() -> None:
        while not begun.exists():
            time.sleep(0.05)
        user.kernel.manager.interrupt_kernel()

    with Wire(steps) as wire:
        pressing = threading.Thread(target=press, daemon=True)
        pressing.start()
        said = user.agent("--isolated", wire)
        pressing.join(10)
        assert "stopped by the user after 1 step;" in said
        user.text("%agent resume")
    user.text("%agent adopt x")
    assert user.value("x, _agent.status, _agent.variables['x']") == (2, "finished", 2)


def test_only_the_last_isolated_runs_keep_their_process(user):
    user.text("data = [1]")
    with Wire([*code("x = 1"), *code("x = 2"), *code("x = 3"), *code("x = 4")]) as wire:
        for _ in range(4):
            user.agent("--isolated", wire, "look at data")
    manager = "get_ipython().magics_manager.registry['AgentMagics'].manager"
    assert user.value(f"[bool(run.workspace._luggage) for run in {manager}.runs]") == [False, True, True, True]
    assert user.value(f"[run.workspace.alive for run in {manager}.runs]") == [False, True, True, True]
    user.text(f"%agent adopt {user.records[0].stem} x")
    assert user.value("x") == 1


def test_a_run_that_is_still_going_on_keeps_its_process_however_many_begin_meanwhile(user):
    begun, go = user.folder / "begun", user.folder / "go"
    waiting = (
        f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\n"
        f"while not pathlib.Path({str(go)!r}).exists():\n    time.sleep(0.05)\nx = 1"
    )
    script = [decision("run_code", code=waiting), *code("y = 1"), *code("y = 2"), *code("y = 3"), finish("done")]
    with Wire(script) as wire:
        options = {"model": "scripted", "base_url": wire.base_url, "isolated": True, "verbose": False}
        user.text(
            "import asyncio, pathlib\nfrom agentloop_nb import arun_agent\n"
            f"first = asyncio.ensure_future(arun_agent('first', **{options!r}))\n"
            f"while not pathlib.Path({str(begun)!r}).exists():\n    await asyncio.sleep(0.05)\n"
            f"others = [await arun_agent('other', **{options!r}) for _ in range(3)]\n"
            f"pathlib.Path({str(go)!r}).touch()\nfirst = await first"
        )
    assert user.value("first.status, first.steps[0].result.success, first.variables['x']") == ("finished", True, 1)
    assert user.value("[run.status for run in others]") == ["finished"] * 3


def test_a_function_travels_under_the_name_it_is_called_by(user):
    user.text("def count(n):\n    return n and count(n - 1) + 1\ntally = count\ntwice = also = lambda n: 2 * n")
    with Wire(code("x = tally(3), also(2)")) as wire:
        user.agent("--isolated", wire, "use tally and also")
    user.text("%agent adopt")
    assert user.value("x") == (3, 4)


def test_what_a_goal_only_names_is_copied_up_to_a_bound(monkeypatch):
    monkeypatch.setattr(placement, "MAX_UNASKED", 2 * 2**20)
    namespace = {"big": bytes(3 * 2**20), "deep": [bytes(3 * 2**20)], "first": bytes(2**20), "last": bytes(2**20)}
    luggage = placement.pack(namespace, Path(), "use big, deep, first and last", None)
    assert list(luggage.values) == ["first"]
    said = "past the 2 MB copied unasked; --with {} brings it along"
    assert luggage.left == {name: said.format(name) for name in ("big", "deep", "last")}
    assert list(placement.pack(namespace, Path(), "use it", "big").values) == ["big"]


def test_in_a_browser_an_isolated_run_is_neither_resumed_nor_adopted(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    record = journal.Journal.create(tmp_path, "20261122-101500-3fa2")
    opening = started()
    settings = {"isolated": True, "output_dir": ".agentloop/isolated/20261122-101500-3fa2"}
    for event in [
        opening.model_copy(update={"settings": opening.settings | settings}),
        *step(1, "run_code", printed(""), code="x = 1"),
    ]:
        record.append(event)
    record.close()
    monkeypatch.setattr(placement, "IN_BROWSER", True)
    manager = RunManager(private_shell())
    with pytest.raises(UserError, match="a browser cannot start a process"):
        manager.resume(None, {"base_url": "http://127.0.0.1:9/v1"})
    with pytest.raises(UserError, match="a browser cannot start a process"):
        adopt(manager, [])
