"""A scripted model server: real HTTP on loopback, the OpenAI wire, streaming or not, with every fault people meet.

    with Wire([decision("run_code", code="print(1)"), finish("done")]) as wire:
        run_agent("count", model="some-model", base_url=wire.base_url)
    assert wire.bodies[0]["stream"] is True

As a process, for browsers and command lines: `python -m tests.wire script.json` prints its base URL and serves until
its standard input closes or it is killed. The script is a list of decisions, of `{"text": ...}` and `{"status": ...}`.
"""

from __future__ import annotations

import email.utils
import json
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

CACHED_FROM = 4096
"""Characters two requests must share at their start before the shared part counts as cached."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One reply of the model, whole or broken."""

    text: str
    reasoning: str = ""
    refusal: str = ""
    usage: dict[str, Any] | Literal["auto"] | None = "auto"
    """What the server reports; "auto" counts four characters a token and models a prefix cache; None is nothing."""
    finish_reason: str = "stop"
    model: str | None = None
    delay: float = 0.0
    """Seconds before the first chunk."""
    gate: threading.Event | None = None
    """What the first chunk waits for, after the delay: a test sets it when it has seen what comes before."""
    pace: float = 0.0
    """Seconds between chunks."""
    size: int = 16
    """Characters a chunk."""
    ending: Literal["done", "no_done", "truncated", "cut", "reset", "hang", "error"] = "done"
    """How the stream ends: properly; without `[DONE]`; politely but half-way; half-way inside the transfer; by a
    connection reset; in silence; with an error event."""
    after: int = 3
    """Chunks sent before an ending half-way."""
    reasoning_field: str = "reasoning_content"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer that is no reply: an error, or a page."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    delay: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Raw:
    """An answer byte by byte: pieces, and seconds to wait before the next one."""

    pieces: Sequence[bytes | float]
    content_type: str | None = "text/event-stream"
    status: int = 200


@dataclass(frozen=True)
class Request:
    """A request as it came in."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float


Item = Reply | Answer | Raw | dict[str, Any] | str
"""A script item; a str is raw text, a dict a decision (or, in a JSON script, the fields of a `Reply` or `Answer`)."""


def decision(name: str, reasoning: str = "because", **fields: Any) -> dict[str, Any]:
    """Return a decision in the shape a model is asked for."""
    return {"reasoning": reasoning, "action": {"name": name, **fields}}


def finish(summary: str = "done", artifacts: Sequence[str] = ()) -> dict[str, Any]:
    """Return the decision that ends a run."""
    return decision("finish", "the goal is met", summary=summary, artifacts=list(artifacts))


def error(status: int, message: str, *, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
    """Return an error in OpenAI's shape; `fields` are code, type and param."""
    return Answer(status=status, body={"error": {"message": message, **fields}}, headers=headers or {})


def rate_limited(seconds: float, form: Literal["s", "ms", "date", "none"] = "s") -> Answer:
    """Return a 429 that tells when to come back, in each of the forms servers use."""
    headers = {
        "s": {"Retry-After": f"{seconds:g}"},
        "ms": {"retry-after-ms": f"{seconds * 1000:g}"},
        "date": {"Retry-After": email.utils.formatdate(time.time() + seconds, usegmt=True)},
        "none": {},
    }[form]
    return error(429, "Rate limit reached", headers=headers, type="requests", code="rate_limit_exceeded")


def insufficient_quota() -> Answer:
    """Return OpenAI's 429 for an account without credit."""
    return error(429, "You exceeded your current quota.", type="insufficient_quota", code="insufficient_quota")


def context_overflow(limit: int = 8192, asked: int = 9000) -> Answer:
    """Return OpenAI's 400 for a prompt that is too long."""
    message = (
        f"This model's maximum context length is {limit} tokens. However, your messages resulted in {asked} tokens."
    )
    return error(400, message, type="invalid_request_error", param="messages", code="context_length_exceeded")


def server_error(status: int = 500) -> Answer:
    """Return a plain 5xx."""
    return error(status, "The server had an error while processing your request.", type="server_error")


def html_page(status: int = 200) -> Answer:
    """Return a web page where a model server was expected."""
    return Answer(status=status, body="<!DOCTYPE html><html><body>Welcome</body></html>", content_type="text/html")


def reset() -> Reply:
    """Return a reset before the first byte."""
    return Reply(text="", ending="reset", after=0)


def hang() -> Reply:
    """Return a silence before the first byte."""
    return Reply(text="", ending="hang", after=0)


Refuse = Callable[[dict[str, Any]], Answer | None]
"""Looks at a request's body and refuses it, before the script moves on."""


def refuses_format(*kinds: str, status: int = 400, body: Any = None) -> Refuse:
    """Refuse these `response_format` types (`json_schema`, `json_object`)."""

    def refuse(request: dict[str, Any]) -> Answer | None:
        kind = (request.get("response_format") or {}).get("type")
        if kind not in kinds:
            return None
        told = {"error": {"message": f"This response_format type is unavailable now: {kind}", "param": None}}
        return Answer(status=status, body=told if body is None else body)

    return refuse


