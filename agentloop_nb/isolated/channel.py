"""The line to an isolated kernel: calls and answers as Jupyter messages, on a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import queue
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from agentloop_nb.isolated.connection import Died, Garbled
from agentloop_nb.isolated.process import Process
from agentloop_nb.isolated.resource_limits import Limits

T = TypeVar("T")

MIME = "application/vnd.agentloop.hosted+json"
"""What the kernel answers in: `{"output": ...}` while it works, `{"answer": ...}` at the end."""
CALL = "await __import__('agentloop_nb.notebook.isolation.host', fromlist=['host']).host().answer({!r})"
"""What a call runs in the kernel."""
STOP, EXTEND = "agentloop_stop", "agentloop_extend"
"""Messages on the control channel, which is served while code runs."""
START, KNOCK = 60, 0.25
"""Seconds that a process may take to start, and after which it is asked again whether it has."""
TICK = 0.25
"""Seconds between two looks at the process while it works."""
IDLE_TICK = 2.0
"""Seconds between two looks while nobody waits for it."""


class Line:
    """Speaks with one kernel process, which it starts; safe from any thread."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._process = Process(folder, limits)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="agentloop-isolated", daemon=True)
        self._thread.start()
        self._client: Any = None
        self._watching: asyncio.Task[None] | None = None
        self._dead = ""
        self._busy = 0
        self._turn = asyncio.Lock()
        self._closing = threading.Lock()
        self._wake = asyncio.Event()
        self.remarks: list[str] = []
        """What was done to keep the process within its limits, not yet told."""

    @property
    def private(self) -> Path:
        """The folder in which things are handed over."""
        return Path(self._process.private.name)

    @property
    def alive(self) -> bool:
        """Whether the process is known to live."""
        return self._client is not None and not self._dead

    @property
    def memory(self) -> int:
        """Bytes of memory that the process and what it started take."""
        return self._process.memory

    def start(self) -> None:
        """Start the process and wait until it answers. Raises `Died`."""
        try:
            self._wait(self._start())
        except Exception as error:
            self.close()
            raise Died(f"it did not start ({_why(error)})") from error

    def call(self, what: str, **arguments: Any) -> Any:
        """Have something done and return the answer. Raises `Died` or `Garbled`."""
        return self._wait(self._call(what, arguments, None))

    def submit(
        self, what: str, arguments: dict[str, Any], on_output: Callable[[Any], None]
    ) -> concurrent.futures.Future[Any]:
        """Have something done that shows output meanwhile, told on the line's own thread."""
        return asyncio.run_coroutine_threadsafe(self._call(what, arguments, on_output), self._loop)

    def tell(self, message: str, **content: Any) -> None:
        """Tell the process something although it works (`STOP`, `EXTEND`)."""
        self._loop.call_soon_threadsafe(self._tell, message, content)

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Have something done on the line's thread after some seconds."""
        self._loop.call_soon_threadsafe(self._loop.call_later, seconds, work)

    def kill(self, why: str) -> None:
        """End the process now; whoever waits for an answer gets `Died`. On the line's thread only."""
        self._process.kill(why)

    def check(self) -> concurrent.futures.Future[bool]:
        """Look whether the process lives."""
        return asyncio.run_coroutine_threadsafe(self._check(), self._loop)

    def close(self) -> None:
        """End the process and the line. Closing again does nothing."""
        if threading.current_thread() is self._thread:  # the workspace was collected as garbage here, of all places
            self._dead = "it was closed"
            self._process.kill(self._dead)
            self._loop.stop()
            return
        with self._closing:  # closed by another thread while it starts
            if self._loop.is_closed() or not self._thread.is_alive():
                return
            with suppress(Exception):
                self._wait(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    # -- on the line's thread

    async def _start(self) -> None:
        self._client = await self._process.start()
        deadline, heard = self._loop.time() + START, False
        while True:  # what is answered before the sockets have found each other is lost
            try:
                await asyncio.wait_for(self._call("hello", {}, None), KNOCK)
                break
            except Garbled:  # the first answer that is heard may be heard in part
                if heard:
                    raise
                heard = True
            except TimeoutError:
                if not await self._check():
                    raise Died(self._dead) from None
                if self._loop.time() > deadline:
                    raise
        self._watching = self._loop.create_task(self._watch())

    async def _close(self) -> None:
        self._dead = self._dead or "it was closed"
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        if self._client is not None:
            self._client.stop_channels()
        await self._process.close()

    async def _watch(self) -> None:
        while not self._dead:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), TICK if self._busy else IDLE_TICK)
            self._wake.clear()
            if await self._check() and (remark := self._process.check()) and remark not in self.remarks:
                self.remarks.append(remark)

    def _tell(self, message: str, content: dict[str, Any]) -> None:
        if self.alive:
            self._client.control_channel.send(self._client.session.msg(message, content))

    async def _call(self, what: str, arguments: dict[str, Any], on_output: Callable[[Any], None] | None) -> Any:
        if self._client is None or self._dead:
            raise Died(self._dead or "it was never started")
        self._busy += 1
        self._wake.set()
        try:
            async with self._turn:  # two at once would take each other's answers
                return await self._conversation(what, arguments, on_output)
        except asyncio.CancelledError:
            if self._dead:
                raise Died(self._dead) from None
            raise
        except (Died, Garbled, TimeoutError):
            raise
        except Exception as error:
            raise Garbled(f"{type(error).__name__}: {error}") from error
        finally:
            self._busy -= 1

    async def _conversation(self, what: str, arguments: dict[str, Any], on_output: Callable[[Any], None] | None) -> Any:
        source = CALL.format(json.dumps({"call": what, **arguments}))
        request = self._client.execute(source, store_history=False, allow_stdin=False, stop_on_error=False)
        answer: dict[str, Any] = {}
        problem = "no answer"
        while (message := await self._next()) is not None:
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if message["msg_type"] == "status" and content.get("execution_state") == "idle":
                break
            if message["msg_type"] == "error":
                problem = f"{content.get('ename')}: {content.get('evalue')}"
            told = content.get("data", {}).get(MIME) if message["msg_type"] == "display_data" else None
            if isinstance(told, dict) and "output" in told and on_output is not None:
                on_output(told["output"])
            elif isinstance(told, dict) and "answer" in told:
                answer = told
        with suppress(queue.Empty):
            await self._client.get_shell_msg(timeout=1)
        if "answer" not in answer:
            raise Garbled(problem)
        return answer["answer"]

    async def _next(self) -> dict[str, Any]:
        """Return the next message. Raises `Died`."""
        while True:
            try:
                message: dict[str, Any] = await self._client.get_iopub_msg(timeout=TICK)
            except queue.Empty:
                if await self._check():
                    continue
                raise Died(self._dead) from None
            return message

    async def _check(self) -> bool:
        if not self._dead and not await self._process.alive():
            self._dead = self._process.cause_of_death()
            self._process.kill(self._dead)  # what it started may live on
        return not self._dead


def _why(error: Exception) -> str:
    """Say why a process did not start."""
    match error:
        case Died():
            return str(error)
        case TimeoutError():
            return f"no answer in {START} s"
        case _:
            return f"{type(error).__name__}: {error}"
