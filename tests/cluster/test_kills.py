"""Whatever is killed, at whatever moment: nothing is lost or doubled, no process is left, and the record tells.

A *life* is ten kills: the isolated process, the engine and the notebook's kernel, each in the middle of a call, of a
transfer and of an adoption; then the controller. A life takes minutes, so nothing dies unless asked for:
`AGENTLOOP_TEST_KILLS=100 pytest -s tests/cluster/test_kills.py` has ten lives, by ten seeds, and tells how long what
was orphaned lasted. `.ci/run` has two.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from agentloop_nb.cluster.engines import cluster
from agentloop_nb.record import locating, reading
from agentloop_nb.state import State
from agentloop_nb.step import Step
from tests import processes
from tests.cluster.conftest import MARK, Lab
from tests.processes import is_gone
from tests.record.kernels import Kernel, kernel
from tests.wire import Request, Wire, decision, finish

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(1200)]

LIFE = 10
SEEDS = range(-(-int(os.environ.get("AGENTLOOP_TEST_KILLS", "0")) // LIFE))
MOMENTS = ("call", "transfer")
LONG = 150.0
"""Seconds that anything may take; where it works it takes one or two."""
BIG = 48 * 2**20
"""Bytes that are long enough on their way to be caught there."""


wait_for = partial(processes.wait_for, seconds=LONG, pause=0.004)


class Parent:
    """A notebook's kernel, the cells of which are begun and not waited for."""

    def __init__(self, live: Kernel) -> None:
        self.kernel, self.pid = live, live.manager.provisioner.pid
        self.text("%load_ext agentloop_nb")

    def begin(self, source: str) -> str:
        return self.kernel.client.execute(source, allow_stdin=False)

    def shown(self, cell: str) -> str:
        """What a cell shows, when it is over."""
        text = ""
        while True:
            message = self.kernel.client.get_iopub_msg(timeout=LONG)
            content = message["content"]
            if message["parent_header"].get("msg_id") != cell:
                continue
            if content.get("execution_state") == "idle":
                return text
            text += str(content.get("text", "")) + str(content.get("evalue", ""))

    def text(self, source: str) -> str:
        return self.shown(self.begin(source))

    def kill(self) -> None:
        psutil.Process(self.pid).kill()