def refuses_parameter(name: str, message: str = "Unsupported parameter: '{name}' is not supported.") -> Refuse:
    """Refuse requests that carry this parameter."""

    def refuse(request: dict[str, Any]) -> Answer | None:
        if name not in request:
            return None
        return error(400, message.format(name=name), param=name, code="unsupported_parameter")

    return refuse


class Wire:
    """The server. Use as a context manager, or call `start` and `close`; safe to read while it serves."""

    handler: type[BaseHTTPRequestHandler] | None = None
    """What answers, where it is another protocol."""

    def __init__(
        self,
        script: Iterable[Item] | Callable[[Request], Item] = (),
        *,
        refuse: Sequence[Refuse] = (),
        models: Sequence[str | dict[str, Any]] = ("scripted",),
        streams: bool = True,
        key: str | None = None,
        repeat: bool = False,
        port: int = 0,
        pages: dict[str, Any] | None = None,
    ) -> None:
        """Serve `script`, one item a request; `repeat` starts it over when it is used up, else a 400 tells so.

        `streams=False` answers JSON even where a stream was asked for; with `key` every request must carry it.
        `pages` are further JSON answers, by path.
        """
        self._choose = script if callable(script) else None
        self.script: list[Item] = [] if callable(script) else list(script)
        self.requests: list[Request] = []
        """Chat requests in order, refused ones included."""
        self.gets: list[str] = []
        """Paths of GET requests."""
        self.usages: list[dict[str, Any]] = []
        """The usages that were reported, in order."""
        self.hung_up: list[float] = []
        """When clients left a hanging reply, on time.monotonic()."""
        self.refuse = tuple(refuse)
        self.models = models
        self.streams = streams
        self.key = key
        self.repeat = repeat
        self.pages = pages or {}
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._next = 0
        self._prompt = ""
        self._server = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT/v1`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The JSON bodies of the chat requests."""
        return [request.body for request in self.requests]

    def start(self) -> Wire:
        """Serve from a thread."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop serving and let hanging replies go."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Wire:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.close()

    def take(self, request: Request) -> Item:
        """Record a request and return what it is answered with."""
        with self._lock:
            self.requests.append(request)
            if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
                return error(401, "Incorrect API key provided.", type="invalid_request_error", code="invalid_api_key")
            for refuse in self.refuse:
                if (answer := refuse(request.body)) is not None:
                    return answer
            if self._choose is not None:
                return self._choose(request)
            if self._next >= len(self.script) and not (self.repeat and self.script):
                return error(400, "the script of this test server is used up")
            self._next += 1
            return self.script[(self._next - 1) % len(self.script)]

    def usage(self, reply: Reply, request: Request) -> dict[str, Any] | None:
        """Return what is reported for a reply; "auto" counts what the request shares with the one before as cached."""
        if reply.usage != "auto":
            return reply.usage
        with self._lock:
            prompt = json.dumps(request.body.get("messages", []), ensure_ascii=False)
            shared = _shared(prompt, self._prompt)
            self._prompt = prompt
        spent, made = tokens(prompt), tokens(reply.text) + tokens(reply.reasoning)
        return {
            "prompt_tokens": spent,
            "completion_tokens": made,
            "total_tokens": spent + made,
            "prompt_tokens_details": {"cached_tokens": shared // 4 if shared >= CACHED_FROM else 0},
            "completion_tokens_details": {"reasoning_tokens": tokens(reply.reasoning)},
        }


def tokens(text: str) -> int:
    return (len(text) + 3) // 4


def _shared(one: str, other: str) -> int:
    """Return how many characters two texts share at their start, by halving: transcripts are long."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if one[:middle] == other[:middle] else (least, middle - 1)
    return least


def as_item(item: Item) -> Reply | Answer | Raw:
    """Turn any script item into a `Reply`, an `Answer` or a `Raw`."""
    if isinstance(item, Reply | Answer | Raw):
        return item
    if isinstance(item, str):
        return Reply(text=item)
    if "text" in item:
        return Reply(**item)
    if "status" in item:
        return Answer(**item)
    return Reply(text=json.dumps(item, ensure_ascii=False))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], wire: Wire) -> None:
        self.wire = wire
        super().__init__(address, wire.handler or Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet when a client leaves; tell everything else."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Gone(ConnectionError):
    """The connection was ended on purpose."""


class Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def wire(self) -> Wire:
        return self.server.wire

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.wire.gets.append(self.path)
        sent = self.headers.get("Authorization")
        if self.wire.key is not None and sent not in (None, f"Bearer {self.wire.key}"):
            self._answer(error(401, "Incorrect API key provided"))
        elif self.path == "/v1/models":
            listed = [model if isinstance(model, dict) else {"id": model} for model in self.wire.models]
            data = [{"object": "model", "owned_by": "tests", "created": 1, **model} for model in listed]
            self._answer(Answer(status=200, body={"object": "list", "data": data}))
        elif self.path in self.wire.pages:
            self._answer(Answer(status=200, body=self.wire.pages[self.path]))
        else:
            self._answer(error(404, f"no such path: {self.path}"))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, body, time.monotonic())
        if self.path != "/v1/chat/completions":
            self._answer(error(404, f"no such path: {self.path}"))
            return
        item = as_item(self.wire.take(request))
        if isinstance(item, Raw):
            self._raw(item)
        elif isinstance(item, Answer):
            self._answer(item)
        elif self.wire.streams and body.get("stream"):
            self._stream(item, request)
        else:
            self._whole(item, request)

    def _answer(self, answer: Answer) -> None:
        self._wait(answer.delay)
        body = answer.body if isinstance(answer.body, str) and "json" not in answer.content_type else None
        payload = (json.dumps(answer.body) if body is None else body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(payload)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def _raw(self, raw: Raw) -> None:
        self.send_response(raw.status)
        if raw.content_type is not None:
            self.send_header("Content-Type", raw.content_type)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for piece in raw.pieces:
            if isinstance(piece, bytes):
                self.wfile.write(piece)
            else:
                self._wait(piece)

    def _whole(self, reply: Reply, request: Request) -> None:
        self._begin(reply)
        if reply.ending in ("reset", "hang", "cut"):
            self._end_badly(reply.ending)
        usage = self.wire.usage(reply, request)
        message = {"role": "assistant", "content": reply.text or None}
        if reply.reasoning:
            message[reply.reasoning_field] = reply.reasoning
        if reply.refusal:
            message["refusal"] = reply.refusal
        choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
        body = {**self._head(reply, request), "object": "chat.completion", "choices": [choice]}
        if usage:
            self.wire.usages.append(usage)
        self._answer(Answer(status=200, body=body | ({"usage": usage} if usage else {})))

    def _stream(self, reply: Reply, request: Request) -> None:
        self._begin(reply)
        if reply.ending in ("reset", "hang") and reply.after == 0:
            self._end_badly(reply.ending)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        deltas = self._deltas(reply)
        half_way = reply.ending not in ("done", "no_done")
        for number, delta in enumerate(deltas[: reply.after] if half_way else deltas):
            if number:
                self._wait(reply.pace)
            self._chunk(reply, request, choices=[{"index": 0, "delta": delta, "finish_reason": None}])
        if half_way:
            self._end_badly(reply.ending)
            return
        self._chunk(reply, request, choices=[{"index": 0, "delta": {}, "finish_reason": reply.finish_reason}])
        usage = self.wire.usage(reply, request)
        if usage and (request.body.get("stream_options") or {}).get("include_usage"):
            self.wire.usages.append(usage)
            self._chunk(reply, request, choices=[], usage=usage)
        if reply.ending == "done":
            self._send(b"data: [DONE]\n\n")
        self._send(b"")

    def _deltas(self, reply: Reply) -> list[dict[str, Any]]:
        pieces: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        pieces += [{reply.reasoning_field: part} for part in cut(reply.reasoning, reply.size)]
        pieces += [{"refusal": part} for part in cut(reply.refusal, reply.size)]
        return pieces + [{"content": part} for part in cut(reply.text, reply.size)]

    def _head(self, reply: Reply, request: Request) -> dict[str, Any]:
        model = reply.model or request.body.get("model", "scripted")
        return {"id": f"chatcmpl-{len(self.wire.requests)}", "created": 1, "model": model}

    def _chunk(self, reply: Reply, request: Request, **fields: Any) -> None:
        chunk = {**self._head(reply, request), "object": "chat.completion.chunk", **fields}
        self._send(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode())

    def _send(self, payload: bytes) -> None:
        self.wfile.write(f"{len(payload):x}\r\n".encode() + payload + b"\r\n")

    def _end_badly(self, ending: str) -> None:
        if ending == "truncated":
            self._send(b"")
            return
        if ending == "error":
            event = {"error": {"message": "Upstream broke", "type": "server_error", "code": 502}}
            self._send(f"data: {json.dumps(event)}\n\n".encode())
            self._send(b"")
            return
        self.close_connection = True
        if ending == "hang":
            self._wait(3600)
        if ending == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        raise _Gone(ending)

    def _begin(self, reply: Reply) -> None:
        """Wait as long as the reply is to wait before its first byte."""
        self._wait(reply.delay)
        while reply.gate is not None and not reply.gate.is_set():
            self._wait(0.05)

    def _wait(self, seconds: float) -> None:
        """Sleep, but leave when the client hangs up or the server closes."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self.wire.closing.is_set():
                raise _Gone("closing")
            ready, _, _ = select.select([self.connection], [], [], min(left, 0.02))
            if ready and not self.connection.recv(1, socket.MSG_PEEK):
                self.wire.hung_up.append(time.monotonic())
                raise _Gone("the client hung up")

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            self.close_connection = True


def cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def main(arguments: Sequence[str]) -> None:
    """Serve a JSON script until standard input closes."""
    script = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    with Wire(script, port=int(arguments[1]) if len(arguments) > 1 else 0) as wire:
        print(wire.base_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
