"""A person and outside agents at work in one kernel at once, in an order that chance decides, and what must hold."""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import random
import re
import threading
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import Any

from tests.serve.conftest import Agent, Notebook, said

SERVE = "%agent serve --approve auto --max-steps 100"
SETUP = """
import time
def note(word):
    with open('log.txt', 'a') as log:
        log.write(word + chr(10))
"""
SPAN = "note('+{0}'); print('{0}'); time.sleep({1}); note('-{0}')"
EXPECTED = ("over", "ended while this ran", "No kernel is served", "cancelled", "no step of this run", "under way")
"""What a call may be told that was carried out not at all, or not to its end."""


class Cells:
    """Runs cells of the person's, however many at once; each knows what it showed."""

    def __init__(self, notebook: Notebook) -> None:
        self._client = notebook.client
        self._shown: dict[str, list[str]] = defaultdict(list)
        self._idle: dict[str, threading.Event] = defaultdict(threading.Event)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(queue.Empty):
                self._take(self._client.get_iopub_msg(timeout=0.1))

    def _take(self, message: dict[str, Any]) -> None:
        request, content = message["parent_header"].get("msg_id"), message["content"]
        match message["msg_type"]:
            case "stream":
                self._shown[request].append(content["text"])
            case "error":
                self._shown[request].append(f"{content['ename']}: {content['evalue']}")
            case "status" if content["execution_state"] == "idle":
                self._ended(request).set()

    def _ended(self, request: str) -> threading.Event:
        with self._lock:
            return self._idle[request]

    def begin(self, code: str) -> str:
        return str(self._client.execute(code, stop_on_error=False))  # else an interrupt aborts those after it

    async def shown(self, request: str) -> str:
        """What a cell showed, once it is over."""
        assert await asyncio.to_thread(self._ended(request).wait, 200), "a cell never ended"
        return "".join(self._shown[request])

    async def run(self, code: str) -> str:
        return await self.shown(self.begin(code))

    def close(self) -> None:
        self._over.set()
        self._thread.join()


