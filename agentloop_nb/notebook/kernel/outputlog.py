"""The outputs of one step, in order: what a cell would have kept, and what a view is told while it runs."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

from agentloop_nb.protocols import OnOutput, Output

MAX_TEXT = 1_000_000
"""Characters kept of one stream output; the middle of a longer one is cut out."""
MAX_OUTPUTS = 500
"""Outputs kept of one step. Later displays are dropped, and the last says how many; later text joins what is there."""
MAX_TOLD = 20_000
"""Characters of stream text told to a view at once; of a flood it sees the end."""
INTERVAL = 0.05
"""Seconds between two tellings of stream text."""


class _Text:
    """A text that may grow without bound; its middle is forgotten beyond `MAX_TEXT`."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0
        self._cut = 0
        self._head = ""

    def add(self, text: str) -> None:
        self._pieces.append(text)
        self._size += len(text)
        if self._size > 2 * MAX_TEXT:
            self._shrink()

    def _shrink(self) -> None:
        text = "".join(self._pieces)
        if not self._head:
            self._head, text = text[: MAX_TEXT // 2], text[MAX_TEXT // 2 :]
        tail = text[-(MAX_TEXT // 2) :]
        self._cut += len(text) - len(tail)
        self._pieces, self._size = [tail], len(tail)

    def __str__(self) -> str:
        if self._size + len(self._head) > MAX_TEXT:
            self._shrink()
        middle = f"\n[… {self._cut:,} characters cut …]\n" if self._cut else ""
        return self._head + middle + "".join(self._pieces)


class OutputLog:
    """Collects outputs from any thread. `tell` hears of them as they appear, at most every `INTERVAL` for streams.

    `later` is called when stream text waits to be told; somebody must then call `flush` soon.
    """

    def __init__(self, tell: OnOutput, later: Callable[[], None]) -> None:
        self._tell = tell
        self._later = later
        self._lock = threading.RLock()
        self._outputs: list[Output] = []
        self._ids: dict[int, str] = {}
        """Display ids, by the identity of the output."""
        self._dropped = 0
        self._clearing = False
        self._waiting: list[tuple[str, str]] = []
        self._told_at = 0.0

    def stream(self, name: str, text: str) -> None:
        """Take text written to `stdout` or `stderr`."""
        if not text:
            return
        with self._lock:
            self._clear_if_asked()
            last = self._outputs[-1] if self._outputs else None
            if last is None or last.get("name") != name:
                last = self._begin(name)
            if last is not None:
                last["text"].add(text)
            self._wait(name, text)

    def _begin(self, name: str) -> Output | None:
        """Return a new output of a stream; without room for one its newest: order is given up before text."""
        if len(self._outputs) >= MAX_OUTPUTS:
            same = (output for output in reversed(self._outputs) if output.get("name") == name)
            if (newest := next(same, None)) is not None:
                return newest
        return self._keep({"output_type": "stream", "name": name, "text": _Text()})

    def _wait(self, name: str, text: str) -> None:
        started = not self._waiting
        self._waiting.append((name, text))
        if time.monotonic() - self._told_at >= INTERVAL:
            self.flush()
        elif started:
            self._later()

    def flush(self) -> None:
        """Tell the stream text that waits."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            merged: list[tuple[str, list[str]]] = []
            for name, text in waiting:
                if not merged or merged[-1][0] != name:
                    merged.append((name, []))
                merged[-1][1].append(text)
            for name, pieces in merged[-20:]:
                self._tell({"output_type": "stream", "name": name, "text": "".join(pieces)[-MAX_TOLD:]})
            self._told_at = time.monotonic()

    def show(self, kind: str, data: dict[str, Any], metadata: dict[str, Any], display_id: str | None = None) -> None:
        """Take a `display_data` or an `execute_result`."""
        output: Output = {"output_type": kind, "data": _mime_bundle(data), "metadata": jsonable(metadata)}
        if kind == "execute_result":
            output["execution_count"] = None
        with self._lock:
            self._clear_if_asked()
            kept = self._keep(output)
            if kept is not None and display_id is not None:
                self._ids[id(kept)] = display_id
            self._tell_now(output | ({"transient": {"display_id": display_id}} if display_id else {}))

    def update(self, display_id: str, data: dict[str, Any], metadata: dict[str, Any]) -> bool:
        """Replace the displays of that id. False: none is of this step."""
        data, metadata = _mime_bundle(data), jsonable(metadata)
        with self._lock:
            found = [output for output in self._outputs if self._ids.get(id(output)) == display_id]
            for output in found:
                output["data"], output["metadata"] = data, metadata
            transient = {"display_id": display_id}
            kind = "update_display_data"
            self._tell_now({"output_type": kind, "data": data, "metadata": metadata, "transient": transient})
        return bool(found)

    def error(self, name: str, message: str, traceback: list[str]) -> None:
        """Take an error that ended the code."""
        output: Output = {"output_type": "error", "ename": name, "evalue": message, "traceback": traceback}
        with self._lock:
            self._clear_if_asked()
            self._outputs.append(output)
            self._tell_now(output)

    def clear(self, *, wait: bool) -> None:
        """Forget what was shown so far, now or with the next output."""
        with self._lock:
            self._clearing = True
            if not wait:
                self._clear_if_asked()

    def _clear_if_asked(self) -> None:
        if self._clearing:
            self._clearing = False
            self._outputs.clear()
            self._ids.clear()
            self._waiting.clear()
            self._dropped = 0
            self._tell_now({"output_type": "clear_output", "wait": False})

    def _keep(self, output: Output) -> Output | None:
        if len(self._outputs) >= MAX_OUTPUTS:
            self._dropped += 1
            return None
        self._outputs.append(output)
        return output

    def _tell_now(self, output: Output) -> None:
        self.flush()
        self._tell(output)

    def final(self) -> tuple[Output, ...]:
        """Return the outputs as nbformat keeps them."""
        with self._lock:
            outputs = [_finished(output) for output in self._outputs]
            if self._dropped:
                text = f"[… {self._dropped:,} further outputs dropped …]\n"
                outputs.append({"output_type": "stream", "name": "stderr", "text": text})
            return tuple(outputs)


def _finished(output: Output) -> Output:
    return {**output, "text": str(output["text"])} if output["output_type"] == "stream" else dict(output)


def jsonable(bundle: dict[str, Any] | None) -> dict[str, Any]:
    """Return metadata as JSON holds it: bytes in base64, what cannot be held as its repr."""
    return {str(key): _json_value(value) for key, value in (bundle or {}).items()}


def _mime_bundle(data: dict[str, Any]) -> dict[str, Any]:
    """Return data as nbformat holds it: structures only under JSON types, text under all others."""
    found = jsonable(data)
    for mime, value in found.items():
        if not isinstance(value, str) and not _JSON_TYPE.fullmatch(mime):
            found[mime] = json.dumps(value)
    return found


_JSON_TYPE = re.compile(r"application/(.*\+)?json")


def _json_value(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    try:
        return json.loads(json.dumps(value, default=repr))
    except (TypeError, ValueError, RecursionError):
        return repr(value)