class Life:
    """A cluster and a notebook, and what is killed of them."""

    def __init__(self, home: Path, seed: int, lab: Lab, cleanup: ExitStack) -> None:
        self.home, self.lab, self.cleanup = home, lab, cleanup
        self.chance = random.Random(seed)
        self.on = f"default:{lab.name}"
        self.tasks: list[str] = []
        self.run = 1
        self.ends: list[Future[float]] = []
        """How long isolated processes lasted that were killed, or orphaned."""
        self.watching = cleanup.enter_context(ThreadPoolExecutor(LIFE))
        self.controllers = controllers(lab)
        self.former: set[str] = set()
        """The engines that were there before the last one that was killed."""
        self.kills = 0
        self.wire = cleanup.enter_context(Wire(self._decide))
        self.parent = self._new_parent()

    def _decide(self, _: Request) -> dict[str, Any]:
        todo = [self.tasks[number - 1] for number in range(1, len(self.tasks) + 1) if number not in done(self)]
        return decision("run_code", code=todo[0]) if todo else finish("done")

    def _new_parent(self) -> Parent:
        return Parent(self.cleanup.enter_context(kernel(self.home)))

    # -- what is there

    @property
    def model(self) -> str:
        return f"-m scripted --timeout 600 --base-url {self.wire.base_url}"

    @property
    def records(self) -> list[Path]:
        return sorted(locating.runs_folder(self.home).glob("*.jsonl"))

    @property
    def record(self) -> Path:
        return self.records[-1]

    @property
    def folder(self) -> Path:
        """The run's folder on this side."""
        return self.home / ".agentloop" / "isolated" / self.record.stem

    def whole(self) -> None:
        """Wait until the engine that was killed last is replaced."""
        there = cluster(self.on).wire.engines
        wait_for(lambda: not self.former or {*there.values()} - self.former, "the former engine was not replaced")

    def process(self) -> psutil.Process:
        """The isolated process that was started last."""
        return wait_for(lambda: max(self.lab.kernels(), key=psutil.Process.create_time, default=None), "nothing runs")

    def state(self) -> State:
        return reading.load(self.record)

    # -- tasks

    def task(self, *, caught: str = "") -> int:
        """Add a task: code that counts itself in a variable and a file, and can be caught at a moment."""
        number = len(self.tasks) + 1
        lines = ["import pathlib, time", "import numpy as np"]
        lines += ["done, values = [], np.arange(6_000_000)"] if number == 1 else []
        lines += [f"done.append({number})", f"with open('tally.txt', 'a') as file: file.write('{number}\\n')"]
        if caught:
            lines += [f"pathlib.Path('begun{number}').touch()"]
            lines += [f"while not pathlib.Path({str(self.sign('go', number))!r}).exists(): time.sleep(0.01)"]
        if caught == "transfer":
            size = f"1000 if pathlib.Path({str(self.sign('over', number))!r}).exists() else {BIG}"
            lines += [f"with open('big.bin', 'wb') as file: file.write(bytes([{number}]) * ({size}))"]
        self.tasks.append("\n".join([*lines, "print(f'did {len(done)}.')"]))
        return number

    def sign(self, name: str, number: int) -> Path:
        """A file by which a task is told to go on, or that what was to be killed in it is."""
        return self.home / f"{name}-{self.run}-{number}"

    # -- moments

    def strike(self, victim: str, moment: str, number: int) -> None:
        """Kill in the middle of a task's call, or of the transfer of what it wrote.

        Only its first run waits and writes much, so that no later one, and no rebuilding, is taken for it. How much
        it is to write stays in no variable: a rebuilding would notice that it was another number.
        """
        self.whole()
        temporary = Path(os.environ["TMPDIR"])
        wait_for(lambda: any(temporary.glob(f"agentloop-run-*/begun{number}")), "it did not begin")
        if moment == "transfer":
            self.sign("go", number).touch()
            wait_for(lambda: self._on_the_way(self.folder, ".agentloop-arriving/*"), "nothing was transferred")
        time.sleep(self.chance.random() * 0.02)
        self.kill(victim)
        for name in ("over", "go"):
            self.sign(name, number).touch()

    @staticmethod
    def _on_the_way(folder: Path, pattern: str) -> bool:
        return any(map(Life._is_large, folder.glob(pattern)))

    def handed(self) -> set[Path]:
        """Files of values that have come here, also those of a notebook that was killed."""
        return {path for path in Path(os.environ["TMPDIR"]).glob("agentloop-remote-*/*/*/*") if self._is_large(path)}

    def await_in(self, cell: str, condition: Callable[[], Any], what: str) -> None:
        """Wait for what a cell does; a failure tells what it shows."""
        try:
            wait_for(condition, what)
        except AssertionError:
            pytest.fail(f"{what}: {self.parent.shown(cell)}")

    @staticmethod
    def _is_large(path: Path) -> bool:
        with suppress(OSError):
            return path.stat().st_size > 2**20
        return False

    # -- kills

    def kill(self, victim: str) -> None:
        process = self.process()
        self.kills += 1
        if victim == "child":
            process.kill()
        elif victim == "engine":
            self.former = {*cluster(self.on).wire.engines.values()}
            process.parent().kill()
            self.lab.add()
        elif victim == "parent":
            self.parent.kill()
        else:
            for each in self.controllers:
                each.kill()
        self.ends.append(self.watching.submit(lasted, process))
        if victim == "parent":
            self.parent = self._new_parent()


def lasted(process: psutil.Process) -> float:
    """Wait until a process is gone; returns the seconds that took."""
    began = time.monotonic()
    wait_for(lambda: is_gone(process), "an orphan was left", pause=0.05)
    return time.monotonic() - began


def controllers(lab: Lab) -> list[psutil.Process]:
    """The controller and its schedulers."""
    found = []
    for each in psutil.process_iter():
        with suppress(psutil.Error):
            if each.environ().get(MARK) == lab.mark and "ipyparallel.controller" in " ".join(each.cmdline()):
                found += [each, *each.children(recursive=True)]
    assert found
    return found


@pytest.fixture(params=SEEDS)
def life(request: pytest.FixtureRequest, ipython_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Life]:
    """A cluster of its own, temporary files of its own, and a notebook."""
    root = Path(tempfile.mkdtemp(prefix="kills-"))
    for name in ("tmp", "user"):
        root.joinpath(name).mkdir()
    monkeypatch.setenv("TMPDIR", str(root / "tmp"))
    lab = Lab(ipython_home, f"kills{request.param}", 2)
    try:
        with ExitStack() as cleanup:
            wait_for(lambda: len(cluster(f"default:{lab.name}").wire.engines) == 2, "the engines did not come")
            yield Life(root / "user", request.param, lab, cleanup)
    finally:
        cluster_left(lab)
        lab.stop()
        shutil.rmtree(root, ignore_errors=True)


def cluster_left(lab: Lab) -> None:
    """End what is left of a cluster without a controller."""
    for each in psutil.process_iter():
        with suppress(psutil.Error):
            if each.environ().get(MARK) == lab.mark:
                each.kill()


def test_whatever_is_killed_nothing_is_lost_or_doubled(life: Life) -> None:
    die_in_steps(life)
    die_adopting(life)
    die_with_the_controller(life)
    assert life.kills == LIFE


