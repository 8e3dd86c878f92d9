"""What one Claude model accepts on Anthropic's Messages API: learned from its refusals, remembered for the process."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from pydantic import BaseModel

from agentloop_nb.models.dialect import lowered
from agentloop_nb.models.refusal import Refusal
from agentloop_nb.models.schema import decision_schema
from agentloop_nb.protocols import Message
from agentloop_nb.settings.table import Effort

TOOL = "decide"
MAX_TOKENS = 8192
"""Of a reply, where nobody set a bound: this API wants one always."""
LEAST_THINKING, LEAST_ANSWER = 1024, 1024
"""Tokens: the smallest budget for thoughts that is accepted, and what is left for the decision after them."""
_SHARES: dict[Effort, float] = {"low": 0.125, "medium": 0.5, "high": 0.75}
"""The part of a reply that may be thoughts."""
_EPHEMERAL = {"type": "ephemeral"}
_THINKING = re.compile(r"thinking|budget_tokens|effort|output_config|display", re.IGNORECASE)
_FORCED = re.compile(r"tool_choice|force[sd]?\b.{0,30}\btool|thinking.{0,60}tool use", re.IGNORECASE | re.DOTALL)
_TOOLS = re.compile(r"tool|input_schema|json.?schema|grammar|\bstrict\b|compiled", re.IGNORECASE)
_IMAGES = re.compile(r"\bimages?\b|vision|multi-?modal", re.IGNORECASE)
_FIXED = {"model", "messages", "max_tokens", "tools", "tool_choice", "thinking", "output_config"}
"""What is not simply left out when it is refused."""


class Rung(IntEnum):
    """How a decision's shape is asked for, most reliable first. The prompt describes it in words on every rung."""

    STRICT = 0
    """A tool whose input the server holds to its schema."""
    TOOL = 1
    PROMPTED = 2


class Thinking(IntEnum):
    """How a model is told to think, in the order in which it is tried."""

    BUDGET = 0
    """So many tokens."""
    ADAPTIVE = 1
    """As it sees fit, with more or less effort: the only way of newer models."""
    NONE = 2


