"""What one model on one server accepts: learned from its refusals, remembered for the life of the process."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from pydantic import BaseModel

from agentloop_nb.models import responses
from agentloop_nb.models.refusal import UNSUPPORTED, Refusal
from agentloop_nb.models.schema import decision_schema
from agentloop_nb.protocols import Message


class Rung(IntEnum):
    """How a decision's shape is asked for, most reliable first. The prompt describes it in words on every rung."""

    STRICT = 0
    SCHEMA = 1
    OBJECT_SCHEMA = 2
    """`json_object` with the schema beside it, as llama-cpp-python takes it."""
    OBJECT = 3
    TOOL = 4
    """The decision as the arguments of a function call."""
    PROMPTED = 5


_FORMAT = re.compile(
    r"response_format|json_object|schema|grammar|structured|unavailable now|requested parameters|\bstrict\b"
    r"|json_validate|failed_generation|\btools?\b|tool_choice|function.?call",
    re.IGNORECASE,
)
_STEP_DOWN_ON = {400, 404, 415, 422, 500, 501}
_IMAGES = re.compile(r"image|vision|multi-?modal|content must be a string|str(?:ing)? type expected", re.IGNORECASE)
_SYSTEM = re.compile(
    r"(?:system|developer) (?:role|message|prompt|instruction)s?\b.{0,40}(?:not|n't|unsupported|disallowed)"
    r"|(?:not|n't|un)\s?support.{0,40}\b(?:system|developer)\b|does not support '(?:system|developer)'"
    r"|(?:unexpected|unsupported|invalid|unknown) (?:message )?role:? ?['\"`]?(?:system|developer)"
    r"|\bsystem\b.{0,30}\b(?:is|are) (?:not |un)(?:allowed|supported|valid)"
    r"|only .{0,12}user.{0,8} and .{0,5}(?:assistant|model).{0,5} roles"
    r"|conversation roles must alternate user|(?:input should be|must be) ['\"]user['\"] or ['\"](?:assistant|model)",
    re.IGNORECASE | re.DOTALL,
)
_TOO_LARGE = re.compile(
    r"too large|too high|at most|maximum|exceed|less than|range|between|(?:must|should) be|up to|(?:in|ex)clusive"
    r"|<=|>|≤",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.])(\d{1,3}(?:,\d{3}){1,6}|\d{1,20})\b(?!\.\d)(\s*\(exclusive\)|\s*\))?")
_BELOW = re.compile(r"(?:less than|lower than|smaller than|below|under|<)[^\w=]{0,20}\Z", re.IGNORECASE)
_RESPONSES = re.compile(r"v1/responses|responses api|not a chat model", re.IGNORECASE)
_EFFORT = re.compile(r"think|reason|effort|requested parameters", re.IGNORECASE)
_EFFORTS = {"reasoning_effort", "reasoning"}
"""Parameters that say how much to think."""
_KEPT = {"model", "messages", "input", "response_format", "text", "tools"}
"""What no request can do without, or what the ladder decides on."""
_LENGTHS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_LENGTH_NAMES = (
    *_LENGTHS,
    "max_output_tokens",
    "maxOutputTokens",
    "max_new_tokens",
    "num_predict",
    "max_length",
    "max tokens",
    "completion tokens",
    "output tokens",
)
"""What refusals call the bound of a reply."""


_LIMITS = re.compile("maxItems|maxLength", re.IGNORECASE)


