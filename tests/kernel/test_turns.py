"""Two runs at once in one process: their steps take turns, and the process is afterwards what it was."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agentloop_nb import run_agent
from agentloop_nb.errors import UserError
from agentloop_nb.notebook.kernel.interrupts import heard
from agentloop_nb.notebook.kernel.runner import Bench
from agentloop_nb.notebook.kernel.turn import TURNS, Turns
from tests.kernel.conftest import PYTHONS, Kernel, Place
from tests.product.conftest import bare_environment
from tests.wire import Wire, decision, finish

PROCESS = """
import asyncio, json, os, signal, sys, threading
from agentloop_nb import arun_agent, run_agent

def process():
    return [repr(each) for each in (
        sys.stdout, sys.stdout.__dict__.get("write"), sys.stderr.__dict__.get("write"), threading.Thread.start,
        os._exit, signal.getsignal(signal.SIGINT), os.getcwd(), sys.displayhook, id(sys.modules["__main__"]),
        sys.excepthook, os.fstat(1).st_ino, os.fstat(2).st_ino, os.environ.get("MPLBACKEND"), sys.path[:1],
    )]
"""
GATHER = """
async def both(): return await asyncio.gather(*[arun_agent(goal, **each) for goal, each in runs.items()])
"""
THREADS = """
def both():
    made = {}
    def go(goal, each): made[goal] = run_agent(goal, **each)
    threads = [threading.Thread(target=go, args=item) for item in runs.items()]
    for each in threads: each.start()
    for each in threads: each.join()
    return [made[goal] for goal in runs]
"""
TELL = """
made, same = [], []
for runs in pairs:
    before = process()
    made.append(BOTH)
    same.append(before == process())
