"""The line to an isolated kernel on another machine: what `Line` is here, by the verbs of a relay there."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from agentloop_nb._internal.held_folder import HeldFolder
from agentloop_nb.isolated.connection import Died, Garbled
from agentloop_nb.isolated.folder_files import FolderFiles
from agentloop_nb.isolated.mirror import Mirror
from agentloop_nb.isolated.relay import HANDED
from agentloop_nb.isolated.resource_limits import Limits

TICK = 0.25
"""Seconds between two looks whether the other machine is there."""
LAST_WORD = 1.0
"""Seconds in which a relay has to say that a process was ended; then it is given up."""
PATIENCE = 60.0
"""Seconds that a relay may take to answer what does not run code."""
OPENING = 120.0
"""Seconds that it may take to start a process, for which the process itself has 60."""
CHECK = 20.0
"""Seconds in which it has to say that a process lives."""
RUNS_CODE = ("run_code", "check")
"""Calls around which the files are made the same on both sides."""
Answered = Future[tuple[dict[str, Any], Sequence[bytes]]]


class Engine(Protocol):
    """A place on another machine where a relay is. Safe from any thread."""

    name: str
    """What a person calls it."""

    def ask(
        self, request: dict[str, Any], buffers: Sequence[bytes] = (), on_output: Callable[[Any], None] | None = None
    ) -> Answered:
        """Send a request to the relay; returns what will hold the last message of its answer, with its raw data."""

    def tell(self, request: dict[str, Any]) -> None:
        """Send a request that has no answer."""

    def gone(self) -> str:
        """Say why it cannot be reached any more; empty while it can."""

    def leave(self) -> None:
        """Say that a run does not need it any more."""


@cache
def _clock() -> asyncio.AbstractEventLoop:
    """Return a loop on a thread of its own, for what is done later: each step leaves its time limit behind."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="agentloop-remote-clock", daemon=True).start()
    return loop


