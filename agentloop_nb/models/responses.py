"""OpenAI's Responses API, for models offered nowhere else: without state, with the same decision and accounting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentloop_nb.models.json_values import mapping
from agentloop_nb.protocols import Message

_SHARED = ("model", "temperature", "stream", "max_output_tokens", "prompt_cache_key")
"""Parameters that both APIs call by the same name."""
_ENDINGS = {"max_output_tokens": "length", "content_filter": "content_filter"}
_PIECES = {
    "response.output_text.delta": "content",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
}
"""Events that bring text, and what a chunk calls it."""
_PARTS = {
    "output_text": "content",
    "refusal": "refusal",
    "summary_text": "reasoning",
    "reasoning_text": "reasoning",
}
"""The same for the parts of a whole answer."""


def as_body(messages: Sequence[Message], chat: Mapping[str, Any], *, images: bool, dropped: set[str]) -> dict[str, Any]:
    """Turn a request for chat completions into one for this API; nothing is kept there, nor sent back of thoughts."""
    body: dict[str, Any] = {name: value for name, value in chat.items() if name in _SHARED}
    body |= {"input": [_message(message, images=images) for message in messages], "store": False}
    if "reasoning_effort" in chat:
        body["reasoning"] = {"effort": chat["reasoning_effort"], "summary": "auto"}
    if (shape := chat.get("response_format")) is not None:
        body["text"] = {"format": {"type": shape["type"], **shape.get("json_schema", {})}}
    return {name: value for name, value in body.items() if name not in dropped}


def _message(message: Message, *, images: bool) -> dict[str, Any]:
    if not (message.images and images):
        return {"role": message.role, "content": message.content}
    parts: list[dict[str, Any]] = [{"type": "input_text", "text": message.content}]
    for image in message.images:
        address = f"data:{image.media_type};base64,{image.base64}"
        parts.append({"type": "input_image", "image_url": address, "detail": "low"})
    return {"role": message.role, "content": parts}


def as_chunk(event: dict[str, Any]) -> dict[str, Any] | None:
    """Turn an event, or a whole answer, into a chunk of chat completions."""
    kind = str(event.get("type") or "")
    if (name := _PIECES.get(kind)) is not None:
        return {"choices": [{"delta": {name: str(event.get("delta") or "")}}]}
    if kind == "error":
        return {"error": event.get("error") or event}
    answer = event if event.get("object") == "response" else event.get("response")
    if not isinstance(answer, dict):
        return None if kind.startswith("response.") else event
    return _ended(answer, whole=answer is event)


def _ended(answer: Mapping[str, Any], *, whole: bool) -> dict[str, Any] | None:
    """Return the end of an answer, and its text where it came in one piece."""
    if answer.get("error") or answer.get("status") == "failed":
        return {"error": answer.get("error") or {"message": "the response failed", "type": "server_error"}}
    if answer.get("status") not in ("completed", "incomplete"):
        return None
    reason = str(mapping(answer.get("incomplete_details")).get("reason") or "")
    ending = "stop" if answer.get("status") == "completed" else _ENDINGS.get(reason, "length")
    choice: dict[str, Any] = {"finish_reason": ending, "delta": _said(answer) if whole else {}}
    return {"model": answer.get("model"), "choices": [choice], "usage": _usage(mapping(answer.get("usage")))}


def _said(answer: Mapping[str, Any]) -> dict[str, str]:
    said = {"content": "", "reasoning": "", "refusal": ""}
    for item in _list(answer.get("output")):
        for part in [*_list(item.get("summary")), *_list(item.get("content"))]:
            if (name := _PARTS.get(str(part.get("type")))) is not None:
                said[name] += str(part.get("text") or part.get("refusal") or "")
    return said


def _usage(told: Mapping[str, Any]) -> dict[str, Any] | None:
    if not told:
        return None
    return {
        "prompt_tokens": told.get("input_tokens"),
        "completion_tokens": told.get("output_tokens"),
        "total_tokens": told.get("total_tokens"),
        "prompt_tokens_details": told.get("input_tokens_details"),
        "completion_tokens_details": told.get("output_tokens_details"),
    }


def _list(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
