"""A scripted server of Anthropic's Messages API: its rules, its events, its cache and its errors, on loopback.

    with MessagesWire([decision("run_code", code="print(1)"), finish("done")], key="sk-ant-0123456789") as wire:
        run_agent("count", model="anthropic:claude-sonnet-4-5")      # with ANTHROPIC_BASE_URL=wire.address

It refuses what the real one is documented to refuse, and bills as it does: what lies before a mark is kept for five
minutes from its last use, and read for a tenth when a later request begins with it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.wire import Answer, Handler, Item, Raw, Reply, Request, Wire, as_item, cut, tokens

LOOK_BACK = 20
"""Blocks before a mark among which an earlier mark is found again."""
SMALLEST = {"claude-haiku-4-5": 4096, "claude-opus-4-5": 4096}
"""Tokens below which nothing is kept, where it is not 1024."""
TTL = 300.0


def anthropic_error(status: int, kind: str, message: str, **headers: str) -> Answer:
    """Return an error in this API's shape."""
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    return Answer(status=status, body=body, headers=headers)


def overloaded() -> Answer:
    """Return the 529 of a busy hour."""
    return anthropic_error(529, "overloaded_error", "Overloaded")


def refuses(
    *words: str, message: str, kind: str = "invalid_request_error"
) -> Callable[[dict[str, Any]], Answer | None]:
    """Refuse requests whose JSON has all of these words in it."""

    def refuse(body: dict[str, Any]) -> Answer | None:
        return anthropic_error(400, kind, message) if all(word in json.dumps(body) for word in words) else None

    return refuse


@dataclass
class PromptCache:
    """What the server keeps, by the digest of all that a mark ends."""

    now: Callable[[], float] = time.monotonic
    ttl: float = TTL
    _until: dict[str, float] = field(default_factory=dict)

    def count(self, body: dict[str, Any]) -> dict[str, int]:
        """Tell what a request reads from the cache, writes into it, and passes by it."""
        blocks = list(blocks_of(body))
        digest, sizes, digests = hashlib.sha256(), [0], [""]
        for text, _ in blocks:
            digest.update(text.encode())
            sizes.append(sizes[-1] + tokens(text))
            digests.append(digest.hexdigest())
        least = SMALLEST.get(body["model"], 1024)
        marks = [at for at, (_, marked) in enumerate(blocks, 1) if marked and sizes[at] >= least]
        read = max((self._found(digests, mark) for mark in marks), default=0)
        for mark in marks:
            self._until[digests[mark]] = self.now() + self.ttl
        if read:
            self._until[digests[read]] = self.now() + self.ttl
        kept = sizes[max(marks, default=0)]
        return {
            "input_tokens": sizes[-1] - max(kept, sizes[read]),
            "cache_creation_input_tokens": max(kept - sizes[read], 0),
            "cache_read_input_tokens": sizes[read],
        }

    def _found(self, digests: list[str], mark: int) -> int:
        fresh = (at for at in range(mark, max(mark - LOOK_BACK, 0), -1) if self._until.get(digests[at], 0) > self.now())
        return next(fresh, 0)


