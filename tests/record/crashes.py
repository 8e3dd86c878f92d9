"""Kills a run at one boundary after another and resumes it. A program, so that it may fork; prints a JSON line each."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.loop import Loop
from agentloop_nb.events import ActionStarted, DecisionMade, RunResumed
from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace
from agentloop_nb.notebook.kernel.private_shell import private_shell
from agentloop_nb.rebuild import loose_ends, rebuild
from agentloop_nb.record import journal, locating, reading
from agentloop_nb.settings import Settings
from agentloop_nb.state import State, fold
from agentloop_nb.testing import FakeWeb, ScriptedModel, code, decide, finish
from tests.record.made import started

NOTE = "with open('effects.log', 'a') as log: log.write('{}\\n')\n"
"""Leaves a mark that must not be left twice."""
STACK = """
class Stack:
    def __init__(self):
        self.items = []
    def push(self, item):
        self.items.append(item)
s = Stack()
"""
SCENARIOS: dict[str, list[dict[str, Any]]] = {
    "data": [
        code(NOTE.format("a") + "import pandas as pd\ndf = pd.DataFrame({'x': range(5)})"),
        code(NOTE.format("b") + "df['y'] = df.x ** 2\nprint(df.y.sum())"),
        code(NOTE.format("c") + "total = int(df.y.sum())\ntotal"),
        finish(),
    ],
    "files": [
        decide("write_file", filename="in/a.txt", content="1\n2\n3\n"),
        code(NOTE.format("a") + "numbers = [int(line) for line in open('in/a.txt')]\nprint(numbers)"),
        code(NOTE.format("b") + "open('sum.txt', 'w').write(str(sum(numbers)));"),
        decide("write_file", filename="in/a.txt", content="4\n"),
        code(NOTE.format("c") + "more = open('in/a.txt').read() + open('sum.txt').read()\nmore"),
        finish(artifacts=["sum.txt"]),
    ],
    "repairs": [
        code(NOTE.format("a") + "values = []\nvalues.append(1)\nundefined"),
        "this is no decision",
        code(NOTE.format("b") + "values.append(2)\n1 / 0"),
        code(NOTE.format("c") + "values += [3, 4]\nvalues"),
        finish(),
    ],
    "state": [
        code(NOTE.format("a") + STACK),
        code(NOTE.format("b") + "import random\nrandom.seed(7)\ns.push(random.random())"),
        code(NOTE.format("c") + "import asyncio\nawait asyncio.sleep(0)\ns.push(random.random())\nprint(len(s.items))"),
        code(NOTE.format("d") + "items = [round(x, 6) for x in s.items]\ndel s\nitems"),
        finish(),
    ],
}


class Crash:
    """Counts boundaries, and kills this process at one of them."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.passed = 0

    def boundary(self, *ignored: object) -> None:
        if self.passed == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1


class CrashingView:
    """The boundaries that a view sees: after an event is written, and while a step shows something."""

    def __init__(self, crash: Crash) -> None:
        self.show = self.progress = crash.boundary


def run(folder: Path, name: str, crash: Crash) -> dict[str, Any]:
    """A run from its beginning to its end, or to its crash."""
    place = workspace(folder)
    record = journal.Journal.create(folder, "20261122-101500-3fa2")
    state = State()

    def write(event: Any) -> None:
        crash.boundary()
        record.append(event)

    stream = Stream(state, write, [CrashingView(crash)])
    stream.emit(started())
    asyncio.run(Loop(stream, ScriptedModel(SCENARIOS[name]), place, Settings()).run())
    record.close()
    return ending(folder, place, state) | {"boundaries": crash.passed}


def workspace(folder: Path) -> KernelWorkspace:
    return KernelWorkspace(private_shell(), web=FakeWeb(), folder=folder)