class Turmoil:
    """One such hour."""

    MOVES = (
        *("call",) * 8,
        *("cell",) * 4,
        *("awaiting cell", "look", "cancel", "undo", "person undoes") * 2,
        *("disconnect", "stop", "interrupt", "restart"),
    )

    def __init__(self, notebook: Notebook, seed: int) -> None:
        self.notebook, self.chance = notebook, random.Random(seed)
        self.calls: dict[str, asyncio.Task[Any]] = {}
        self.looks: list[asyncio.Task[Any]] = []
        self.running: dict[str, str] = {}
        """Cells, by their mark."""
        self.shown: dict[str, str] = {}
        """What those showed that are over."""
        self.cells = Cells(notebook)
        self.disturbed = False
        """Something may have been cut short that nobody cancelled."""
        self._client = AsyncExitStack()

    async def go(self, moves: int = 10) -> None:
        """Do so many things, and check what came of them."""
        for log in self.notebook.folder.glob("log.txt"):
            log.unlink()
        self.before = set(self.notebook.folder.glob(".agentloop/runs/*.jsonl"))
        try:
            await self._prepare()
            for number in range(moves):
                await self._move(self.chance.choice(self.MOVES), str(number))
                await asyncio.sleep(self.chance.choice([0, 0.005, 0.05]))
            await self._check()
        finally:
            await self._client.aclose()
            self.cells.close()

    async def _prepare(self) -> None:
        await self.cells.run(SETUP)
        await self._serve_anew()
        self.agent: Agent = await self._client.enter_async_context(self.notebook.agent())

    async def _move(self, move: str, mark: str) -> None:
        pause = self.chance.choice([0, 0.01, 0.05])
        match move:
            case "person undoes":
                await self.cells.run("%agent undo")
            case "stop":
                await self._serve_anew()
            case "interrupt":
                self.disturbed = True
                self.notebook.manager.interrupt_kernel()
            case "restart":
                await self._restart()
            case _:
                await self._begin(move, mark, pause)

    async def _begin(self, move: str, mark: str, pause: float) -> None:
        match move:
            case "call":
                self.calls[f"s{mark}"] = asyncio.ensure_future(self.agent.run(SPAN.format(f"s{mark}", pause)))
            case "cell":
                self.running[f"c{mark}"] = self.cells.begin(SPAN.format(f"c{mark}", pause))
            case "awaiting cell":
                code = f"import asyncio; {SPAN.format(f'c{mark}', pause)}; await asyncio.sleep({pause})"
                self.running[f"c{mark}"] = self.cells.begin(code)
            case "look":
                self.looks.append(asyncio.ensure_future(self.agent.call("describe_namespace")))
            case "cancel":
                doomed = asyncio.ensure_future(self.agent.run(SPAN.format(f"x{mark}", 0.3)))
                await asyncio.sleep(pause)
                doomed.cancel()
            case "undo":
                self.looks.append(asyncio.ensure_future(self.agent.call("undo")))
            case "disconnect":
                await self._disconnect(mark, pause)

    async def _disconnect(self, mark: str, pause: float) -> None:
        """Another agent comes, begins a step, and is gone in the middle of it."""
        async with self.notebook.agent() as other:
            lost = asyncio.ensure_future(other.run(SPAN.format(f"x{mark}", 0.3)))
            await asyncio.sleep(pause)
        with contextlib.suppress(Exception, asyncio.CancelledError):
            await lost

    async def _serve_anew(self) -> None:
        await self.cells.run("%agent serve --stop")
        shown = await self.cells.run(SERVE)
        assert "Served as" in shown, shown

    async def _restart(self) -> None:
        await self._collect()
        self.disturbed = True
        self.cells.close()
        await asyncio.to_thread(self.notebook.restart)
        self.cells = Cells(self.notebook)
        await self.cells.run(SETUP)
        shown = await self.cells.run(SERVE)
        assert "Served as" in shown, shown

    async def _collect(self) -> None:
        for mark, request in self.running.items():
            self.shown[mark] = await self.cells.shown(request)
        self.running.clear()

    # -- what must hold

    async def _check(self) -> None:
        answers = dict(zip(self.calls, await asyncio.wait_for(asyncio.gather(*self.calls.values()), 200), strict=True))
        looked = await asyncio.wait_for(asyncio.gather(*self.looks), 200)
        assert all(any(word in said(each) for word in EXPECTED) for each in looked if each.is_error), looked
        await self._collect()
        await self._serve_anew()
        last = await asyncio.wait_for(self.agent.run("note('+last'); print('last'); note('-last')"), 200)
        assert said(last).startswith("last"), said(last)
        await self.cells.run("%agent serve --stop")
        self._check_answers(answers)
        self._check_order(answers)

    def _check_answers(self, answers: dict[str, Any]) -> None:
        """Each is told what it did itself, and nothing of what others did."""
        for mark, answer in answers.items():
            marks = re.findall(r"^[sxc]\d+$", said(answer), re.MULTILINE)
            assert set(marks) <= {mark}, (mark, said(answer))
            interrupted = self.disturbed and "KeyboardInterrupt" in said(answer)
            reasoned = interrupted or any(word in said(answer) for word in EXPECTED)
            assert mark in marks if not answer.is_error else reasoned, (mark, said(answer))
        for mark, text in self.shown.items():
            assert set(re.findall(r"^[sxc]\d+$", text, re.MULTILINE)) <= {mark}, (mark, text)
            assert self.disturbed or mark in text, (mark, text)

    def _check_order(self, answers: dict[str, Any]) -> None:
        """Nothing ran inside another's span, twice, or in another order than recorded."""
        log = (self.notebook.folder / "log.txt").read_text().split()
        assert len(set(log)) == len(log), log
        begun = [word[1:] for word in log if word.startswith("+")]
        ended = [word[1:] for word in log if word.startswith("-")]
        for word, following in zip(log, [*log[1:], "+"], strict=True):
            whole = following == f"-{word[1:]}"
            assert not word.startswith("+") or whole or (word[1:] not in ended and following.startswith("+")), log
        well = {mark for mark, answer in answers.items() if not answer.is_error}
        assert well <= set(ended), (well, log)
        recorded = [mark for mark in self._recorded() if mark in begun]
        assert recorded == [mark for mark in begun if mark[0] in "sx"], (recorded, log)

    def _recorded(self) -> list[str]:
        """The marks of all decisions, in the order of the records."""
        lines = []
        for path in set(self.notebook.folder.glob(".agentloop/runs/*.jsonl")) - self.before:
            for line in path.read_text().splitlines():
                with contextlib.suppress(ValueError):  # the line at which a kernel was killed
                    lines.append(json.loads(line))
        made = sorted((line for line in lines if line["kind"] == "decision_made"), key=lambda line: float(line["at"]))
        found = [re.search(r"\+([sx]\d+)", str(line["decision"])) for line in made]
        return [each[1] for each in found if each]