def blocks_of(body: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """The request in the order in which it is kept: tools, rules, and then messages under the way to answer them."""
    for tool in body.get("tools") or [body.get("response_format") or {}]:
        yield _plain(tool)
    system = body.get("system", ())
    for block in [{"type": "text", "text": system}] if isinstance(system, str) else system:
        yield _plain(block)
    way = json.dumps([body.get("tool_choice"), body.get("thinking"), body.get("output_config")])
    for message in body["messages"]:
        content = message["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            text, marked = _plain(block)
            yield f"{way}{message['role']} {text}", marked
            way = ""


def _plain(block: dict[str, Any]) -> tuple[str, bool]:
    rest = {name: value for name, value in block.items() if name != "cache_control"}
    return json.dumps(rest, ensure_ascii=False), "cache_control" in block


def fault_of(request: Request) -> str:
    """What the API's rules have against a request; empty if nothing."""
    body = request.body
    thinking = body.get("thinking") or {}
    budget = thinking.get("budget_tokens")
    texts = [block.get("text") for message in body.get("messages", ()) for block in _content(message)]
    marks = json.dumps(body).count('"cache_control"')
    rules = {
        "max_tokens: Field required": not isinstance(body.get("max_tokens"), int),
        'messages: first message must use the "user" role': [m["role"] for m in body["messages"][:1]] != ["user"],
        "messages: text content blocks must be non-empty": any(text is not None and not text.strip() for text in texts),
        "A maximum of 4 blocks with cache_control may be provided.": marks > 4,
        "anthropic-version: header is required": "anthropic-version" not in request.headers,
        "Thinking may not be enabled when tool_choice forces tool use.": bool(thinking)
        and body.get("tool_choice", {}).get("type") in ("tool", "any"),
        "`temperature` may only be set to 1 when thinking is enabled.": bool(thinking) and "temperature" in body,
        "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024": budget is not None
        and budget < 1024,
        "`max_tokens` must be greater than `thinking.budget_tokens`.": budget is not None
        and budget >= body.get("max_tokens", 0),
        'messages: Unexpected role "system".': any(message["role"] == "system" for message in body["messages"]),
    }
    return next((message for message, broken in rules.items() if broken), "")


def _content(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class MessagesHandler(Handler):
    """Answers in events."""

    wire: MessagesWire

    def do_GET(self) -> None:
        self.wire.gets.append(self.path)
        if self.headers.get("x-api-key") != self.wire.api_key:
            self._answer(anthropic_error(401, "authentication_error", "invalid x-api-key"))
        elif self.path.startswith("/v1/models"):
            data = [{"type": "model", "id": name, "display_name": name} for name in self.wire.models]
            self._answer(Answer(status=200, body={"data": data, "has_more": False, "last_id": "x"}))
        else:
            self._answer(anthropic_error(404, "not_found_error", "Not found"))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, body, time.monotonic())
        if self.path != "/v1/messages":
            self._answer(anthropic_error(404, "not_found_error", "Not found"))
            return
        item = as_item(self.wire.take(request))
        if isinstance(item, Raw):
            self._raw(item)
        elif isinstance(item, Answer):
            self._answer(item)
        elif self.wire.streams:
            self._events(item, request)
        else:
            self._message(item, request)

    def _message(self, reply: Reply, request: Request) -> None:
        blocks = [block | {name: text} for block, name, _, text in _parts(reply, request.body)]
        for block in blocks:
            if block["type"] == "tool_use":
                block["input"] = json.loads(block.pop("partial_json"))
        head = {"id": "msg_1", "type": "message", "role": "assistant", "model": request.body["model"]}
        ending = {"content": blocks, "stop_reason": _reason(reply, request.body)}
        self._answer(Answer(status=200, body=head | ending | {"usage": self.wire.usage(reply, request)}))

    def _events(self, reply: Reply, request: Request) -> None:
        self._wait(reply.delay)
        if reply.ending in ("reset", "hang") and reply.after == 0:
            self._end_badly(reply.ending)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        events = list(self._all_events(reply, request))
        half_way = reply.ending not in ("done", "no_done")
        for event in events[: reply.after] if half_way else events:
            self._wait(reply.pace)
            self._event(event)
        if half_way:
            self._end_badly(reply.ending)
            return
        self._send(b"")

    def _all_events(self, reply: Reply, request: Request) -> Iterator[dict[str, Any]]:
        usage = self.wire.usage(reply, request)
        head = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": request.body["model"]}
        yield {"type": "message_start", "message": head | {"usage": {**usage, "output_tokens": 1} if usage else None}}
        yield {"type": "ping"}
        for index, (block, name, delta, text) in enumerate(_parts(reply, request.body)):
            empty = {"input": {}} if block["type"] == "tool_use" else {name: ""}
            yield {"type": "content_block_start", "index": index, "content_block": block | empty}
            for piece in cut(text, reply.size):
                yield {"type": "content_block_delta", "index": index, "delta": {"type": delta, name: piece}}
            if block["type"] == "thinking":
                signed = {"type": "signature_delta", "signature": "EqQBCgIYAhIM"}
                yield {"type": "content_block_delta", "index": index, "delta": signed}
            yield {"type": "content_block_stop", "index": index}
        ended = {"stop_reason": _reason(reply, request.body), "stop_sequence": None}
        told = {"output_tokens": usage["output_tokens"]} if usage else None
        yield {"type": "message_delta", "delta": ended, "usage": told}
        yield {"type": "message_stop"}

    def _event(self, event: dict[str, Any]) -> None:
        self._send(f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode())

    def _end_badly(self, ending: str) -> None:
        if ending != "error":
            super()._end_badly(ending)
            return
        self._event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
        self._send(b"")


def _parts(reply: Reply, body: dict[str, Any]) -> list[tuple[dict[str, Any], str, str, str]]:
    """The blocks of a reply: what opens it, the field that its pieces fill, their type, and the whole of it."""
    parts: list[tuple[dict[str, Any], str, str, str]] = []
    if reply.reasoning:
        parts.append(({"type": "thinking", "signature": ""}, "thinking", "thinking_delta", reply.reasoning))
    said, brace, call = reply.text.partition("{")
    if "tools" in body and brace and _is_json(brace + call):
        if said.strip():
            parts.append(({"type": "text"}, "text", "text_delta", said))
        tool = {"type": "tool_use", "id": "toolu_1", "name": body["tools"][0]["name"]}
        parts.append((tool, "partial_json", "input_json_delta", brace + call))
    elif reply.text:
        parts.append(({"type": "text"}, "text", "text_delta", reply.text))
    return parts


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _reason(reply: Reply, body: dict[str, Any]) -> str:
    if reply.finish_reason != "stop":
        return reply.finish_reason
    return "tool_use" if "tools" in body and reply.text.rstrip().endswith("}") else "end_turn"


class MessagesWire(Wire):
    """The server. `cache` is what it keeps of prompts; `bills` what it counted, request by request."""

    handler = MessagesHandler

    def __init__(self, script: Any = (), *, key: str = "sk-ant-0123456789", **options: Any) -> None:
        super().__init__(script, **options)
        self.api_key = key
        self.cache = PromptCache()
        self.bills: list[dict[str, int]] = []

    @property
    def address(self) -> str:
        """As ANTHROPIC_BASE_URL has it."""
        return self.base_url.removesuffix("/v1")

    def take(self, request: Request) -> Item:
        if request.headers.get("x-api-key") != self.api_key:
            return anthropic_error(401, "authentication_error", "invalid x-api-key")
        if fault := fault_of(request):
            self.requests.append(request)
            return anthropic_error(400, "invalid_request_error", fault)
        return super().take(request)

    def usage(self, reply: Reply, request: Request) -> dict[str, Any] | None:
        if reply.usage != "auto":
            return reply.usage
        self.bills.append(self.cache.count(request.body))
        return {**self.bills[-1], "output_tokens": tokens(reply.text) + tokens(reply.reasoning)}
