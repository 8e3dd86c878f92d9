"""The far end of runs on another machine: it starts their kernel processes there, and passes on what is said.

It knows verbs and how to send; what carries them is not its business.
"""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import agentloop_nb
from agentloop_nb.isolated.channel import Line
from agentloop_nb.isolated.connection import Died, Garbled
from agentloop_nb.isolated.folder_files import FolderFiles
from agentloop_nb.isolated.resource_limits import Limits

LEASE = 8.0
"""Seconds without a word of whom a process works for, after which it is ended."""
LOOK = 0.5
"""Seconds between two looks for processes whose lease is over."""
HANDED = "handed"
"""The folder in a process's private one for values that come and go."""

Send = Callable[[str, dict[str, Any], Sequence[bytes]], None]
"""Sends a message, with raw data, to whom its first argument names."""
Watch = Callable[[str], None]
"""Is told `+FOLDER` of what is to be removed, with all that runs for it, should this process end; or `-FOLDER`."""


def versions() -> dict[str, str]:
    """Return what has to be the same on both sides."""
    return {"agentloop-nb": agentloop_nb.__version__, "Python": ".".join(map(str, sys.version_info[:2]))}


@dataclass
class _Run:
    """One kernel process and whom it works for."""

    client: str
    told: str
    line: Line
    folder: Path
    roots: dict[str, FolderFiles]
    began: float = field(default_factory=time.time)
    turns: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "agentloop-relay"))


