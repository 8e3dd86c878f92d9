"""A reply put together from the chunks of a stream, or read from one whole answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from agentloop_nb._internal.thoughts import decision_in, is_object, split
from agentloop_nb.models.cells import CellReader
from agentloop_nb.models.repeated_text import Repetition, before_prose, ended_after_prints, shortened
from agentloop_nb.models.salvage import salvaged
from agentloop_nb.models.usage import merge
from agentloop_nb.protocols import Delta

_REASONING = ("reasoning_content", "reasoning", "thinking")
"""Where servers put what a model thinks: llama.cpp, DeepSeek, older vLLM; Ollama, newer vLLM, OpenRouter; others."""
_ENDINGS = {
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "safety": "content_filter",
    "prohibited_content": "content_filter",
    "blocklist": "content_filter",
    "end_turn": "stop",
    "eos": "stop",
    "tool_calls": "stop",
    "tool_use": "stop",
    "function_call": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "model_context_window_exceeded": "context",
}
"""What servers call the end of a reply, where it is not OpenAI's word."""


@dataclass
class ReplyAssembler:
    """The reply so far."""

    _text: list[str] = field(default_factory=list)
    _reasoning: list[str] = field(default_factory=list)
    _calls: list[str] = field(default_factory=list)
    """Arguments of a function call, where a server takes the decision for one."""
    refusal: str = ""
    finish_reason: str = ""
    model: str = ""
    usage: Mapping[str, Any] | None = None
    begun: bool = False
    """Anything came at all."""
    size: int = 0
    """Characters so far."""
    pieces: int = 0
    """Chunks that brought text; a token each with most servers."""
    _repetition: Repetition = field(default_factory=Repetition)
    _reader: CellReader | None = None
    """Reads the code of a cell as a decision."""

    @classmethod
    def of_a_small_model(cls, reader: CellReader | None = None) -> ReplyAssembler:
        """Begin a reply that is cut off sooner when it repeats itself, and may be the code of a cell."""
        return cls(_repetition=Repetition(small=True), _reader=reader)

    def take(self, chunk: Mapping[str, Any]) -> Delta | None:
        """Take in a chunk (with a `delta`) or a whole answer (with a `message`); return what is new to a reader."""
        self.begun = True
        self.model = str(chunk.get("model") or self.model)
        self.usage = merge(self.usage, *_usages(chunk))
        if (progress := _progress(chunk)) is not None:
            return progress
        choice = _first(chunk.get("choices"))
        reason = str(choice.get("finish_reason") or "").lower()
        self.finish_reason = _ENDINGS.get(reason, reason) or self.finish_reason
        return self._take(choice)

    def _as_decision(self, text: str) -> str:
        if self._reader is None:
            return text
        return self._reader.feed(text) + (self._reader.end() if self.finish_reason == "stop" else "")

    def _take(self, choice: Mapping[str, Any]) -> Delta | None:
        part = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
        again = "message" in choice and not choice.get("delta") and self.pieces
        if not isinstance(part, dict) or again:
            return None  # the whole message once more, after its pieces
        self.__dict__.pop("_split", None)
        self.refusal += part["refusal"] if isinstance(part.get("refusal"), str) else ""
        called = _arguments(part)
        written, reasoning = _content(part)
        text = self._as_decision(written)
        if not (written or text or reasoning or called):
            return None
        self._text.append(text)
        self._reasoning.append(reasoning)
        self._calls.append(called)
        self.pieces += 1
        self.size += len(written) + len(reasoning) + len(called)
        self._repetition.feed(text or called or reasoning)
        return Delta(text=text + called, reasoning=reasoning) if text or called or reasoning else None

    @property
    def repeats(self) -> bool:
        """The reply says the same again and again, so that it has no end of its own."""
        return self._repetition.found

    def is_longer_than(self, tokens: int) -> bool:
        """Tell whether the reply has outgrown its bound for certain, so the server does not keep to it."""
        return self.pieces > 1.25 * tokens + 64 or self.size > 16 * tokens + 4000

    def cut(self) -> None:
        """End a reply that does not end: what was repeated is kept once, so that it is not copied from there."""
        endless = "repetition" if self.repeats else "length"
        self.finish_reason = "stop" if decision_in("".join([*self._text, *self._calls])) else endless
        small = self._repetition.small
        written = "".join(self._text)
        if small and (ended := before_prose(written) or ended_after_prints(written, least=2)) is not None:
            self._text, self.finish_reason = [ended], "stop"
            self.__dict__.pop("_split", None)
            return
        self._text = [shortened("".join(self._text), small=small)]
        if small and self.repeats and (whole := salvaged(self._text[0])) is not None:
            self._text, self.finish_reason = [whole], "stop"
        self._calls = [shortened("".join(self._calls), small=small)]
        self._reasoning = [shortened("".join(self._reasoning), small=small)]
        self.__dict__.pop("_split", None)

    @cached_property
    def _split(self) -> tuple[str, str]:
        """Thoughts written into the answer, and the answer; a decision that came in another field is the answer."""
        thoughts, text = split("".join(self._text))
        reasoning = "".join(self._reasoning)
        called = "".join(self._calls)
        if called.strip() and decision_in(text) is None:  # what was said beside a call is no part of the decision
            return "\n".join(filter(None, (reasoning + thoughts, text.strip()))), called
        if not text.strip() and (found := decision_in(reasoning)) is not None:
            around = f"{reasoning[: found.start]} {reasoning[found.end :]}".strip()
            return around, reasoning[found.start : found.end]
        return reasoning + thoughts, text

    @property
    def text(self) -> str:
        """What the model answered, without thoughts that it wrote into its answer."""
        return self._split[1]

    @property
    def reasoning(self) -> str:
        """What the model thought, as far as the server shows it."""
        return self._split[0]

    @property
    def written(self) -> str:
        """Everything that was generated, to estimate its tokens."""
        return "".join([*self._reasoning, *self._text, *self._calls, self.refusal])

    @property
    def whole(self) -> bool:
        """The reply came to its end: the server said so, or what came is one complete JSON object."""
        if self.finish_reason:
            return self.finish_reason != "error"
        return is_object(self.text)