@dataclass
class MessagesDialect:
    """The Messages API as one model takes it."""

    rung: Rung = Rung.STRICT
    thinking: Thinking = Thinking.BUDGET
    effort: Effort | None = None
    forced: bool = True
    """The tool may be forced; never together with thoughts."""
    longest: int | None = None
    """The most tokens the server lets a reply have, if it said so."""
    images: bool = True
    system_blocks: bool = True
    """It takes the system's text in blocks, which can be cached; else as one string."""
    dropped: set[str] = field(default_factory=set)
    """Parameters it refused by name."""

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
        longest = min(max_tokens or MAX_TOKENS, self.longest or MAX_TOKENS * 8)
        thoughts = self._thoughts(longest)
        body: dict[str, Any] = {**options, **thoughts, "max_tokens": longest, "stream": True}
        if thoughts:
            body.pop("temperature", None)
        if self.rung is not Rung.PROMPTED:
            schema = decision_schema(final=final, only=only, limits=False, actions=actions)
            body |= self._tool(schema, thinks=bool(thoughts))
        rules = "\n\n".join(message.content for message in messages if message.role == "system")
        if rules:
            body["system"] = [_text(rules)] if self.system_blocks else rules
        body["messages"] = [self._message(message) for message in messages if message.role != "system"]
        if "cache_control" not in self.dropped:
            set_cache_points(body)
        return {name: value for name, value in body.items() if name not in self.dropped}

    def bound(self, body: dict[str, Any]) -> int | None:
        """Return the most tokens that a reply to this request may have."""
        bound: int = body["max_tokens"]
        return bound

    def _thoughts(self, longest: int) -> dict[str, Any]:
        if self.effort is None or self.thinking is Thinking.NONE:
            return {}
        if self.thinking is Thinking.ADAPTIVE:
            told = {"type": "adaptive", "display": "summarized"}
            if "display" in self.dropped:
                del told["display"]
            return {"thinking": told, "output_config": {"effort": self.effort}}
        budget = min(max(int(longest * _SHARES[self.effort]), LEAST_THINKING), longest - LEAST_ANSWER)
        return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget >= LEAST_THINKING else {}

    def _tool(self, schema: dict[str, Any], *, thinks: bool) -> dict[str, Any]:
        tool: dict[str, Any] = {
            "name": TOOL,
            "description": "Say which action to take next, and why. Call it exactly once in every reply.",
            "input_schema": schema,
        }
        if self.rung is Rung.STRICT:
            tool["strict"] = True
        kind: dict[str, Any] = {"type": "tool", "name": TOOL} if self.forced and not thinks else {"type": "auto"}
        if "disable_parallel_tool_use" not in self.dropped:
            kind["disable_parallel_tool_use"] = True
        return {"tools": [tool], "tool_choice": kind}

    def _message(self, message: Message) -> dict[str, Any]:
        shown = message.images if self.images else ()
        pictures: list[dict[str, Any]] = [
            {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": image.base64}}
            for image in shown
        ]
        return {"role": message.role, "content": [*pictures, _text(message.content)]}

    def adapt(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        """Learn from a refusal of `body`; False when it names nothing that could be asked for differently."""
        if refusal.status not in (400, 404, 415, 422) or refusal.is_overflow:
            return False
        if (allowed := lowered(refusal, body["max_tokens"])) is not None:
            self.longest = allowed
            return True
        return (
            self._stop_forcing(refusal, body)
            or self._think_otherwise(refusal, body)
            or self._stop_caching(refusal, body)
            or self._drop(refusal, body)
            or self._stop_showing(refusal, body)
            or self._step_down(refusal, body)
        )

    def _stop_forcing(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        choice = body.get("tool_choice", {})
        if "disable_parallel_tool_use" in choice and "disable_parallel" in refusal.message:
            self.dropped.add("disable_parallel_tool_use")
            return True
        if choice.get("type") != "tool" or not _FORCED.search(refusal.message):
            return False
        self.forced = False
        return True

    def _think_otherwise(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        if "thinking" not in body or not _THINKING.search(refusal.message):
            return False
        if "display" in refusal.message and "display" in body["thinking"]:
            self.dropped.add("display")
        else:
            self.thinking = Thinking(self.thinking + 1)
        return True

    def _stop_caching(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        if "cache_control" in self.dropped or "cache_control" not in refusal.message:
            return self._flatten_system(refusal, body)
        self.dropped.add("cache_control")
        return True

    def _flatten_system(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        """Give the system's text as one string, as some servers of this API want it."""
        if not isinstance(body.get("system"), list) or not re.search(r"\bsystem\b.{0,40}\bstr", refusal.message):
            return False
        self.system_blocks = False
        return True

    def _drop(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        for name in body.keys() - _FIXED - {"system"}:
            if refusal.names((name,)):
                self.dropped.add(name)
                return True
        return False

    def _stop_showing(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        shown = any(part["type"] == "image" for message in body["messages"] for part in message["content"])
        if not shown or not _IMAGES.search(refusal.message):
            return False
        self.images = False
        return True

    def _step_down(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        if "tools" not in body or not _TOOLS.search(refusal.message):
            return False
        self.rung = Rung(self.rung + 1)
        return True


def _text(text: str) -> dict[str, Any]:
    """Return a block of text, which must not be empty; half characters are no JSON there."""
    return {"type": "text", "text": text.encode(errors="replace").decode() if text.strip() else "(empty)"}


def set_cache_points(body: dict[str, Any]) -> None:
    """Mark up to where a request is to be kept: rules with the tools, the first message, and the two newest.

    The server reads the longest marked beginning that it knows. The newest message is what the next request builds on;
    the one before it is found again where the newest was a repair, which is not told twice; the first ones are what a
    shortened transcript still shares. Four are allowed.
    """
    if isinstance(body.get("system"), list):
        body["system"][-1]["cache_control"] = _EPHEMERAL
    told = [message for message in body["messages"] if message["role"] == "user"]
    for message in [*told[:1], *told[1:][-2:]]:
        message["content"][-1]["cache_control"] = _EPHEMERAL


_KNOWN: dict[tuple[str, str, Effort | None], MessagesDialect] = {}


def messages_dialect_of(base_url: str, model: str, effort: Effort | None) -> MessagesDialect:
    """Return what is known of a model at an address."""
    return _KNOWN.setdefault((base_url, model, effort), MessagesDialect(effort=effort))
