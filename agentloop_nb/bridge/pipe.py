"""The pipe between an MCP client's stdio and the served kernel's socket.

It answers for itself while no kernel is served, so that the client sees a sound server, and it comes back after a
kernel restart by repeating the client's handshake.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

from agentloop_nb import __version__
from agentloop_nb.bridge.served_kernels import NO_KERNEL, ServedKernel, choose, connect, is_announced
from agentloop_nb.bridge.tools import INSTRUCTIONS, TOOLS

LIMIT = 8 * 2**20
"""Bytes of one message."""
MOST_ANSWERED = 8 * LIMIT
"""Bytes of one line of a kernel."""
DIED = "The kernel ended while this ran. What it had done to files is done; its variables are lost."
OVER = (
    "The kernel is served no longer. Ask the person to type `%agent serve`. "
    "If this had begun, its card in the notebook says what it did."
)
TOO_LARGE = f"a message may be {LIMIT // 2**20} MB long; write large data with run_code instead"
_ID = re.compile(rb'"id"\s*:\s*(-?\d+|"(?:[^"\\]|\\.){0,200}")')
_COMPLETE = {"resultType": "complete"}
"""Demanded by clients of 2026-07-28, ignored by older ones."""

_ENVELOPE = "io.modelcontextprotocol/protocolVersion"
"""In each request of 2026-07-28, and in no older one."""

Message = dict[str, Any]


class Bridge:
    """Carries the messages of one client. `kernel` names the kernel; None is the nearest."""

    def __init__(self, kernel: str | None, source: BinaryIO, sink: BinaryIO) -> None:
        self._wanted, self._source, self._sink = kernel, source, sink
        self._writing = threading.Lock()
        self._connection: socket.socket | None = None
        self._hello: Message | None = None
        self._repeats = 0
        self._pending: dict[str, Message] = {}
        """Requests that the kernel has not answered, by their id."""

    def run(self) -> None:
        """Carry messages until the client closes its side."""
        while line := self._source.readline(LIMIT):
            if not line.endswith(b"\n") and len(line) == LIMIT:
                self._refuse_large(line)
                continue
            with contextlib.suppress(ValueError):
                message = json.loads(line)
                if isinstance(message, dict):
                    self._from_client(message, line)

    def _refuse_large(self, head: bytes) -> None:
        tail = head
        while tail and not tail.endswith(b"\n"):
            head, tail = head[:1000] + tail[-1000:], self._source.readline(LIMIT)
        if found := _ID.search(head[:1000]) or _ID.search(tail[-1000:]):
            error = {"code": -32600, "message": TOO_LARGE}
            self._to_client({"jsonrpc": "2.0", "id": json.loads(found[1]), "error": error})

    def _to_client(self, message: Message) -> None:
        self._write(json.dumps(message).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        with self._writing:
            self._sink.write(line)
            self._sink.flush()

    def _from_client(self, message: Message, line: bytes) -> None:
        method, is_request = message.get("method"), "method" in message and "id" in message
        if method == "initialize":
            self._hello = message
        elif _has_envelope(message):  # it speaks 2026-07-28, whatever it had tried: a handshake would bar it from that
            self._hello = None
        problem = self._connect(first=method in ("initialize", "server/discover"))
        if not problem and self._connection is not None:
            if is_request:
                self._pending[json.dumps(message["id"])] = message
            try:
                self._connection.sendall(line if line.endswith(b"\n") else line + b"\n")
            except (OSError, AttributeError):  # it ended a moment ago
                problem = NO_KERNEL
            else:
                return
            is_request = self._pending.pop(json.dumps(message.get("id")), None) is not None  # else it is answered
        if is_request:
            self._to_client(alone(message, problem))

    # -- the kernel's side

    def _connect(self, *, first: bool) -> str:
        """Have a connection, and repeat the client's handshake on a new one. Returns why there is none."""
        if self._connection is not None:
            return ""
        found = choose(self._wanted, Path.cwd())
        if isinstance(found, str):
            return found
        repeated = self._repeated_handshake() if self._hello is not None and not first else b""
        try:
            connection = connect(found, repeated)
        except OSError:
            return NO_KERNEL
        self._connection = connection
        swallowed = f"bridge-{self._repeats}" if repeated else None
        threading.Thread(target=self._pump, args=(found, connection, swallowed), daemon=True).start()
        return ""

    def _repeated_handshake(self) -> bytes:
        self._repeats += 1
        again = json.dumps({**(self._hello or {}), "id": f"bridge-{self._repeats}"})
        return f'{again}\n{{"jsonrpc":"2.0","method":"notifications/initialized"}}\n'.encode()

    def _pump(self, kernel: ServedKernel, connection: socket.socket, swallowed: str | None) -> None:
        """Hand the kernel's messages to the client until the kernel is gone."""
        with contextlib.suppress(OSError, ValueError, RecursionError), connection.makefile("rb") as lines:
            while line := lines.readline(MOST_ANSWERED):
                message = json.loads(line)
                if not isinstance(message, dict) or not line.endswith(b"\n"):
                    break  # whatever listens there is no kernel of ours
                if "method" not in message:
                    if swallowed is not None and message.get("id") == swallowed:
                        continue
                    self._pending.pop(json.dumps(message.get("id")), None)
                self._write(line)
        self._connection = None
        connection.close()
        why = DIED if is_announced(kernel) else OVER
        for key in list(self._pending):
            if message := self._pending.pop(key, None):
                self._to_client(alone(message, why))


def _has_envelope(message: Message) -> bool:
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    return isinstance(meta, dict) and _ENVELOPE in meta


def alone(message: Message, why: str) -> Message:
    """Answer a request without a kernel."""
    answer: Message = {"jsonrpc": "2.0", "id": message["id"]}
    match message["method"]:
        case "initialize":
            return answer | {"result": _hello(message, why)}
        case "ping":
            return answer | {"result": {}}
        case "tools/list" | "resources/list" | "prompts/list" as method:
            kind = method.partition("/")[0]
            listed = {kind: TOOLS if kind == "tools" else [], "ttlMs": 0, "cacheScope": "private"}
            return answer | {"result": {**_COMPLETE, **listed}}
        case "tools/call":
            content = [{"type": "text", "text": why}]
            return answer | {"result": {**_COMPLETE, "content": content, "isError": True}}
        case other:
            return answer | {"error": {"code": -32601, "message": f"{other}: {why}"}}


def _hello(message: Message, why: str) -> Message:
    return {
        "protocolVersion": (message.get("params") or {}).get("protocolVersion", "2025-11-25"),
        "capabilities": {"tools": {"listChanged": True}, "resources": {}, "prompts": {}},
        "serverInfo": {"name": "agentloop", "version": __version__},
        "instructions": f"{INSTRUCTIONS}\n\n{why}",
    }


def carry(kernel: str | None) -> None:
    """Be the MCP server of a client that started us."""
    Bridge(kernel, sys.stdin.buffer, sys.stdout.buffer).run()
    os._exit(0)  # the client is gone, and a thread may still wait for the kernel
