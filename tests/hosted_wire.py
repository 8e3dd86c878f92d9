"""Scripted servers of OpenAI's other doors: the Responses API, which some models are offered by alone, and Azure."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.wire import Answer, Handler, Raw, Reply, Request, Wire, as_item, cut, error

ONLY_RESPONSES = "This model is only supported in v1/responses and not in v1/chat/completions."


class ResponsesHandler(Handler):
    """Answers `/responses` in events, and sends everybody there who asks elsewhere."""

    wire: ResponsesWire

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        request = Request(
            self.path, {name.lower(): value for name, value in self.headers.items()}, body, time.monotonic()
        )
        if self.path == "/v1/chat/completions":
            self.wire.sent_on.append(body)
            told = self.wire.redirection
            self._answer(error(404, told, type="invalid_request_error", param="model"))
            return
        if self.path != "/v1/responses":
            self._answer(error(404, f"no such path: {self.path}"))
            return
        item = as_item(self.wire.take(request))
        if isinstance(item, Raw):
            self._raw(item)
        elif isinstance(item, Answer):
            self._answer(item)
        elif self.wire.streams:
            self._events(item, request)
        else:
            self._answer(Answer(status=200, body=self._response(item, request)))

    def _response(self, reply: Reply, request: Request) -> dict[str, Any]:
        kind = (
            {"type": "refusal", "refusal": reply.refusal}
            if reply.refusal
            else {"type": "output_text", "text": reply.text}
        )
        output: list[dict[str, Any]] = [{"type": "message", "role": "assistant", "content": [kind]}]
        if reply.reasoning:
            summary = [{"type": "summary_text", "text": reply.reasoning}]
            output.insert(0, {"type": "reasoning", "summary": summary})
        whole = reply.finish_reason == "stop"
        reason = {"length": "max_output_tokens"}.get(reply.finish_reason, reply.finish_reason)
        return {
            "object": "response",
            "status": "completed" if whole else "incomplete",
            "incomplete_details": None if whole else {"reason": reason},
            "model": request.body["model"],
            "error": None,
            "output": output,
            "usage": self.wire.counted(reply, request),
        }

    def _events(self, reply: Reply, request: Request) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        events = list(self._all_events(reply, request))
        for event in events[: reply.after] if reply.ending == "truncated" else events:
            self._send(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        self._send(b"")

    def _all_events(self, reply: Reply, request: Request) -> Iterator[dict[str, Any]]:
        whole = self._response(reply, request)
        begun = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
        yield {"type": "response.created", "response": begun}
        yield {"type": "response.in_progress", "response": begun}
        pieces = {
            "response.reasoning_summary_text.delta": reply.reasoning,
            "response.refusal.delta": reply.refusal,
            "response.output_text.delta": reply.text,
        }
        for kind, text in pieces.items():
            for piece in cut(text, reply.size):
                yield {"type": kind, "output_index": 0, "delta": piece}
        yield {"type": "response.output_text.done", "text": reply.text}
        if reply.ending == "error":
            failed = {**begun, "status": "failed", "error": {"code": "server_error", "message": "It broke"}}
            yield {"type": "response.failed", "response": failed}
            return
        yield {"type": f"response.{whole['status']}", "response": whole}


class ResponsesWire(Wire):
    """The server; `sent_on` are the requests that came to the wrong door."""

    handler = ResponsesHandler

    def __init__(self, *args: Any, redirection: str = ONLY_RESPONSES, **options: Any) -> None:
        super().__init__(*args, **options)
        self.redirection = redirection
        self.sent_on: list[dict[str, Any]] = []

    def counted(self, reply: Reply, request: Request) -> dict[str, Any] | None:
        """The usage under this API's names."""
        told = self.usage(
            reply, Request(request.path, request.headers, {"messages": request.body["input"]}, request.at)
        )
        return told and {
            "input_tokens": told["prompt_tokens"],
            "output_tokens": told["completion_tokens"],
            "total_tokens": told["total_tokens"],
            "input_tokens_details": told["prompt_tokens_details"],
            "output_tokens_details": told["completion_tokens_details"],
        }


class AzureHandler(Handler):
    """Answers for one deployment, to those who name a version and send their key in its own header."""

    wire: AzureWire

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        self.wire.queries.append(parse_qs(parts.query))
        if parts.path != "/openai/deployments/mine/chat/completions" or "api-version" not in parts.query:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(Answer(status=404, body={"error": {"code": "404", "message": "Resource not found"}}))
        elif self.headers.get("api-key") != self.wire.api_key or self.headers.get("authorization"):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told = "Access denied due to invalid subscription key or wrong API endpoint."
            self._answer(Answer(status=401, body={"error": {"code": "401", "message": told}}))
        else:
            self.path = "/v1/chat/completions"
            super().do_POST()


class AzureWire(Wire):
    """The server; its address ends in the version."""

    handler = AzureHandler

    def __init__(self, *args: Any, api_key: str = "azure-0123456789", **options: Any) -> None:
        super().__init__(*args, **options)
        self.api_key = api_key
        self.queries: list[dict[str, list[str]]] = []

    @property
    def address(self) -> str:
        """`http://127.0.0.1:PORT/openai/deployments/mine?api-version=2024-10-21`."""
        return f"{self.base_url.removesuffix('/v1')}/openai/deployments/mine?api-version=2024-10-21"
