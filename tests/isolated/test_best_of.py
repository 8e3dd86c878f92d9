"""`--best-of N`: isolated tries of one goal on one budget, the best of which is brought here."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pexpect
import pytest

from agentloop_nb.events import TriesRanked
from agentloop_nb.record import locating, reading
from agentloop_nb.state import State
from tests.wire import Item, Reply, Request, Wire, decision, finish

pytestmark = pytest.mark.kernel

MARK = re.compile(r"# path (\d+)")


class Paths:
    """A server's script in which each try goes its own way: the first reply marks it, later requests carry the mark."""

    def __init__(self, *paths: Sequence[dict[str, Any] | Reply]) -> None:
        self.paths = paths
        self.begun = 0

    def __call__(self, request: Request) -> Item:
        marks = MARK.findall(json.dumps(request.body["messages"]))
        if not marks:
            self.begun += 1
        path = (self.begun if not marks else int(marks[0])) - 1
        done = sum(message["role"] == "assistant" for message in request.body["messages"])
        return self.paths[path][min(done, len(self.paths[path]) - 1)]


def way(number: int, source: str, summary: str, delay: float = 0) -> list[dict[str, Any] | Reply]:
    """A try that runs one piece of code and finishes."""
    first = decision("run_code", code=f"# path {number}\n{source}")
    return [first, Reply(text=json.dumps(finish(summary)), delay=delay)]


def states(user: Any) -> list[State]:
    return [reading.load(path) for path in user.records]


def ranked(user: Any) -> TriesRanked:
    events = [event for event in reading.read(user.records[0]) if isinstance(event, TriesRanked)]
    assert events
    return events[-1]


def test_the_first_that_meets_the_contract_wins_and_the_others_are_stopped(user):
    user.text("base = 20")
    slow = way(1, "total = base + 1", "The total is 21", delay=30)
    wrong = way(2, "total = base", "The total is 20")
    right = way(3, "total = base + 22", "The total is 42")
    with Wire(Paths(slow, wrong, right)) as wire:
        told = user.agent("--best-of 3 --until 'total == 42' --max-retries 50 --adopt best", wire, "add to base")
    (won,) = (state for state in states(user) if state.is_complete)
    others = [state for state in states(user) if state.run != won.run]
    assert [state.status for state in others] == ["stopped", "stopped"]
    assert all("met the contract first; this one had cost" in state.reason for state in others)
    assert user.value("total, base, _agent.status") == (42, 20, "finished")
    assert ranked(user).chosen == won.run
    assert ranked(user).reason == f"only try {won.part.split()[1]} met the contract"
    assert f"Adopted from run {won.run}: total" in told
    assert "is taken back: total" in user.text("%agent adopt --undo")


def test_without_a_contract_all_finish_and_the_one_that_others_agree_with_is_taken(user):
    user.text("prices = [10, 20, 12]")
    odd = way(1, "total = sum(prices) - 1.5", "The total is 40.5 dollars")
    first = way(2, "total = sum(prices)\nopen('sum.txt', 'w').write(str(total))", "Added up: 42 dollars")
    second = way(3, "total = 0\nfor each in prices:\n    total += each", "In all, they cost $42")
    with Wire(Paths(odd, first, second)) as wire:
        told = user.agent("--best-of 3 --adopt best --export best.ipynb", wire, "add the prices up")
        user.text("print(1)")
    found = ranked(user)
    best = reading.load(next(path for path in user.records if path.stem == found.chosen))
    assert {state.status for state in states(user)} == {"finished"}
    assert [each.agreement for each in found.tries] == [0.5, 0.5, 0]
    assert "40.5" in reading.load(next(path for path in user.records if path.stem == found.tries[2].run)).summary
    assert found.reason.endswith(("cost least; they agree equally", "came first; they agree equally"))
    assert user.value("total") == 42
    assert user.folder.joinpath("best.ipynb").exists()
    assert "identical in a fresh kernel" in told.split("Export to best.ipynb: ")[1]
    assert f"{best.part}, chosen" in user.text("%agent runs")
    assert user.text("%agent runs").count("of 3") == 3
    compared = user.text(f"%agent compare {found.tries[0].run} {found.tries[2].run}")
    assert "1 of 3: try" in compared
    assert "3 of 3: try 1 · agreement 0%" in compared
    assert compared.count("they agree equally") == 2
    assert user.value("_agent.id") == best.run