@dataclass
class Dialect:
    """The wire as one model on one server takes it."""

    rung: Rung = Rung.STRICT
    length: str = "max_tokens"
    """The name of the parameter that bounds a reply."""
    longest: int | None = None
    """The most tokens the server lets a reply have, if it said so."""
    dropped: set[str] = field(default_factory=set)
    """Parameters it refused by name."""
    images: bool = True
    system: bool = True
    """It takes a system message; else its text goes first in the first of the user's."""
    limits: bool = True
    """It takes limits (`maxItems`, `maxLength`) in a schema."""
    brief: bool = False
    """The model is a small one, whose reasoning is bounded."""
    swapped: bool = False
    """The other name of `length` was refused before."""
    responses: bool = False
    """The model is offered by the Responses API alone."""

    def body(
        self,
        messages: Sequence[Message],
        *,
        final: bool,
        max_tokens: int | None,
        options: dict[str, Any],
        only: tuple[str, ...] = (),
        actions: tuple[type[BaseModel], ...] = (),
    ) -> dict[str, Any]:
        """Compose a request; `options` are sent as they are, unless they were refused."""
        told = messages if self.system else without_system(messages)
        body: dict[str, Any] = {"messages": [self._message(message) for message in told], **options}
        if "cache_control" in options.keys() - self.dropped:
            _mark_beginning(body["messages"], options["cache_control"])
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        if max_tokens is not None:
            body[self.length] = min(max_tokens, self.longest or max_tokens)
        schema = decision_schema(final=final, only=only, limits=self.limits, brief=self.brief, actions=actions)
        if self.rung is Rung.TOOL:
            body |= _as_tool(schema)
        elif (shape := self._format(schema)) is not None:
            body["response_format"] = shape
        body = {name: value for name, value in body.items() if name not in self.dropped}
        if self.responses:
            return responses.as_body(told, body, images=self.images, dropped=self.dropped)
        return body

    def bound(self, body: dict[str, Any]) -> int | None:
        """Return the most tokens that a reply to this request may have."""
        bound: int | None = body.get(self.length)
        return bound

    def _message(self, message: Message) -> dict[str, Any]:
        if not (message.images and self.images):
            return {"role": message.role, "content": message.content}
        parts: list[dict[str, Any]] = [{"type": "text", "text": message.content}]
        for image in message.images:
            address = f"data:{image.media_type};base64,{image.base64}"
            parts.append({"type": "image_url", "image_url": {"url": address, "detail": "low"}})
        return {"role": message.role, "content": parts}

    def _format(self, schema: dict[str, Any]) -> dict[str, Any] | None:
        match self.rung:
            case Rung.STRICT:
                return {"type": "json_schema", "json_schema": {"name": "decision", "strict": True, "schema": schema}}
            case Rung.SCHEMA:
                return {"type": "json_schema", "json_schema": {"name": "decision", "schema": schema}}
            case Rung.OBJECT_SCHEMA:
                return {"type": "json_object", "schema": schema}
            case Rung.OBJECT:
                return {"type": "json_object"}
            case Rung.TOOL | Rung.PROMPTED:
                return None

    def adapt(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        """Learn from a refusal of `body`; False when it names nothing that could be asked for differently."""
        if refusal.status not in _STEP_DOWN_ON or refusal.is_overflow:
            return False
        return (
            self._use_responses(refusal)
            or self._stop_thinking(refusal, body)
            or (refusal.status in (400, 422) and (self._lower(refusal, body) or self._drop(refusal, body)))
            or self._stop_showing(refusal, body)
            or self._stop_instructing(refusal, body)
            or self._stop_limiting(refusal, body)
            or self._step_down(refusal, body)
        )

    def _lower(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        """Shorten replies to what the server allows: `max_tokens is too large: 8192; at most 4096`."""
        allowed = lowered(refusal, body.get(self.length))
        self.longest = allowed or self.longest
        return allowed is not None

    def _use_responses(self, refusal: Refusal) -> bool:
        if self.responses or not _RESPONSES.search(refusal.message):
            return False
        self.responses, self.length = True, "max_output_tokens"
        return True

    def _stop_thinking(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        """Say no more how much to think, where the model does not: `"llama3" does not support thinking`."""
        told = f"{refusal.param} {refusal.message}"
        if not _EFFORTS & body.keys() or not _EFFORT.search(told) or not UNSUPPORTED.search(f"{told} requested only"):
            return False
        self.dropped |= _EFFORTS
        return True

    def _drop(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        if self.length in body and self.length in _LENGTHS and not self.swapped and refusal.names((self.length,)):
            self.length, self.swapped = _LENGTHS[self.length], True
            return True
        for name in body.keys() - {*_KEPT, *_LENGTHS}:
            if refusal.names((name,)):
                self.dropped |= {name, "stream_options"} if name == "stream" else {name}
                return True
        return False

    def _stop_showing(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        shown = any(isinstance(message["content"], list) for message in _messages(body))
        if not shown or not _IMAGES.search(refusal.text):
            return False
        self.images = False
        return True

    def _stop_instructing(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        if _messages(body)[0]["role"] != "system" or not _SYSTEM.search(refusal.text):
            return False
        self.system = False
        return True

    def _stop_limiting(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        if not self.limits or not _has_format(body) or not _LIMITS.search(refusal.text):
            return False
        self.limits = False
        return True

    def _step_down(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        if not _has_format(body) or not _FORMAT.search(f"{refusal.param} {refusal.text}"):
            return False
        self.rung = Rung(self.rung + 1)
        return True


def without_system(messages: Sequence[Message]) -> list[Message]:
    """Move the system's text to the start of the first message of the user's."""
    rules = [message.content for message in messages if message.role == "system"]
    rest = [message for message in messages if message.role != "system"]
    if not rules:
        return rest
    first = rest[0] if rest and rest[0].role == "user" else Message(role="user", content="")
    joined = first.model_copy(update={"content": "\n\n".join(filter(None, [*rules, first.content]))})
    return [joined, *(rest[1:] if rest and rest[0].role == "user" else rest)]


def _mark_beginning(messages: list[dict[str, Any]], mark: Any) -> None:
    """Have the rules and the first message kept by themselves: a shortened transcript still begins with them.

    The end of a request is marked by the parameter itself.
    """
    for message in messages[:2]:
        if isinstance(message["content"], str):
            message["content"] = [{"type": "text", "text": message["content"], "cache_control": mark}]


def _as_tool(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the one function that a model has to call, its arguments being the decision."""
    function = {"name": "decide", "description": "Say which action to take next, and why.", "parameters": schema}
    return {
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "decide"}},
    }


def _has_format(body: dict[str, Any]) -> bool:
    return not body.keys().isdisjoint(("response_format", "text", "tools"))


def _messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of a request, whichever API it is for."""
    messages: list[dict[str, Any]] = body.get("messages") or body["input"]
    return messages


def lowered(refusal: Refusal, asked: int | None) -> int | None:
    """Return the length of a reply that is allowed, where a refusal says that the one asked for is not."""
    named = refusal.param in _LENGTH_NAMES or any(name in refusal.text for name in _LENGTH_NAMES)
    if asked is None or not named or not _TOO_LARGE.search(refusal.text):
        return None
    return max((number for number in _numbers(refusal.text) if 16 <= number < asked), default=None)


def _numbers(text: str) -> Iterator[int]:
    """Yield the numbers of a text as the largest that it allows: `to 4097 (exclusive)`, `less than 4097`, `4097)`."""
    for found in _NUMBER.finditer(text):
        number = int(found[1].replace(",", ""))
        opened = text.rfind("[", 0, found.start()) > text.rfind("]", 0, found.start())
        after = (found[2] or "").strip()
        exclusive = (
            after == "(exclusive)"
            or (after == ")" and opened)
            or _BELOW.search(text[max(0, found.start() - 40) : found.start()])
        )
        yield number - 1 if exclusive else number


_KNOWN: dict[tuple[str, str], Dialect] = {}


def dialect_of(base_url: str, model: str) -> Dialect:
    """Return what is known of a model on a server; OpenAI's own name for a reply's length differs from everybody's."""
    own = "api.openai.com" in base_url
    return _KNOWN.setdefault((base_url, model), Dialect(length="max_completion_tokens" if own else "max_tokens"))
