"""The engines of a cluster, and the connection of this process to them, made once."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from agentloop_nb.cluster.address import address
from agentloop_nb.cluster.wire import Wire
from agentloop_nb.errors import UserError
from agentloop_nb.isolated.connection import Died
from agentloop_nb.isolated.relay import versions
from agentloop_nb.isolated.remote_line import Answered, RemoteLine
from agentloop_nb.isolated.resource_limits import Limits

T = TypeVar("T")

WORD = 1.0
"""Seconds between two words to an engine that our processes are still wanted."""
MISSED = 30
"""Words in a row without an answer, after which an engine counts as gone."""
LOAD = 30.0
"""Seconds that an engine may take to begin its relay: it cannot while somebody's code runs there."""
KNOCK = 2.0
"""Seconds after which it is asked again: what is sent before its sockets have found the others is lost."""
COMING = 20.0
"""Seconds in which an engine may come where there is none, as when those that died are replaced."""
PAUSE = 0.2
"""Seconds between two looks whether one has."""
LARGEST = 32 * 2**20
"""Bytes that one message of a relay may bring."""
_BEGIN = "__import__('agentloop_nb.cluster.engine_end', fromlist=['begin']).begin(get_ipython().kernel)"


@dataclass
class _Call:
    """A request that waits for its answer."""

    engine: int
    on_output: Callable[[Any], None] | None
    future: Answered = field(default_factory=Future)
    number: int = 0