told = [[[run.status, [step.result.output for step in run.steps[:-1]]] for run in pair] for pair in made]
print("TOLD", json.dumps([told, same]))
"""
KINDS = {
    "awaits": "import asyncio\nawait asyncio.sleep(0.03)",
    "blocks": "import time\ntime.sleep(0.03)",
    "child": "import os\nstatus = os.system('echo child of ME')",
    "thread": "import threading\nt = threading.Thread(target=print, args=('thread of ME',))\nt.start(); t.join()",
    "fails": "1 / 0",
    "moves": "import os\nos.chdir('/')",
}
WAYS = {"gather": GATHER, "threads": THREADS}
SIDES = ("left", "right")
INTERLEAVINGS = [
    (["awaits"], ["awaits"]),
    (["awaits"], ["blocks", "blocks"]),
    (["blocks", "awaits"], ["awaits", "blocks"]),
    (["awaits", "awaits", "awaits"], ["awaits"]),
    (["child", "awaits"], ["awaits", "child"]),
    (["thread", "awaits"], ["child", "thread"]),
    (["fails", "awaits"], ["awaits", "fails"]),
    (["moves", "awaits"], ["awaits", "moves"]),
    (["awaits", "child", "blocks", "thread"], ["awaits", "awaits", "awaits", "awaits"]),
    (["fails"], ["moves", "child"]),
]


def work(kind: str, me: str) -> str:
    """Code of a step that tells whether anybody else was at work between its beginning and its end."""
    return f"print('ME begins')\nmade_by_ME = 1\n{KINDS[kind]}\nprint('ME ends')".replace("ME", me)


@contextmanager
def models() -> Iterator[list[dict[str, dict[str, Any]]]]:
    """The options of each pair of runs; each run has a model of its own."""
    with ExitStack() as stack:
        yield [
            {
                f"goal of {me}": {
                    "model": "scripted",
                    "base_url": stack.enter_context(Wire(script(me, kinds))).base_url,
                    "verbose": me == "left",
                }
                for me, kinds in zip(SIDES, pair, strict=True)
            }
            for pair in INTERLEAVINGS
        ]


def script(me: str, kinds: list[str]) -> list[dict[str, Any]]:
    return [*(decision("run_code", code=work(kind, me)) for kind in kinds), *[finish(f"{me} is done")] * 2]


def check(told: str) -> None:
    (line,) = [line for line in told.splitlines() if line.startswith("TOLD ")]
    pairs, same = json.loads(line[5:])
    assert same == [True] * len(INTERLEAVINGS), "the process is what it was"
    for kinds, pair in zip(INTERLEAVINGS, pairs, strict=True):
        for me, steps, (status, shown) in zip(SIDES, kinds, pair, strict=True):
            assert status == "finished"
            assert len(shown) >= len(steps), "a finish that was asked about stands behind them"
            for kind, output in zip(steps, shown, strict=False):
                check_step(me, kind, output)


def check_step(me: str, kind: str, output: str) -> None:
    other = SIDES[1 - SIDES.index(me)]
    assert output.startswith(f"{me} begins\n")
    assert f"{me} ends" in output or kind == "fails"
    assert f"of {me}" in output or kind not in ("child", "thread")
    assert f"{other} begins" not in output
    assert f"{other} ends" not in output


def program(way: str, pairs: list[dict[str, dict[str, Any]]], *, in_cell: bool) -> str:
    call = "both()" if way == "threads" else "await both()" if in_cell else "asyncio.run(both())"
    return f"{PROCESS}\npairs = {pairs!r}\n{WAYS[way]}{TELL.replace('BOTH', call)}"


@pytest.mark.parametrize("way", ["gather", "threads"])
def test_two_runs_in_a_script(tmp_path: Path, way: str) -> None:
    with models() as pairs:
        done = subprocess.run(
            [sys.executable, "-c", program(way, pairs, in_cell=False)],
            cwd=tmp_path,
            env=bare_environment(tmp_path) | {"OPENAI_API_KEY": "sk-test"},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    check(done.stdout)
    assert done.stdout.count("GOAL: goal of left") == len(INTERLEAVINGS)
    assert len(list(tmp_path.glob(".agentloop/runs/*.jsonl"))) == 2 * len(INTERLEAVINGS), (
        "records lie beside the script"
    )


@pytest.mark.kernel
@pytest.mark.parametrize("way", ["gather", "threads"])
def test_two_runs_in_a_cell(tmp_path: Path, way: str) -> None:
    notebook = Kernel(PYTHONS[0], tmp_path)
    try:
        notebook.run("import os\nos.environ['OPENAI_API_KEY'] = 'sk-test'")
        with models() as pairs:
            shown = notebook.run(program(way, pairs, in_cell=True))
        told = "".join(each.get("text", "") for each in shown if each["output_type"] == "stream")
        assert "TOLD" in told, shown
        check(told)
        assert notebook.evaluate("[made_by_left, made_by_right]") == [1, 1], "both worked in the user's namespace"
    finally:
        notebook.close()


async def test_a_turn_is_given_to_who_waits_and_held_by_nobody_in_between() -> None:
    turns, order = Turns(), list[str]()

    async def step(name: str) -> None:
        turn = await turns.take(threading.get_ident(), lambda: order.append(f"{name} waits"))
        order.append(f"{name} begins")
        await asyncio.sleep(0)
        order.append(f"{name} ends")
        turn.release()
        turn.release()

    await asyncio.gather(*map(step, "abc"))
    assert order == ["a begins", "b waits", "c waits", "a ends", "b begins", "b ends", "c begins", "c ends"]
    assert turns.holder is None


async def test_who_gives_up_waiting_holds_nobody_up() -> None:
    turns = Turns()
    first = await turns.take(threading.get_ident(), lambda: None)
    impatient = asyncio.create_task(turns.take(threading.get_ident(), lambda: None))
    patient = asyncio.create_task(turns.take(threading.get_ident(), lambda: None))
    await asyncio.sleep(0)
    impatient.cancel()
    first.release()
    (await patient).release()
    assert turns.holder is None


async def test_a_loop_that_is_blocked_holds_nobody_up() -> None:
    """A run waits on a loop that somebody blocks: the turn goes to another thread meanwhile, not to it."""
    turns = Turns()
    first = await turns.take(threading.get_ident(), lambda: None)
    waiting = asyncio.create_task(turns.take(threading.get_ident(), lambda: None))
    await asyncio.sleep(0)

    def elsewhere() -> None:
        asyncio.run(turns.take(threading.get_ident(), lambda: None)).release()

    first.release()
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(20)  # this blocks the loop on which `waiting` waits
    assert not thread.is_alive()
    (await waiting).release()


async def test_a_step_that_has_to_wait_says_so_and_goes_on(tmp_path: Path) -> None:
    one, two = Place(tmp_path / "one"), Place(tmp_path / "two")
    slow = "import asyncio, os\nhere = os.getcwd()\nawait asyncio.sleep(0.05)\nsame = here == os.getcwd()"
    outcomes = await asyncio.gather(one.run(slow), two.run(slow), one.run("print('third')"))
    assert [outcome.ending for outcome in outcomes] == ["ok"] * 3
    assert ["waiting" in str(place.told) for place in (one, two)] == [True, True]
    assert "waiting" not in str([outcome.outputs for outcome in outcomes]), "only the view is told"
    assert one.names["same"]
    assert two.names["same"]


async def test_a_stop_while_it_waits_ends_the_run_at_once(tmp_path: Path) -> None:
    one, two = Place(tmp_path / "one"), Place(tmp_path / "two")

    async def second() -> None:
        two.control.attach()
        await two.run("late = 1")

    first = asyncio.create_task(one.run("import asyncio\nawait asyncio.sleep(0.2)\ndone = 1"))
    await asyncio.sleep(0.05)
    waiting = asyncio.create_task(second())
    await asyncio.sleep(0)
    two.control.stop()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await first).ending == "ok"
    assert "late" not in two.names
    assert TURNS.holder is None


async def test_waiting_that_could_never_end_is_refused_in_one_line(tmp_path: Path) -> None:
    """Synchronous code on the thread where a step awaits would keep that step from ending."""
    place, refused = Place(tmp_path), list[str]()
    step = asyncio.create_task(place.run("import asyncio\nawait asyncio.sleep(0.1)\nfine = 1"))
    await asyncio.sleep(0.03)
    assert TURNS.holder is not None
    try:
        run_agent("goal", model="demo", verbose=False)
    except UserError as error:
        refused.append(str(error))
    assert refused == ["a step of another run awaits on this thread and cannot end meanwhile: use `await arun_agent`"]
    assert (await step).ending == "ok"


def test_sigint_reaches_every_run_and_leaves_the_handler_as_it_was() -> None:
    """Runs end in any order."""
    before, heard_by = signal.getsignal(signal.SIGINT), list[str]()
    for order in ("abc", "acb", "bac", "bca", "cab", "cba"):
        runs = {name: heard(partial(heard_by.append, name)) for name in "abc"}
        for run in runs.values():
            run.__enter__()
        for position, name in enumerate(order):
            heard_by.clear()
            signal.raise_signal(signal.SIGINT)
            assert sorted(heard_by) == sorted(order[position:])
            runs[name].__exit__(None, None, None)
        assert signal.getsignal(signal.SIGINT) is before


def test_a_run_that_begins_while_a_step_handles_sigint_hears_it_afterwards() -> None:
    before, heard_by = signal.getsignal(signal.SIGINT), list[str]()
    late = heard(lambda: heard_by.append("late"))
    with heard():
        below = signal.signal(signal.SIGINT, lambda *_: heard_by.append("step"))
        late.__enter__()
        signal.raise_signal(signal.SIGINT)
        signal.signal(signal.SIGINT, below)
    signal.raise_signal(signal.SIGINT)
    assert heard_by == ["step", "late"]
    late.__exit__(None, None, None)
    assert signal.getsignal(signal.SIGINT) is before


def test_what_nobody_does_any_more_is_cancelled() -> None:
    """An abandoned run keeps no turn: its steps were submitted to a thread that serves no more."""
    bench = Bench()
    early = bench.submit(lambda: 1)
    bench.close()
    assert early.cancelled()
    assert bench.submit(lambda: 2).cancelled()