def _first(choices: object) -> Mapping[str, Any]:
    """Return the first choice, or an empty one."""
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice if isinstance(choice, dict) else {}


def _usages(chunk: Mapping[str, Any]) -> Iterator[object]:
    """Yield every place where a server may report usage: the chunk, its choice, Groq's own field."""
    yield chunk.get("usage")
    yield _first(chunk.get("choices")).get("usage")
    groq = chunk.get("x_groq")
    yield groq.get("usage") if isinstance(groq, dict) else None


def _progress(chunk: Mapping[str, Any]) -> Delta | None:
    """Return how much of the prompt llama.cpp's server has read."""
    told = chunk.get("prompt_progress")
    if not isinstance(told, dict):
        return None
    done, total = told.get("processed"), told.get("total")
    if not isinstance(done, int) or not isinstance(total, int) or total <= 0:
        return None
    return Delta(status=f"reading the prompt, {done:,} of {total:,}")


def _arguments(part: Mapping[str, Any]) -> str:
    if not (part.get("tool_calls") or part.get("function_call")):
        return ""
    calls = part.get("tool_calls") or [{"function": part.get("function_call")}]
    call = calls[0] if isinstance(calls, list) and isinstance(calls[0], dict) else {}
    function = call.get("function")
    given = function.get("arguments") if isinstance(function, dict) else None
    if isinstance(given, dict):
        return json.dumps(given)
    return given if isinstance(given, str) else ""


def _content(part: Mapping[str, Any]) -> tuple[str, str]:
    """Text and reasoning of a delta; the content may be a string, typed parts, or the decision as an object."""
    reasoning = next((part[key] for key in _REASONING if isinstance(part.get(key), str) and part[key]), "")
    content = part.get("content")
    if content is None:
        content = part.get("parsed")
    if not reasoning and isinstance(part.get("reasoning_details"), list):
        reasoning = "".join(text + thought for text, thought in map(_part, part["reasoning_details"]))
    if isinstance(content, list):
        parts = [_part(item) for item in content]
        return "".join(text for text, _ in parts), reasoning + "".join(thought for _, thought in parts)
    text, thought = _part(content)
    return text, reasoning + thought


def _part(item: object) -> tuple[str, str]:
    """Text and thought of one part of a content."""
    if isinstance(item, str):
        return item, ""
    if not isinstance(item, dict):
        return "", ""
    if "action" in item or item.keys() == {"json"}:
        return json.dumps(item.get("json", item)), ""
    inner = next((item[key] for key in ("text", "thinking", "reasoning", "json", "content") if item.get(key)), "")
    if isinstance(inner, dict):
        inner = inner.get("value") or json.dumps(inner)
    if isinstance(inner, list):
        inner = "".join(text + thought for text, thought in map(_part, inner))
    is_thought = str(item.get("type") or "").startswith(("thinking", "reasoning", "thought"))
    return ("", str(inner)) if is_thought else (str(inner), "")
