"""A reply put together from the chunks of a stream, or read from one whole answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentloop_nb.protocols import Delta

_THOUGHT = re.compile(r"\A\s*<think>(.*?)</think>\s*", re.DOTALL)
_REASONING = ("reasoning_content", "reasoning")
"""Where servers put what a model thinks: llama.cpp, DeepSeek, older vLLM; Ollama, newer vLLM, OpenRouter."""


@dataclass
class Fold:
    """The reply so far."""

    _text: list[str] = field(default_factory=list)
    _reasoning: list[str] = field(default_factory=list)
    refusal: str = ""
    finish_reason: str = ""
    model: str = ""
    usage: Mapping[str, Any] | None = None
    begun: bool = False
    """Anything came at all."""

    def take(self, chunk: Mapping[str, Any]) -> Delta | None:
        """Take in a chunk (with a `delta`) or a whole answer (with a `message`); return what is new to a reader."""
        self.begun = True
        self.model = str(chunk.get("model") or self.model)
        self.usage = chunk.get("usage") or self.usage
        for choice in (chunk.get("choices") or ())[:1]:
            self.finish_reason = str(choice.get("finish_reason") or self.finish_reason)
            part = choice.get("delta") or choice.get("message") or {}
            self.refusal += part.get("refusal") or ""
            text, reasoning = _pieces(part)
            self._text.append(text)
            self._reasoning.append(reasoning)
            if text or reasoning:
                return Delta(text=text, reasoning=reasoning)
        return None

    @property
    def text(self) -> str:
        """What the model answered, without thoughts that it wrote into its answer."""
        return _THOUGHT.sub("", "".join(self._text))

    @property
    def reasoning(self) -> str:
        """What the model thought, as far as the server shows it."""
        thought = _THOUGHT.match("".join(self._text))
        return "".join(self._reasoning) + (thought[1].strip() if thought else "")

    @property
    def written(self) -> str:
        """Everything that was generated, to estimate its tokens."""
        return "".join(self._reasoning) + "".join(self._text) + self.refusal

    @property
    def whole(self) -> bool:
        """The reply came to its end: the server said so, or what came is one complete JSON object."""
        if self.finish_reason:
            return True
        return is_object(self.text)


def is_object(text: str) -> bool:
    """Whether a text is one complete JSON object."""
    if not text.rstrip().endswith("}"):
        return False
    try:
        return isinstance(json.loads(text, strict=False), dict)
    except (json.JSONDecodeError, RecursionError):
        return False


def _pieces(part: Mapping[str, Any]) -> tuple[str, str]:
    """Text and reasoning of a delta; some servers send the content as a list of typed parts."""
    reasoning = next((part[key] for key in _REASONING if isinstance(part.get(key), str)), "")
    content = part.get("content") or ""
    if isinstance(content, str):
        return content, reasoning
    text = "".join(str(item.get("text") or "") for item in content if isinstance(item, Mapping))
    return text, reasoning