class Cluster:
    """A cluster that this process is connected to."""

    def __init__(self, on: str) -> None:
        self.on = on
        self.wire = Wire(address(on), self._hear)
        self.wire.start()
        self.loaded: dict[str, dict[str, Any]] = {}
        """What the relay of an engine told when it was begun, by the engine's identity."""
        self.used: Counter[int] = Counter()
        """Runs of ours on each engine."""
        self._calls: dict[str, _Call] = {}
        self._words: dict[int, tuple[int, int]] = {}
        self._choosing = threading.Lock()
        self._over = threading.Event()
        self._lease = threading.Thread(target=self._give_words, name="agentloop-lease", daemon=True)
        self._lease.start()

    def line(self, told: str) -> Callable[[Path, Limits], RemoteLine]:
        """Return what makes the lines of a run, each on the engine that has least of ours to do."""
        return lambda folder, limits: RemoteLine(self.choose, folder, limits, told)

    def choose(self, wanted: Callable[[], bool]) -> ClusterEngine:
        """Take the usable engine with the fewest of our runs; wait for one while it is wanted. Raises `Died`."""
        faults: dict[str, str] = {}
        deadline = time.monotonic() + COMING
        while not self.wire.closed:
            if (engine := self._take(faults)) is None:
                if self.wire.engines or not wanted() or time.monotonic() > deadline:
                    break
                time.sleep(PAUSE)
                continue
            try:
                self.load(engine.number)
            except UserError as error:
                engine.leave()
                faults[engine.identity] = str(error)
            else:
                return engine
        raise Died(self.wire.closed or (next(iter(faults.values())) if faults else f"cluster {self.on} has no engines"))

    def _take(self, faults: Mapping[str, str]) -> ClusterEngine | None:
        """Take an engine without a fault; those that are not heard come last."""
        with self._choosing:
            left = [number for number, identity in list(self.wire.engines.items()) if identity not in faults]
            if not left:
                return None
            number = min(left, key=lambda each: (bool(self.missing(each)), self.used[each], each))
            self.used[number] += 1
        return ClusterEngine(self, number)

    def leave(self, number: int) -> None:
        """Count one run fewer on an engine."""
        with self._choosing:
            self.used[number] -= 1

    def load(self, number: int) -> dict[str, Any]:
        """Begin the relay of an engine, once; return what it told of itself. Raises `UserError`."""
        identity = self.wire.engines.get(number, "")
        if identity not in self.loaded:
            content = {"code": _BEGIN, "silent": True, "user_expressions": {}, "allow_stdin": False}
            request = {**content, "stop_on_error": False, "store_history": False}
            reply = self._answered(
                number,
                lambda: self.wire.request("mux", "execute_request", request, to=identity),
                "is busy with other work, or gone",
            )
            if reply.get("status") != "ok":
                raise UserError(_not_loaded(number, reply))
            self.loaded[identity] = self.status(number)
        elif self.missing(number):  # nothing was sent there since it fell silent
            self.status(number)
        _check(number, self.loaded[identity])
        return self.loaded[identity]

    def status(self, number: int) -> dict[str, Any]:
        """Return what the relay of an engine tells of itself and its runs now. Raises `UserError`."""
        fault = "does not say how it is"
        answer, _ = self._answered(number, lambda: self.ask(number, {"do": "status"}), fault)
        if not isinstance(told := answer.get("answer"), dict):
            raise UserError(f"engine {number} {fault}")
        return told

    def _answered(self, number: int, ask: Callable[[], Future[T]], fault: str) -> T:
        """Return the first answer of an engine, which is asked until it does. Raises `UserError`."""
        asked: list[Future[T]] = []
        for _ in range(int(LOAD / KNOCK)):
            asked.append(ask())
            for future in wait(asked, timeout=KNOCK, return_when=FIRST_COMPLETED).done:
                return future.result()
            if missing := self.missing(number):
                raise UserError(missing)
        raise UserError(f"engine {number} {fault}")

    def check(self) -> None:
        """Raise `UserError` unless there is an engine that can be used."""
        faults, numbers = {}, sorted(self.wire.engines)
        if not numbers:
            raise UserError(f"--on {self.on}: that cluster has no engines; start some: ipcluster engines -n 2")
        with ThreadPoolExecutor(8) as pool:
            for number, work in [(each, pool.submit(self.load, each)) for each in numbers]:
                try:
                    work.result()
                except UserError as error:
                    faults[number] = str(error)
        if len(faults) == len(numbers):
            raise UserError(f"--on {self.on}: {next(iter(faults.values()))}")

    def close(self) -> None:
        """Let go of the cluster, which goes on without us."""
        self._over.set()
        self.wire.close()

    # -- requests

    def ask(
        self,
        number: int,
        request: dict[str, Any],
        buffers: Sequence[bytes] = (),
        on_output: Callable[[Any], None] | None = None,
    ) -> Answered:
        """Send a request to an engine's relay."""
        mark = uuid.uuid4().hex
        self._calls[mark] = call = _Call(number, on_output)
        call.future.add_done_callback(lambda _: self._calls.pop(mark, None))
        try:
            self.tell(number, {**request, "call": mark}, buffers)
        except (TypeError, ValueError) as error:
            call.future.set_result(({"garbled": f"what was asked cannot be sent: {error}"}, ()))
        return call.future

    def tell(self, number: int, request: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Send a message to an engine's relay."""
        if (identity := self.wire.engines.get(number)) is not None:
            self.wire.tell(identity, {**request, "client": self.wire.client}, buffers)

    def missing(self, number: int) -> str:
        """Say why an engine cannot be reached; empty while it can."""
        if self.wire.closed:
            return self.wire.closed
        if number not in self.wire.engines:
            return f"engine {number} of cluster {self.on} is gone"
        sent, heard = self._words.get(number, (0, 0))
        return f"engine {number} of cluster {self.on} is not heard any more" if sent - heard > MISSED else ""

    def _give_words(self) -> None:
        """Tell the engines whose relay has begun, and where something of ours runs, that it is wanted."""
        while not self._over.wait(WORD) and not self.wire.closed:
            self.wire.ask_for_engines()
            for number, identity in list(self.wire.engines.items()):
                if identity in self.loaded and self.used[number] > 0:
                    sent, heard = self._words.get(number, (0, 0))
                    self._words[number] = (sent + 1, heard)
                    self.tell(number, {"do": "lease", "number": sent + 1, "engine": number})

    def _hear(self, content: dict[str, Any], buffers: Sequence[bytes]) -> None:
        """Take what a relay sent, on the wire's thread. What is not as agreed ends the call that it names."""
        if isinstance(content.get("lease"), int):
            self._note_word(content.get("engine"))
            return
        call = self._calls.get(str(content.get("call")))
        if call is None or call.future.done():
            return
        self._note_word(call.engine)
        call.number += 1
        if content.get("number") != call.number:
            call.future.set_result(({"garbled": "some of what it sent was lost, or came twice"}, ()))
        elif sum(map(len, buffers)) > LARGEST:
            call.future.set_result(({"garbled": "it sent more at once than it may"}, ()))
        elif "output" in content:
            with suppress(Exception):
                _ = call.on_output and call.on_output(content["output"])
        else:
            call.future.set_result((content, buffers))

    def _note_word(self, number: Any) -> None:
        """Note that an engine is heard."""
        if isinstance(number, int) and number in self._words:
            sent, _ = self._words[number]
            self._words[number] = (sent, sent)


class ClusterEngine:
    """One engine, as a run sees it."""

    def __init__(self, cluster: Cluster, number: int) -> None:
        self._cluster, self.number = cluster, number
        self.identity = cluster.wire.engines.get(number, "")
        self.name = f"engine {number} of cluster {cluster.on}"

    def ask(
        self, request: dict[str, Any], buffers: Sequence[bytes] = (), on_output: Callable[[Any], None] | None = None
    ) -> Answered:
        return self._cluster.ask(self.number, request, buffers, on_output)

    def tell(self, request: dict[str, Any]) -> None:
        self._cluster.tell(self.number, request)

    def gone(self) -> str:
        return self._cluster.missing(self.number)

    def leave(self) -> None:
        self._cluster.leave(self.number)


_clusters: dict[str, Cluster] = {}
_connecting = threading.Lock()


def cluster(on: str) -> Cluster:
    """Return the connection to a cluster; one that broke is made anew. Raises `UserError`."""
    with _connecting:
        if (made := _clusters.get(on)) is None or made.wire.closed or _moved(made):
            if made is not None:
                made.close()
            _clusters[on] = made = Cluster(on)
        return made


def connected() -> list[Cluster]:
    """Return the clusters that this process is connected to."""
    return [each for each in _clusters.values() if not each.wire.closed]


def _moved(made: Cluster) -> bool:
    """Whether another cluster has taken its name since. Raises `UserError`."""
    return address(made.on) != made.wire.address


def _not_loaded(number: int, reply: dict[str, Any]) -> str:
    """Say why no relay could begin in an engine."""
    ours = json.dumps(versions()["agentloop-nb"]).strip('"')
    if reply.get("ename") == "ModuleNotFoundError" and "agentloop_nb" in str(reply.get("evalue")):
        return f"engine {number} has no agentloop-nb {ours}: install it where engines run, and start them again"
    return f"engine {number} cannot be used ({reply.get('ename')}: {str(reply.get('evalue'))[:200]})"


def _check(number: int, told: dict[str, Any]) -> None:
    """Raise `UserError` for an engine with other versions."""
    theirs = told.get("versions")
    theirs = theirs if isinstance(theirs, dict) else {}
    for name, ours in versions().items():
        if (there := theirs.get(name)) != ours:
            raise UserError(
                f"engine {number} has {name} {str(there)[:20]}; here it is {ours}, and they have to be the same"
            )