def die_in_steps(life: Life) -> None:
    """Kill everything in the middle of calls and transfers of one run, which ends as if nothing had been."""
    plan = [(victim, moment) for victim in ("child", "engine", "parent") for moment in MOMENTS]
    life.chance.shuffle(plan)
    life.task()
    numbers = [life.task(caught=moment) for _, moment in plan]
    cell = life.parent.begin(f"%%agent {life.model} --on {life.on} do the work")
    for number, (victim, moment) in zip(numbers, plan, strict=True):
        life.strike(victim, moment, number)
        if victim == "parent":
            assert_nothing_doubled(life)
            cell = life.parent.begin(f"%agent resume {life.model}")
    told = life.parent.shown(cell)
    state = life.state()
    assert state.status == "finished", told
    assert_nothing_doubled(life)
    assert done(life) == list(range(1, len(life.tasks) + 1))
    assert_told(life, plan)


def done(life: Life) -> list[int]:
    """Tasks that the record tells as done."""
    outputs = [step.result.output for step in life.state().steps if step.result and step.result.success]
    return [int(text.split("did ")[1].split(".")[0]) for text in outputs if "did " in text]


def assert_nothing_doubled(life: Life) -> None:
    """What the record tells as done is in the files, once and whole; what it does not is not."""
    assert [int(line) for line in life.folder.joinpath("tally.txt").read_text().split()] == done(life)
    big = life.folder / "big.bin"
    if big.exists():
        content = big.read_bytes()
        assert content == content[:1] * len(content)
        assert len(content) in (1000, BIG)


def assert_told(life: Life, plan: list[tuple[str, str]]) -> None:
    """Each step in the middle of which something was killed says so, and only those failed.

    A transfer that was all but over may have come whole; where the code was over, a dead process is only rebuilt.
    """
    told = {"child": "SIGKILL", "engine": "is gone", "parent": "the kernel died while this ran"}
    failures = [(code_of(each), str(each.result.error)) for each in life.state().steps if failed(each)]
    for source, (victim, moment) in zip(life.tasks[1:], plan, strict=True):
        errors = [error for code, error in failures if code == source]
        assert len(errors) == 1 or (not errors and moment == "transfer"), (victim, moment, failures)
        assert all(told[victim] in error for error in errors), (victim, moment, errors)
    assert {code for code, _ in failures} <= {*life.tasks}, failures


def code_of(step: Step) -> str:
    return str(getattr(step.decision.action, "code", ""))


def failed(step: Step) -> bool:
    return step.result is not None and not step.result.success


def die_adopting(life: Life) -> None:
    """Kill everything while results are brought; the next adoption brings them whole."""
    victims = ["child", "engine", "parent"]
    life.chance.shuffle(victims)
    run, count = life.record.stem, len(life.tasks)
    for victim in victims:
        life.whole()
        cell = caught_adopting(life, run)
        life.kill(victim)
        if victim != "parent":
            told = life.parent.shown(cell)
            assert "NOT adopted: values" in told or "Adopted from run" in told, told
    told = life.parent.text(f"%agent adopt {run}")
    assert f"Adopted from run {run}: done, values" in told, told
    assert str((list(range(1, count + 1)), 6_000_000, 17999997000000)) in life.parent.text(
        "print((done, len(values), int(values.sum())))"
    )
    assert life.home.joinpath("tally.txt").read_text().split() == list(map(str, range(1, count + 1)))


def caught_adopting(life: Life, run: str) -> str:
    """Begin an adoption, and return its cell while values are on the way; one that was over sooner is begun again.

    A process that was made anew for an adoption ends with it, so where none runs it was over.
    """
    for _ in range(10):
        earlier = life.handed()
        cell = life.parent.begin(f"%agent adopt {run}")
        life.await_in(cell, lambda earlier=earlier: life.handed() - earlier, "nothing was handed over")
        if life.lab.kernels():
            return cell
        life.parent.shown(cell)
    pytest.fail("each adoption was over before it could be caught")


def die_with_the_controller(life: Life) -> None:
    """Kill the controller: the run says so, and goes on on this machine."""
    moment = life.chance.choice(MOMENTS)
    life.tasks.clear()
    life.run += 1
    life.task()
    number, former = life.task(caught=moment), life.record
    cell = life.parent.begin(f"%%agent {life.model} -n 3 --on {life.on} do the work")
    life.await_in(cell, lambda: life.record != former, "the run did not begin")
    life.strike("controller", moment, number)
    life.parent.shown(cell)
    failure = life.state().steps[1].result
    assert failure is not None
    assert "the controller of the cluster is gone" in str(failure.error), failure
    assert_nothing_doubled(life)
    told = life.parent.text(f"%agent resume {life.model} --on here -n 9")
    assert life.state().status == "finished", told
    assert done(life) == [1, 2]
    assert_nothing_doubled(life)
    print("seconds until orphans were gone:", *sorted(f"{each.result():.1f}" for each in life.ends))
    temporary = Path(os.environ["TMPDIR"])
    wait_for(lambda: not [*temporary.glob("agentloop-run-*")], "folders were left")