class RemoteLine:
    """Speaks with one kernel process on another machine; the folder there is a mirror of the one here.

    `find` finds an engine, which may take it as long as one is wanted.
    """

    def __init__(self, find: Callable[[Callable[[], bool]], Engine], folder: Path, limits: Limits, told: str) -> None:
        self._find, self._limits, self._told = find, limits, told
        self._private = HeldFolder("remote")
        self._turns = ThreadPoolExecutor(1, "agentloop-remote")
        self._run = uuid.uuid4().hex
        self._engine: Engine | None = None
        self._handed = ""
        self._dead = ""
        self._killed = threading.Event()
        self._transferring = False
        self._files: Any = None
        """The list of files that came with the last answer."""
        self._lock = threading.Lock()
        self.remarks: list[str] = []
        self._mirror = Mirror(FolderFiles(folder), limits.file, self._asked, self._killed.is_set, self._remark)

    @property
    def private(self) -> Path:
        return Path(self._private.name)

    @property
    def alive(self) -> bool:
        return self._engine is not None and not self._dead

    # -- from any thread

    def start(self) -> None:
        try:
            self._engine = engine = self._find(lambda: not self._dead)
            opened, _ = self._asked("open", patience=OPENING, limits=asdict(self._limits), told=self._told)
            self._handed = str(opened["handed"])
            self.remarks.append(f"Code runs on {engine.name}.")
        except (KeyError, TypeError):
            self.close()
            raise Died("the relay there answered nothing usable") from None
        except (Died, Garbled) as error:
            self.close()
            raise Died(f"it did not start ({error})") from error

    def call(self, what: str, **arguments: Any) -> Any:
        return self._submit(self._called, what, arguments, lambda _: None).result()

    def submit(self, what: str, arguments: dict[str, Any], on_output: Callable[[Any], None]) -> Future[Any]:
        return self._submit(self._called, what, arguments, on_output)

    def tell(self, message: str, **content: Any) -> None:
        if self._engine is not None and not self._dead:
            self._engine.tell({"do": "tell", "run": self._run, "what": message, "given": content})

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        _clock().call_soon_threadsafe(_clock().call_later, seconds, work)

    def kill(self, why: str) -> None:
        self._killed.set()
        if self._engine is None or self._transferring:  # code is over; what is left of a transfer is left for later
            return
        self._engine.tell({"do": "kill", "run": self._run, "why": why})
        self.later(LAST_WORD, lambda: self._give_up(why))

    def check(self) -> Future[bool]:
        return self._submit(self._checked)

    def close(self) -> None:
        with self._lock:
            if self._dead == "it was closed":
                return
            lost, self._dead = self._dead, "it was closed"
        engine = self._engine
        if engine is not None and not engine.gone():
            with suppress(Exception):
                answer = engine.ask({"do": "close", "run": self._run})
                answer.result(timeout=LAST_WORD if lost else 3 * LAST_WORD)
        if engine is not None:
            engine.leave()
        self._turns.shutdown(wait=False)
        self._private.cleanup()

    def _submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        try:
            return self._turns.submit(work, *arguments)
        except RuntimeError:
            failed: Future[Any] = Future()
            failed.set_exception(Died(self._dead or "it was closed"))
            return failed

    def _remark(self, text: str) -> None:
        self.remarks.append(text)

    def _give_up(self, why: str) -> None:
        """Count the process as dead: it was to be killed, and the other side did not say so in time."""
        if self._killed.is_set() and not self._transferring:
            self._dead = self._dead or why

    # -- on the thread of its calls

    def _checked(self) -> bool:
        try:
            alive = self._asked("alive", patience=CHECK)[0] is True
        except (Died, Garbled):
            return False
        self._dead = self._dead or ("" if alive else "it ended by itself")
        return alive

    def _called(self, what: str, arguments: dict[str, Any], on_output: Callable[[Any], None]) -> Any:
        match what:
            case "unpack":
                return self._unpack(arguments)
            case "pack":
                return self._pack(arguments)
            case _ if what in RUNS_CODE:
                return self._ran(what, arguments, on_output)
            case _:
                return self._asked("call", what=what, given=arguments)[0]

    def _ran(self, what: str, arguments: dict[str, Any], on_output: Callable[[Any], None]) -> Any:
        """Run code there, with the files that are here, and bring here what that did to them."""
        self._killed.clear()
        self._files = None
        self._mirror.push()
        try:
            return self._asked("call", on_output, patience=None, what=what, given=arguments, list=True)[0]
        finally:
            self._transferring = True
            try:
                if not self._dead:
                    self._mirror.pull(self._files)
            finally:
                self._transferring = False
                self._killed.clear()

    def _asked(
        self,
        verb: str,
        on_output: Callable[[Any], None] | None = None,
        *,
        buffers: Sequence[bytes] = (),
        patience: float | None = PATIENCE,
        **request: Any,
    ) -> tuple[Any, Sequence[bytes]]:
        """Return the answer of the relay. Raises `Died` and `Garbled`."""
        if self._engine is None or self._dead:
            raise Died(self._dead or "it was never started")
        future = self._engine.ask({"do": verb, "run": self._run, **request}, buffers, on_output)
        answer, back = self._waited(future, patience)
        if "answer" in answer:
            self.remarks += [str(each)[:500] for each in answer.get("remarks") or ()][:10]
            self._files = answer.get("files")
            return answer["answer"], back
        if "died" in answer:
            self._dead = str(answer["died"])[:500] or "it ended"
            raise Died(self._dead)
        raise Garbled(str(answer.get("garbled") or answer.get("failed") or "no answer")[:500])

    def _waited(self, future: Answered, patience: float | None) -> tuple[dict[str, Any], Sequence[bytes]]:
        assert self._engine is not None
        waited = 0.0
        while True:
            try:
                return future.result(timeout=TICK)
            except concurrent.futures.TimeoutError:
                waited += TICK
            if gone := self._engine.gone():
                self._dead = self._dead or gone
            if patience is not None and waited > patience:
                self._dead = self._dead or f"nothing was heard of {self._engine.name} for {patience:g} s"
            if self._dead:
                raise Died(self._dead)

    # -- values

    def _unpack(self, arguments: dict[str, Any]) -> Any:
        """Hand values in: their files go to a folder there."""
        items = []
        for name, kind, file in arguments["items"]:
            there = uuid.uuid4().hex
            self._mirror.put(HANDED, FolderFiles(Path(file).parent), Path(file).name, there)
            items.append((name, kind, f"{self._handed}/{there}"))
        answer, _ = self._asked("call", what="unpack", given={**arguments, "items": items})
        self._asked("remove", root=HANDED, names=[Path(file).name for _, _, file in items])
        return answer

    def _pack(self, arguments: dict[str, Any]) -> Any:
        """Have values written there as data, and bring the files here; they are built by whoever asked."""
        there = uuid.uuid4().hex
        self._asked("make", name=there)
        place = f"{self._handed}/{there}"
        answer, _ = self._asked("call", what="pack", given={**arguments, "folder": place})
        handed = [name for name in self._mirror.listed(HANDED) if name.startswith(f"{there}/")]
        here = FolderFiles(Path(arguments["folder"]))
        for name in handed:
            self._mirror.get(HANDED, name, here, name.partition("/")[2])
        self._asked("remove", root=HANDED, names=handed)
        return answer