class Relay:
    """Serves runs of any number of clients."""

    def __init__(self, send: Send, watch: Watch) -> None:
        self._send, self._watch = send, watch
        self._runs: dict[str, _Run] = {}
        self._starting: set[str] = set()
        """Runs whose process is being started, and is still wanted."""
        self._heard: dict[str, float] = {}
        self._verbs = {
            name: getattr(self, f"_{name}") for name in ("call", "alive", "list", "get", "put", "make", "remove")
        }
        self._opening = ThreadPoolExecutor(4, "agentloop-relay-open")
        threading.Thread(target=self._end_forgotten, name="agentloop-relay-lease", daemon=True).start()

    def take(self, request: dict[str, Any], buffers: Sequence[bytes]) -> None:
        """Take a request; its answer is sent later. What is told while code runs is passed on at once."""
        client, verb = str(request["client"]), str(request["do"])
        self._heard[client] = time.monotonic()
        run = self._runs.get(str(request.get("run")))
        if verb == "lease":
            self._send(client, {"lease": request["number"], "engine": request["engine"]}, ())
        elif verb in ("status", "open", "close"):
            if verb == "open":
                self._starting.add(str(request["run"]))
            self._opening.submit(self._answer, getattr(self, f"_{verb}"), run, request, buffers)
        elif run is None:
            self._send(client, {"call": request.get("call"), "number": 1, "died": "its kernel is gone"}, ())
        elif verb == "tell":
            run.line.tell(str(request["what"]), **request["given"])
        elif verb == "kill":
            why = str(request["why"])
            run.line.later(0, lambda: run.line.kill(why))
        else:
            run.turns.submit(self._answer, self._verbs[verb], run, request, buffers)

    def _answer(self, work: Callable[..., Any], run: _Run | None, request: dict[str, Any], buffers: Any) -> None:
        """Carry a request out, and send what comes of it: numbered, so that what is lost is noticed."""
        number = 0

        def send(content: dict[str, Any], back: Sequence[bytes] = ()) -> None:
            nonlocal number
            number += 1
            self._send(request["client"], {"call": request["call"], "number": number, **content}, back)

        try:
            answer = work(run, request, buffers, send)
            back = [answer] if isinstance(answer, bytes) else []
            remarks = [run.line.remarks.pop(0) for _ in list(run.line.remarks)] if run else []
            files = {"files": run.roots["files"].listing()} if run and request.get("list") else {}
            send({"answer": None if back else answer, "remarks": remarks, **files}, back)
        except Died as error:
            send({"died": str(error)})
        except Garbled as error:
            send({"garbled": str(error)})
        except Exception as error:  # noqa: BLE001 - whatever it is, the other side waits for an answer
            send({"failed": f"{type(error).__name__}: {error}"})

    # -- verbs

    def _status(self, _run: _Run | None, _request: dict[str, Any], *_: Any) -> dict[str, Any]:
        return {
            "versions": versions(),
            "host": platform.node(),
            "memory": _available(),
            "runs": [_shown(name, run) for name, run in list(self._runs.items())],
        }

    def _open(self, _run: _Run | None, request: dict[str, Any], *_: Any) -> dict[str, Any]:
        name, folder = str(request["run"]), Path(tempfile.mkdtemp(prefix="agentloop-run-"))
        self._watch(f"+{folder}")
        try:
            self._runs[name] = run = self._started(folder, request)
        except BaseException:
            self._starting.discard(name)
            self._remove_watched(folder)
            raise
        if name not in self._starting:
            self._close(run, request)
            raise Died("it was closed")
        self._starting.discard(name)
        return {"handed": str(run.roots[HANDED].folder)}

    def _started(self, folder: Path, request: dict[str, Any]) -> _Run:
        """Start a process for a folder; nothing is left of one that does not start."""
        line = Line(folder, Limits(**request["limits"]))
        self._watch(f"+{line.private}")
        handed = line.private / HANDED
        try:
            handed.mkdir()
            line.start()
        except BaseException:
            line.close()
            self._watch(f"-{line.private}")
            raise
        roots = {"files": FolderFiles(folder), HANDED: FolderFiles(handed)}
        return _Run(str(request["client"]), str(request["told"]), line, folder, roots)

    def _close(self, _run: _Run | None, request: dict[str, Any], *_: Any) -> None:
        self._starting.discard(str(request["run"]))
        if (run := self._runs.pop(str(request["run"]), None)) is not None:
            run.line.close()
            self._forget(run)

    def _call(self, run: _Run, request: dict[str, Any], _buffers: Any, send: Callable[[dict[str, Any]], None]) -> Any:
        return run.line.submit(request["what"], request["given"], lambda output: send({"output": output})).result()

    def _alive(self, run: _Run, *_: Any) -> bool:
        return run.line.check().result()

    def _list(self, run: _Run, request: dict[str, Any], *_: Any) -> dict[str, tuple[int, str]]:
        return run.roots[request["root"]].listing()

    def _get(self, run: _Run, request: dict[str, Any], *_: Any) -> bytes:
        return run.roots[request["root"]].read(request["name"], int(request["at"]))

    def _put(self, run: _Run, request: dict[str, Any], buffers: Sequence[bytes], *_: Any) -> None:
        files, last = run.roots[request["root"]], bool(request["last"])
        files.add(request["name"], buffers[0], int(request["at"]), last=last)

    def _make(self, run: _Run, request: dict[str, Any], *_: Any) -> None:
        (run.roots[HANDED].folder / uuid.UUID(request["name"]).hex).mkdir()

    def _remove(self, run: _Run, request: dict[str, Any], *_: Any) -> None:
        for name in request["names"]:
            run.roots[request["root"]].remove(name)

    # -- the end of runs

    def _end_forgotten(self) -> None:
        """End the processes of those from whom nothing is heard any more: they died, or are cut off."""
        while True:
            time.sleep(LOOK)
            late = time.monotonic() - LEASE
            for name, run in list(self._runs.items()):
                if self._heard[run.client] < late:
                    self._close(run, {"run": name})

    def _forget(self, run: _Run) -> None:
        run.turns.shutdown(wait=False)
        self._remove_watched(run.folder)
        self._watch(f"-{run.line.private}")

    def _remove_watched(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._watch(f"-{folder}")


def _shown(name: str, run: _Run) -> dict[str, Any]:
    """Return a run as it is listed: whose it is, how long it has been there, and the memory it takes."""
    return {"run": name, "told": run.told, "seconds": int(time.time() - run.began), "memory": run.line.memory}


def _available() -> int:
    with suppress(Exception):
        import psutil

        return int(psutil.virtual_memory().available)
    return 0