def test_nothing_is_adopted_unless_somebody_says_so_and_each_try_can_be_by_hand(user):
    ways = [way(number, f"total = {number}", f"It is {number}") for number in (1, 2)]
    with Wire(Paths(*ways)) as wire:
        told = user.agent("--best-of 2", wire)  # nobody can be asked here
    assert locating.find(None, user.folder).stem == ranked(user).chosen
    first, second = (each.run for each in ranked(user).tries)
    assert user.value("'total' in globals()") is False
    assert f"To bring it here: %agent adopt {first}" in told
    assert "Adopted" in user.text(f"%agent adopt {first}")
    one = user.value("total")
    assert "Adopted" in user.text(f"%agent adopt {second}")  # its process is gone: its code runs again
    assert {one, user.value("total")} == {1, 2}


def test_the_tries_share_one_budget(user):
    loop = [decision("run_code", code=f"# path {number}\nx = {number}") for number in range(1, 5)]
    ways = [[each, *(decision("run_code", code=f"y = {n}") for n in range(40))] for each in loop]
    user.text("%config AgentMagics.price = '20,60'")
    try:
        with Wire(Paths(*ways)) as wire:
            user.agent("--best-of 4 --budget 1.5", wire)
    finally:
        user.text("%config AgentMagics.price = None")
    spent = [state.total_cost for state in states(user)]
    assert len(spent) == 4
    assert {state.status for state in states(user)} == {"cost_limit"}
    assert Decimal(1) < sum(spent) <= Decimal("1.5")


