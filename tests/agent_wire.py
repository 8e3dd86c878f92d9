"""A scripted model server for agents nobody here wrote, in the three protocols that they speak.

An agent asks for more than its script has: a title, a summary, whether its key works. Such requests offer no tool of
ours, and are answered by a word.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from tests.wire import Answer, Handler, Raw, Request, Wire

_numbers = itertools.count(1)


class Call(NamedTuple):
    """The model calls a tool of ours."""

    tool: str
    arguments: dict[str, Any]


Say = Call | str
TOOL = "run_code"
"""A tool that is ours."""


class AgentHandler(Handler):
    """Answers every path that an agent asks."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        item = self.wire.take(Request(self.path, dict(self.headers), body, 0))
        if isinstance(item, Raw):
            self._raw(item)
        else:
            self._answer(Answer(status=200, body=item))


class AgentWire(Wire):
    """The server: `script` is what the model does, turn by turn."""

    handler: type[BaseHTTPRequestHandler] | None = AgentHandler

    def __init__(self, script: Iterable[Say]) -> None:
        self._turns = iter(script)
        super().__init__(self._reply)

    @property
    def address(self) -> str:
        """As ANTHROPIC_BASE_URL has it."""
        return self.base_url.removesuffix("/v1")

    def _reply(self, request: Request) -> Any:
        prefix = _prefix(request.body)
        say: Say = "An analysis" if prefix is None else next(self._turns, "I am done.")
        path = request.path.partition("?")[0]
        if path.endswith("/count_tokens"):
            return {"input_tokens": 10}
        if path.endswith("/messages"):
            return _events(_messages(say, prefix or "", request.body["model"]))
        if path.endswith("/responses"):
            return _events(_responses(say, prefix or ""))
        chunks = [f"data: {json.dumps(each)}\n\n".encode() for each in _completion(say, prefix or "")]
        return Raw(pieces=[*chunks, b"data: [DONE]\n\n"])


def _prefix(body: dict[str, Any]) -> str | None:
    """What the agent puts before the names of our tools, a namespace's name and a dot included; None without them."""
    for tool in body.get("tools") or ():
        if tool.get("type") == "namespace" and any(each["name"] == TOOL for each in tool["tools"]):
            return f"{tool['name']}."
        name = str((tool.get("function") or tool).get("name"))
        if name.endswith(TOOL):
            return name.removesuffix(TOOL)
    return None


def _events(events: Iterable[dict[str, Any]]) -> Raw:
    return Raw(pieces=[f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events])


def _completion(say: Say, prefix: str) -> Iterable[dict[str, Any]]:
    """OpenAI's chat completions."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
    delta: dict[str, Any] = {"role": "assistant"}
    if isinstance(say, str):
        delta["content"], reason = say, "stop"
    else:
        function = {"name": prefix + say.tool, "arguments": json.dumps(say.arguments)}
        call = {"index": 0, "id": f"call_{next(_numbers)}", "type": "function", "function": function}
        delta["tool_calls"], reason = [call], "tool_calls"
    yield head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    yield head | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": usage}


def _messages(say: Say, prefix: str, model: str) -> Iterable[dict[str, Any]]:
    """Anthropic's messages."""
    usage = {"input_tokens": 10, "output_tokens": 5}
    message = {"id": f"msg_{next(_numbers)}", "type": "message", "role": "assistant", "model": model, "content": []}
    yield {"type": "message_start", "message": message | {"usage": usage, "stop_reason": None, "stop_sequence": None}}
    if isinstance(say, str):
        block, delta, reason = {"type": "text", "text": ""}, {"type": "text_delta", "text": say}, "end_turn"
    else:
        block = {"type": "tool_use", "id": f"toolu_{next(_numbers)}", "name": prefix + say.tool, "input": {}}
        delta, reason = {"type": "input_json_delta", "partial_json": json.dumps(say.arguments)}, "tool_use"
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}
    yield {"type": "message_stop"}


def _responses(say: Say, prefix: str) -> Iterable[dict[str, Any]]:
    """OpenAI's responses."""
    number, space = next(_numbers), prefix.removesuffix(".")
    item: dict[str, Any] = {"status": "completed"}
    if isinstance(say, str):
        content = [{"type": "output_text", "text": say, "annotations": []}]
        item |= {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": content}
    else:
        item |= {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": say.tool}
        item |= {"arguments": json.dumps(say.arguments), "namespace": space}
    usage: dict[str, Any] = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    usage |= {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    head = {"id": f"resp_{number}", "object": "response", "created_at": 1, "model": "scripted"}
    yield {"type": "response.created", "response": head | {"status": "in_progress", "output": []}}
    yield {"type": "response.output_item.added", "output_index": 0, "item": item}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": "response.completed", "response": head | {"status": "completed", "output": [item], "usage": usage}}
