"""What fits into a model's context window: the namespace, the transcript, and the reply."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agentloop_nb.models.usage import prompt_tokens
from agentloop_nb.protocols import Message, Usage
from agentloop_nb.protocols.tokens import tokens_in

NAMESPACE = 2000
"""Tokens that the description of the namespace may take where there is room."""
LEAST_NAMESPACE = 100
LONGEST_REPLY = 8192
"""Tokens of a reply where the window is large or not known."""
USEFUL_REPLY = 1024
"""Tokens of a reply that are left to a small window, as far as it has them."""
LEAST_REPLY = 256
LONGER = 2
"""How often the bound is doubled after a reply that was thought out to it, and said nothing."""
_FOR_THOUGHTS: dict[str | None, int] = {"medium": 1, "high": 2}
"""How often the bound is doubled beforehand, where a model was told to think."""
MARGIN = 32
"""Tokens that a chat template may add."""


def namespace_tokens(window: int | None, rules: str) -> int:
    """Return what the namespace may take beside the rules, a reply and the first steps."""
    if window is None:
        return NAMESPACE
    room = window - tokens_in(rules) - _reply_room(window)
    return max(LEAST_NAMESPACE, min(NAMESPACE, room // 2))


def reply_bound(window: int | None, prompt: int, *, doublings: int = 0, effort: str | None = None) -> int:
    """Return the tokens a reply may have beside a prompt of so many: never without a bound. Thoughts are part of it."""
    larger = 1 << min(doublings + _FOR_THOUGHTS.get(effort, 0), LONGER)
    most = LONGEST_REPLY * larger
    if window is None:
        return most
    fair = max(window // 4, USEFUL_REPLY) * larger
    return max(LEAST_REPLY, min(most, fair, window - prompt - MARGIN))


def _reply_room(window: int) -> int:
    """Return what a prompt leaves free for the reply."""
    return min(USEFUL_REPLY, max(window // 4, LEAST_REPLY))


@dataclass
class Gauge:
    """Estimates a prompt's tokens; what a server counted makes the next estimate better."""

    _rate: float = 1.0
    """Tokens counted for each one estimated."""

    def learn(self, messages: Iterable[Message], usage: Usage) -> None:
        """Take in what a server counted for these messages."""
        guess = prompt_tokens(messages)
        if not usage.estimated and usage.input and guess:
            self._rate = min(max(usage.input / guess, 0.3), 3.0)

    def tokens(self, messages: Iterable[Message]) -> int:
        """Estimate the tokens of a prompt."""
        return round(prompt_tokens(messages) * self._rate)

    def fits(self, messages: Iterable[Message], window: int | None) -> bool:
        """Whether a prompt leaves room for a reply."""
        return window is None or self.tokens(messages) + MARGIN <= window - _reply_room(window)

    def is_hopeless(self, messages: Iterable[Message], window: int | None) -> bool:
        """Whether a prompt is too long for certain, however far the estimate is off."""
        return window is not None and self.tokens(messages) > 2 * window