def resume(folder: Path, name: str) -> dict[str, Any]:
    """Go on after the crash, with the network cut off while the namespace is rebuilt."""
    path = locating.find(None, folder)
    events = reading.read(path)
    state = fold(events)
    before = [event.kind for event in events]
    place = workspace(folder)
    connect, socket.socket.connect = socket.socket.connect, blocked
    rebuilt = asyncio.run(rebuild(events, place))
    socket.socket.connect = connect
    record = journal.Journal.open(path)
    stream = Stream(state, record.append)
    if state.status == "running":
        missing = loose_ends(state)
        stream.emit(RunResumed(step=state.current_step, max_steps=50))
        for event in missing:
            stream.emit(event)
        asyncio.run(Loop(stream, ScriptedModel(rest(name, state)), place, Settings()).run())
    record.close()
    after = [event.kind for event in reading.read(path)]
    return ending(folder, place, state) | {
        "kept": after[: len(before)] == before,
        "begun": begun(path),
        "diverged": rebuilt.divergence and rebuilt.divergence.text,
        "skipped": rebuilt.skipped,
    }


def begun(path: Path) -> list[str]:
    """The marks of the steps that were begun, in order: what is done twice without being decided twice shows here."""
    marks, decided = [], ""
    for event in reading.read(path):
        if isinstance(event, DecisionMade):
            decided = getattr(event.decision.action, "code", "")
        elif isinstance(event, ActionStarted) and (mark := re.search(r"write\('(\w)", decided)):
            marks.append(mark[1])
    return marks


def blocked(*arguments: object) -> None:
    raise AssertionError("a request was sent while the namespace was rebuilt")


def rest(name: str, state: State) -> list[Any]:
    """What the model decides from here on: what was cut off once more, then what is left."""
    done = [step for step in state.steps if step.result is not None]
    again = sum(bool(step.result and step.result.metadata.get("cut_off")) for step in done)
    valid = [each for each in SCENARIOS[name] if not isinstance(each, str)]
    return valid[len(done) - again :]


def ending(folder: Path, place: KernelWorkspace, state: State) -> dict[str, Any]:
    """Everything that has to be as in an undisturbed run."""
    names = sorted(set(place.shell.user_ns) - place.before_run)
    values = {name: repr(value) for name, value in place.variables(names).items() if " at 0x" not in repr(value)}
    files = {
        str(file.relative_to(folder)): file.read_text()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and ".agentloop" not in file.parts
    }
    kept = {name: value for name, value in values.items() if not name.startswith("_") and name != "log"}
    return {"status": state.status, "names": kept, "files": files, "effects": files.get("effects.log", "").split()}


def in_child(work: Callable[[], Any]) -> tuple[Any, int]:
    """Do some work in a forked process; return what it returned, and the signal that killed it."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.close(read)
        try:
            told = json.dumps(work(), default=str)
        except BaseException as error:
            told = json.dumps({"failed": repr(error)})
        with os.fdopen(write, "w") as pipe:
            pipe.write(told)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    return (json.loads(told) if told else None), os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def crashed(name: str, at: int) -> dict[str, Any]:
    """Kill a run at a boundary, resume it, and tell how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        _, killed_by = in_child(lambda: run(Path(folder), name, Crash(at)))
        resumed, _ = in_child(lambda: resume(Path(folder), name))
    return {"scenario": name, "at": at, "killed": killed_by == signal.SIGKILL, "resumed": resumed}


def main(names: list[str], stride: int) -> None:
    """Run scenarios, killing at every `stride`-th boundary."""
    workspace(Path.cwd())  # what it imports, the forked processes have
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            whole, _ = in_child(lambda name=name, folder=folder: run(Path(folder), name, Crash(None)))
        boundaries = whole.pop("boundaries")
        print(json.dumps({"scenario": name, "undisturbed": whole, "boundaries": boundaries}), flush=True)
        for at in range(2, boundaries, stride):  # before the first event is written, there is no run
            print(json.dumps(crashed(name, at)), flush=True)


if __name__ == "__main__":
    main(sys.argv[2:] or list(SCENARIOS), int(sys.argv[1]))
