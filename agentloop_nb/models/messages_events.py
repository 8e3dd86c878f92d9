"""The events of Anthropic's Messages API as chunks of chat completions, which the reply is put together from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentloop_nb.models.json_values import mapping
from agentloop_nb.protocols.tokens import tokens_in


@dataclass
class MessagesReader:
    """Reads one answer, streamed or whole. The input of the first tool call is the decision, so it is the text."""

    _usage: dict[str, int] = field(default_factory=dict)
    _call: int | None = None
    """The block that is the decision."""
    _thoughts: list[str] = field(default_factory=list)

    def __call__(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """Turn an event into a chunk; None for one that carries nothing (`ping`, the end of a block)."""
        if event.get("error"):
            return event
        chunk: dict[str, Any] | None
        match event.get("type"):
            case "message_start":
                chunk = self._started(mapping(event.get("message")))
            case "content_block_start":
                chunk = self._block(_index(event), mapping(event.get("content_block")))
            case "content_block_delta":
                chunk = self._piece(_index(event), mapping(event.get("delta")))
            case "message_delta":
                chunk = self._ended(event)
            case "message":
                chunk = self._whole(event)
            case None:  # an error in other words
                chunk = event
            case _:
                chunk = None
        return chunk

    def _started(self, message: Mapping[str, Any]) -> dict[str, Any]:
        self._count(message.get("usage"))
        return {"model": message.get("model"), "choices": []}

    def _block(self, index: int, block: Mapping[str, Any]) -> dict[str, Any] | None:
        """Begin a block; some servers send all of its content here."""
        kind = block.get("type")
        if kind == "tool_use" and self._call is None:
            self._call = index
            given = block.get("input")
            return _chunk(content=json.dumps(given, ensure_ascii=False)) if given else None
        return self._part(block)

    def _piece(self, index: int, delta: Mapping[str, Any]) -> dict[str, Any] | None:
        if delta.get("type") == "input_json_delta":
            return _chunk(content=str(delta.get("partial_json") or "")) if index == self._call else None
        return self._part(delta)

    def _part(self, part: Mapping[str, Any]) -> dict[str, Any] | None:
        """Text or thoughts; signatures and hidden thoughts are nothing to read, and are never sent back."""
        match part.get("type"):
            case "text" | "text_delta":
                return _chunk(content=str(part.get("text") or "")) if self._call is None else None
            case "thinking" | "thinking_delta":
                self._thoughts.append(str(part.get("thinking") or ""))
                return _chunk(reasoning=self._thoughts[-1])
            case _:
                return None

    def _ended(self, event: Mapping[str, Any]) -> dict[str, Any]:
        delta = mapping(event.get("delta"))
        self._count(event.get("usage"))
        return self._final(delta.get("stop_reason"))

    def _whole(self, message: Mapping[str, Any]) -> dict[str, Any]:
        self._count(message.get("usage"))
        said = {"content": "", "reasoning": ""}
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else []):
            chunk = self._block(index, mapping(block))
            delta = chunk["choices"][0]["delta"] if chunk else {}
            said = {name: text + delta.get(name, "") for name, text in said.items()}
        final = self._final(message.get("stop_reason") or "end_turn")
        final["choices"][0]["delta"] = said
        return {**final, "model": message.get("model")}

    def _final(self, reason: object) -> dict[str, Any]:
        return {"choices": [{"delta": {}, "finish_reason": reason}], "usage": self._told}

    def _count(self, usage: object) -> None:
        """Take in counts, which only grow: the input is told at the start, on newer servers again at the end."""
        told = mapping(usage)
        for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens"):
            value = told.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                self._usage[name] = max(value, self._usage.get(name, 0))
        details = mapping(told.get("output_tokens_details"))
        thought = details.get("thinking_tokens") or details.get("reasoning_tokens")
        if isinstance(thought, int):
            self._usage["reasoning"] = thought

    @property
    def _told(self) -> dict[str, Any] | None:
        """The counts in the form of chat completions, where the input includes what was cached."""
        if not self._usage:
            return None
        read, written = self._usage.get("cache_read_input_tokens", 0), self._usage.get("cache_creation_input_tokens", 0)
        return {
            "prompt_tokens": self._usage.get("input_tokens", 0) + read + written,
            "completion_tokens": self._usage.get("output_tokens", 0),
            "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
            "completion_tokens_details": {"reasoning_tokens": self._thought},
        }

    @property
    def _thought(self) -> int:
        """Tokens of thoughts: as told, else estimated, since they are billed within the output without being named."""
        return self._usage.get("reasoning") or tokens_in("".join(self._thoughts))


def _chunk(**delta: str) -> dict[str, Any] | None:
    return {"choices": [{"delta": delta}]} if any(delta.values()) else None


def _index(event: Mapping[str, Any]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0