def test_files_are_there_for_each_try_and_the_winners_are_brought(user):
    user.folder.joinpath("data.csv").write_text("a\n1\n2\n")
    source = "import csv\nrows = list(csv.DictReader(open('data.csv')))\nopen('out.txt', 'w').write(str(len(rows)))"
    with Wire(Paths(way(1, source, "2 rows"), way(2, source, "2 rows"))) as wire:
        user.agent("--best-of 2 --adopt best", wire, "count the rows of data.csv")
    assert user.folder.joinpath("out.txt").read_text() == "2"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--best-of 1", "a whole number of tries, 2 to 8"),
        ("--best-of 9", "a whole number of tries, 2 to 8"),
        ("--best-of many", "a whole number of tries, 2 to 8"),
        ("--best-of 2.5", "a whole number of tries, 2 to 8"),
        ("--best-of 3 --adopt all", "ask, best or none"),
        ("--adopt best", "add --best-of 3, or leave --adopt out"),
        ("--adopt none --isolated", "add --best-of 3, or leave --adopt out"),
        ("--best-of 3 --limits memory=lots", "--limits takes memory"),
        ("--best-of 3 --with nothing", "which is no variable and no file"),
        ("--best-of 3 --until 1+", "--until must be a Python expression"),
        ("--best-of 3 --export nowhere/at/all.pdf", "name it all.ipynb"),
        ("--best-of 5 --budget 0.30", "no room for one step of each of 5 tries"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_before_anything_is_spent(user, options, says):
    if "0.30" in options:
        user.text("%config AgentMagics.price = '20,60'")
    try:
        with Wire(way(1, "x = 1", "done")) as wire:
            told = user.agent(options, wire)
            assert not wire.requests
    finally:
        user.text("%config AgentMagics.price = None")
    assert says in told
    assert "\n" not in told.strip()
    assert user.records == []


def test_an_interrupt_ends_all_tries(user):
    hanging = [[decision("run_code", code=f"# path {n}\nimport time\ntime.sleep(600)")] for n in (1, 2)]
    with Wire(Paths(*hanging, way(3, "x = 1", "done", delay=600))) as wire:
        timer = threading.Thread(target=_interrupt, args=(user, wire))
        timer.start()
        told = user.agent("--best-of 3 --timeout 700", wire)
        timer.join()
    assert {state.status for state in states(user)} == {"stopped"}
    assert "stopped by the user" in told
    assert user.value("_agent.workspace.alive") in (True, False)
    assert user.text("print('still here')") == "still here\n"


def _interrupt(user: Any, wire: Wire) -> None:
    while len(wire.requests) < 4:
        time.sleep(0.05)
    time.sleep(1)
    user.kernel.manager.interrupt_kernel()


def test_each_try_has_its_line_in_the_cell_until_the_ranking_stands_there(user):
    shown: list[str] = []

    def hook(message: dict[str, Any]) -> None:
        if message["header"]["msg_type"] in ("display_data", "update_display_data"):
            shown.append(message["content"]["data"].get("text/plain", ""))

    ways = [way(number, f"total = {number}", f"It is {number}") for number in (1, 2)]
    with Wire(Paths(*ways)) as wire:
        cell = f"%%agent -m scripted --base-url {wire.base_url} --best-of 2 --adopt none count"
        user.kernel.client.execute_interactive(cell, timeout=90, output_hook=hook, allow_stdin=False)
    board = [text for text in shown if text.startswith("try 1")]
    assert any(" because" in text for text in board)
    last = board[-1].splitlines()
    assert [line.split("  ")[:3] for line in last[:2]] == [
        ["try 1", "finished", "2 steps"],
        ["try 2", "finished", "2 steps"],
    ]
    assert "Ranked first: " in board[-1]
    assert "Side by side: %agent compare" in last[-1]


def served(wire: Wire) -> dict[str, str]:
    return {"OPENAI_BASE_URL": wire.base_url, "OPENAI_API_KEY": "sk-test-0123456789abcdef0123456789"}


def test_in_a_shell_the_winners_files_are_put_where_those_of_a_run_are(agentloop, tmp_path):
    ways = [way(n, f"open('out.txt', 'w').write('4{n}')\ntotal = 4{n}", f"It is 4{n}") for n in (1, 2)]
    options = ("-m", "scripted", "--best-of", "2", "--until", "total == 42", "--max-retries", "0")
    with Wire(Paths(*ways)) as wire:
        done = agentloop(*options, "--adopt", "best", "--export", "best.ipynb", "make out.txt", **served(wire))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 tries of: make out.txt" in done.stdout
    assert "try 2 · step 1 done" in done.stdout
    assert "met the contract" in done.stdout
    assert tmp_path.joinpath("output", "out.txt").read_text() == "42"
    assert "identical in a fresh kernel" in done.stdout
    with_none = agentloop("runs")
    assert "(try 2 of 2, chosen) make out.txt" in with_none.stdout


@pytest.mark.parametrize(("answer", "brought"), [("", "41"), ("2", "42"), ("n", None), ("7\nwhat\ny", "41")])
def test_on_a_terminal_a_person_looks_and_chooses(environment, tmp_path, answer, brought):
    ways = [way(n, f"open('out.txt', 'w').write('4{n}')", f"It is 4{n}") for n in (1, 2)]
    with Wire(Paths(*ways)) as wire:
        words = ["-m", "agentloop_nb", "-m", "scripted", "--best-of", "2", "make out.txt"]
        child = pexpect.spawn(
            sys.executable, words, cwd=tmp_path, env=environment | served(wire), encoding="utf-8", timeout=60
        )
        child.expect_exact("Adopt try ")
        first = int(child.read(1))
        other = 3 - first
        for each in answer.split("\n"):
            child.expect_exact("] ")
            child.sendline({"2": str(other)}.get(each, each))
        child.expect(pexpect.EOF)
        child.close()
    file = tmp_path / "output" / "out.txt"
    taken = {"41": first, "42": other, None: None}[brought]
    summaries = {state.part: state.summary for state in map(reading.load, records(tmp_path))}
    assert (file.read_text() if file.exists() else None) == (
        None if taken is None else summaries[f"try {taken} of 2"].removeprefix("It is ")
    )
    chosen = reading.load(records(tmp_path)[0]).ranked
    assert chosen is not None
    assert next(each.number for each in chosen.tries if each.run == chosen.chosen) == (taken or first)
    if answer == "2":
        assert chosen.reason.startswith(f"you took try {other}")


def records(folder: Path) -> list[Path]:
    return sorted(locating.runs_folder(folder).glob("*.jsonl"))
