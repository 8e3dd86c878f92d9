"""`delegate`: independent parts of a goal, done at once by isolated runs whose results come back as data."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from agentloop_nb.record import locating, reading
from agentloop_nb.state import State
from tests.wire import Item, Reply, Request, Wire, decision, finish

pytestmark = pytest.mark.kernel

GOAL = "do the parts independently"
Script = Sequence[dict[str, Any] | Reply]


class Family:
    """A server's script for a run that delegates, and for each part by a word of its goal."""

    def __init__(self, parent: Script, parts: Mapping[str, Script]) -> None:
        self.parent, self.parts = parent, parts

    def __call__(self, request: Request) -> Item:
        messages = request.body["messages"]
        done = sum(message["role"] == "assistant" for message in messages)
        whole = "\n".join(str(message["content"]) for message in messages)
        isolated = "This run is isolated" in whole
        word = next((word for word in self.parts if re.search(rf"\b{word}\b", whole)), "") if isolated else ""
        script = self.parts[word] if isolated else self.parent
        return script[min(done, len(script) - 1)]


def task(goal: str, needs: Sequence[str] = (), brings: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    return {"goal": goal, "needs": list(needs), "brings": list(brings), **more}


def delegate(*tasks: dict[str, Any]) -> dict[str, Any]:
    return decision("delegate", tasks=list(tasks))


def run_code(source: str) -> dict[str, Any]:
    return decision("run_code", code=source)


def states(user: Any) -> tuple[State, list[State]]:
    """The run that delegated, and its parts in order."""
    found = [reading.load(path) for path in user.records]
    parts = sorted((state for state in found if state.part_of), key=lambda state: state.part)
    return next(state for state in found if not state.part_of), parts


def test_results_come_back_as_data_under_the_names_the_parent_chose(user):
    user.text("prices = [10, 20, 12]\nx = 'mine'")
    parent = [
        delegate(
            task("apples: add up", ["prices"], ["total"]),
            task("pears: the largest", ["prices"], ["largest"]),
        ),
        run_code("answer = total - largest\nprint(answer)"),
        finish("It is 22"),
    ]
    parts = {
        "apples": [run_code("x = prices\nx.append(0)\ntotal = sum(x)\nprint(total)"), finish("The sum is 42")],
        "pears": [run_code("largest = max(prices)\nlargest"), finish("The largest is 20")],
    }
    with Wire(Family(parent, parts)) as wire:
        told = user.agent("--export out.ipynb", wire, GOAL)
    assert user.value("total, largest, answer, prices, x") == (42, 20, 22, [10, 20, 12], "mine")
    parent_state, (first, second) = states(user)
    assert [first.part, second.part] == ["part 1 of 2, step 1", "part 2 of 2, step 1"]
    assert {first.part_of, second.part_of} == {parent_state.run}
    step = parent_state.steps[0]
    assert step.result is not None
    assert step.result.output.startswith("[1] done: The sum is 42\nBound here: total.")
    assert {change.name for change in step.result.changes} == {"total", "largest"}
    assert "identical in a fresh kernel" in told, told
    notebook = json.loads(user.folder.joinpath("out.ipynb").read_text())
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    heads = [source for source in sources if source.startswith("#### Part")]
    assert heads == ["#### Part 1: apples: add up", "#### Part 2: pears: the largest"]
    assert 'x = _kept_1["x"]' in "\n".join(sources)
    assert "_kept_2" not in "\n".join(sources)
    assert "put back: answer, largest, total" in user.text("%agent undo 3")
    assert user.value("'total' in globals(), 'answer' in globals()") == (False, False)


def test_files_are_given_to_parts_and_brought_back_and_can_be_taken_back(user):
    user.folder.joinpath("theirs.txt").write_text("the user's own")
    parent = [
        run_code("open('prices.csv', 'w').write('10\\n32\\n')"),
        delegate(
            task("apples: add up", ["prices.csv"], ["sums/total.txt", "count"]),
            task("pears", (), ["theirs.txt", "unmade.png", "away.txt"]),
        ),
        run_code("print('read', open('sums/total.txt').read(), count)"),
        finish("It is 42"),
    ]
    source = "import os\nrows = [int(row) for row in open('prices.csv')]\nos.makedirs('sums', exist_ok=True)\n"
    source += "count = len(rows)\nopen('sums/total.txt', 'w').write(str(sum(rows)))\nopen('aside.txt', 'w').write('x')"
    odd = "import os, sys\nos.symlink(sys.executable, 'away.txt')"
    parts = {
        "apples": [run_code(source), finish("done")],
        "pears": [run_code(odd), decision("write_file", filename="theirs.txt", content="another"), finish("done")],
    }
    with Wire(Family(parent, parts)) as wire:
        told = user.agent("--export out.ipynb", wire, GOAL)
    state, (first, _) = states(user)
    assert "Leave the result in: count. Write the result to: sums/total.txt." in first.goal
    assert state.steps[1].result is not None
    said = state.steps[1].result.output
    assert "Bound here: count.\nFiles here: sums/total.txt." in said
    assert "Not brought: theirs.txt (another file of that name is here, which no run wrote as it is now)." in said
    assert "Not brought: unmade.png (it was not made)." in said
    assert "Not brought: away.txt (it is a link that leads out of the part's folder)." in said
    assert "read 42 2" in json.dumps([step.result.outputs for step in state.steps if step.result])
    assert user.folder.joinpath("theirs.txt").read_text() == "the user's own"
    assert not user.folder.joinpath("aside.txt").exists(), "what nobody asked for stays in the folder of the part"
    assert "identical in a fresh kernel" in told, told
    assert "files put back: sums/total.txt" in user.text("%agent undo 2")
    assert not user.folder.joinpath("sums/total.txt").exists()


def test_a_part_that_fails_is_a_reason_and_the_others_go_on(user):
    user.text("lock = __import__('threading').Lock()")
    parent = [
        delegate(
            task("apples", (), ["good"]),
            task("pears", ["nowhere"], ["bad"]),
            task("plums", ["lock"], ["worse"]),
            task("cherries", (), ["unmade", "odd"], steps=3),
            task("quinces", (), ["worst"], steps=1),
        ),
        finish("done what could be done"),
        finish("done what could be done"),
    ]
    parts = {
        "apples": [run_code("good = 1"), finish("done")],
        "cherries": [run_code("odd = object()"), finish("done")],
        "quinces": [decision("finish", summary="it cannot be", goal_met=False)],
    }
    with Wire(Family(parent, parts)) as wire:
        user.agent("", wire, GOAL)
    state, _ = states(user)
    assert state.steps[0].result is not None
    told = state.steps[0].result.output
    assert user.value("good") == 1
    assert "[1] done: done\nBound here: good." in told
    assert "[2] not done: --with names 'nowhere', which is no variable and no file of this folder" in told
    assert "[3] not done: lock cannot be copied into an isolated run" in told
    assert "Not brought: unmade (it was not made)." in told
    assert "Not brought: odd (a object cannot be handed over as data" in told
    assert "[5] not done:" in told


def test_parts_spend_from_the_budget_of_their_parent_and_its_meter_counts_them(user):
    parent = [
        delegate(task("apples", (), ["a"], share=25), task("pears", (), ["b"])),
        finish("done"),
        finish("done"),
    ]
    parts = {word: [run_code(f"x{n} = {n}") for n in range(60)] for word in ("apples", "pears")}
    user.text("%config AgentMagics.price = '20,60'")
    try:
        with Wire(Family(parent, parts)) as wire:
            user.agent("--budget 3", wire, GOAL)
    finally:
        user.text("%config AgentMagics.price = None")
    state, (first, second) = states(user)
    assert {first.status, second.status} <= {"cost_limit", "step_limit"}
    assert first.budget is not None
    assert second.budget is not None
    assert first.budget < second.budget
    assert first.total_cost <= first.budget
    assert second.total_cost <= second.budget
    own = sum(step.cost for step in state.steps) - first.total_cost - second.total_cost
    assert own > 0
    assert first.total_cost + second.total_cost < state.total_cost <= Decimal(3)


def test_parts_cannot_delegate_and_only_goals_with_parts_are_offered_it(user):
    with Wire([finish("done"), finish("done")]) as wire:
        user.agent("", wire, "add up the prices")
        assert "delegate" not in json.dumps(wire.bodies[0])
    parent = [delegate(task("apples", (), ["a"])), finish("done"), finish("done")]
    parts = {"apples": [delegate(task("apples", (), ["b"])), run_code("a = 1"), finish("done")]}
    with Wire(Family(parent, parts)) as wire:
        user.agent("", wire, GOAL)
        bodies = [json.dumps(body) for body in wire.bodies]
    assert "- delegate: Have up to 8 independent parts" in bodies[0].replace("\\n", "\n")
    assert user.value("a") == 1
    assert not any("- delegate:" in body for body in bodies if "This run is isolated" in body)
    _, (part,) = states(user)
    assert part.steps[0].rejected


def test_a_stop_ends_all_parts(user):
    parent = [delegate(task("apples", (), ["a"]), task("pears", (), ["b"])), finish("done")]
    parts = {
        "apples": [run_code("import time\ntime.sleep(600)")],
        "pears": [Reply(text="{}", delay=600)],
    }
    with Wire(Family(parent, parts)) as wire:
        timer = threading.Thread(target=_interrupt, args=(user, wire))
        timer.start()
        told = user.agent("--timeout 700", wire, GOAL)
        timer.join()
    state, children = states(user)
    assert {each.status for each in (state, *children)} == {"stopped"}
    assert "stopped by the user" in told
    assert {each.reason for each in children} == {"the run that delegated it was stopped"}


def test_a_resumed_run_makes_the_results_of_its_parts_again_by_their_code(agentloop, tmp_path):
    parent = [
        delegate(task("apples", (), ["total"]), task("pears", (), ["largest"])),
        decision("finish", summary="more to do", goal_met=False),
        run_code("print('they differ by', total - largest)"),
        finish("It is 22"),
    ]
    parts = {
        "apples": [run_code("total = 6 * 7\nprint(total)"), finish("The sum is 42")],
        "pears": [run_code("largest = [20][0]"), finish("The largest is 20")],
    }
    with Wire(Family(parent, parts)) as wire:
        told = {"OPENAI_BASE_URL": wire.base_url, "OPENAI_API_KEY": "sk-test-0123456789abcdef0123456789"}
        first = agentloop("-m", "scripted", "--max-steps", "2", GOAL, **told)
        assert "all 2 steps are used" in first.stdout, first.stdout + first.stderr
        listed = agentloop("runs", "--tree").stdout.splitlines()
        run = listed[0].split()[0]
        assert [line.strip()[0] for line in listed] == [run[0], "└", "└"]
        asked = len(wire.requests)
        resumed = agentloop("resume", run, "--max-steps", "6", **told)
    assert "they differ by 22" in resumed.stdout, resumed.stdout + resumed.stderr
    assert len(wire.requests) == asked + 2


PARENT: Script = [
    run_code("base = 2"),
    delegate(task("apples", ["base"], ["total", "sum.txt"]), task("pears", (), ["largest"])),
    run_code("print('they differ by', total - largest, open('sum.txt').read(), base)"),
    finish("It is 22"),
]
APPLES: Script = [
    run_code("base += 40\ntotal = base\nprint(total)\nopen('sum.txt', 'w').write(str(total))"),
    finish("The sum is 42"),
]


def test_a_replay_has_the_parts_done_as_they_were_without_a_model(user):
    parts = {"apples": APPLES, "pears": [run_code("largest = [20][0]"), finish("The largest is 20")]}
    with Wire(Family(PARENT, parts)) as wire:
        user.agent("", wire, GOAL)
    state, _ = states(user)
    user.text("_agent.export('out.ipynb')")
    for source in (f".agentloop/runs/{state.run}.jsonl", "out.ipynb"):
        user.folder.joinpath("sum.txt").unlink()
        user.text("del base, total, largest")
        user.text(f"%%agent -m replay:{source} --budget 1 {GOAL}")
        assert user.value("total, largest, base, open('sum.txt').read()") == (42, 20, 2, "42")
        newest = max((each for each in map(reading.load, user.records) if not each.part_of), key=lambda each: each.run)
        assert (newest.status, newest.total_cost, newest.differences) == ("finished", 0, "")
    replayed = [each for each in map(reading.load, user.records) if each.part_of and each.part_of != state.run]
    assert [each.summary for each in replayed] == ["The sum is 42", "The largest is 20"], "in processes of their own"


def test_an_isolated_replay_has_the_code_of_the_parts_run_in_its_own_process(user):
    failing = [run_code("1 / 0"), run_code("largest = [20][0]"), finish("The largest is 20")]
    with Wire(Family(PARENT, {"apples": APPLES, "pears": failing})) as wire:
        user.agent("", wire, GOAL)
    state, _ = states(user)
    user.folder.joinpath("sum.txt").unlink()
    user.text("del base, total, largest")
    user.text(f"%%agent --isolated -m replay:.agentloop/runs/{state.run}.jsonl --budget 1 {GOAL}")
    newest = max(map(reading.load, user.records), key=lambda each: each.run)
    assert (newest.status, newest.total_cost, newest.part_of) == ("finished", 0, None)
    assert newest.steps[-2].result is not None
    assert newest.steps[-2].result.output.startswith("they differ by 22 42 2"), newest.steps[-2].result.output
    assert user.value("'total' in globals()") is False
    user.text("%agent adopt")
    assert user.value("total, largest, base, open('sum.txt').read()") == (42, 20, 2, "42")


def test_parts_that_were_done_when_the_kernel_was_killed_count_and_the_others_are_told(environment, tmp_path):
    parts = {"apples": APPLES, "pears": [Reply(text="{}", gate=threading.Event())]}
    parent = [*PARENT[:2], run_code("largest = 20"), *PARENT[2:]]
    with Wire(Family(parent, parts)) as wire:
        words = [sys.executable, "-m", "agentloop_nb", "-m", "scripted", GOAL]
        running = subprocess.Popen(words, cwd=tmp_path, env=environment | served(wire), stdout=subprocess.DEVNULL)
        while sorted(each.status for each in locating.runs(tmp_path) if each.part_of) != ["finished", "running"]:
            time.sleep(0.2)
        running.kill()
        running.wait()
        asked = len(wire.requests)
        command = [*words[:3], "resume", next(each.run for each in locating.runs(tmp_path) if not each.part_of)]
        resumed = subprocess.run(
            command, cwd=tmp_path, env=environment | served(wire), capture_output=True, text=True, check=False
        )
        messages = json.dumps(wire.requests[asked].body["messages"])
    assert "they differ by 22 42 2" in resumed.stdout, resumed.stdout + resumed.stderr
    assert "[1] done: The sum is 42" in messages
    assert "[2] not done: its kernel died" in messages
    (state,) = (each for each in locating.runs(tmp_path) if not each.part_of)
    assert state.status == "finished"
    assert [child.status for child in state.steps[1].effects.children] == ["finished", "interrupted"]
    assert sum(each.part_of == state.run for each in locating.runs(tmp_path)) == 2


def served(wire: Wire) -> dict[str, str]:
    return {"OPENAI_BASE_URL": wire.base_url, "OPENAI_API_KEY": "sk-test-0123456789abcdef0123456789"}


def _interrupt(user: Any, wire: Wire) -> None:
    while len(wire.requests) < 3:
        time.sleep(0.05)
    time.sleep(1)
    user.kernel.manager.interrupt_kernel()
