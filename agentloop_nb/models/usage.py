"""Token counts: read from what a server reports, or estimated where it reports nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from agentloop_nb.protocols import Message, Usage

IMAGE_TOKENS = 1000
"""What one downsized picture is estimated to count."""
MESSAGE_TOKENS = 4
"""What a chat template adds around one message."""


def read_usage(reported: Mapping[str, Any] | None) -> Usage | None:
    """Read a chat completion's `usage`; None when it does not tell both sides.

    Reasoning that a server counts only in its total (Gemini, xAI) is output: it is billed as such.
    """
    if not isinstance(reported, Mapping):
        return None
    spent, made = _count(reported.get("prompt_tokens")), _count(reported.get("completion_tokens"))
    total = _count(reported.get("total_tokens"))
    if spent is None or (made is None and total is None):
        return None
    output = max(made or 0, (total or 0) - spent)
    of_input = _details(reported, "prompt_tokens_details")
    of_output = _details(reported, "completion_tokens_details")
    cached = of_input("cached_tokens") or _count(reported.get("prompt_cache_hit_tokens")) or 0
    cached = min(cached, spent)
    return Usage(
        input=spent,
        cached=cached,
        cache_write=min(of_input("cache_write_tokens") or 0, spent - cached),
        output=output,
        reasoning=min(of_output("reasoning_tokens") or 0, output),
    )


def read_cost(reported: Mapping[str, Any] | None) -> Decimal | None:
    """Read the dollars a server says a call cost (OpenRouter's `usage.cost`)."""
    cost = reported.get("cost") if isinstance(reported, Mapping) else None
    if isinstance(cost, bool) or not isinstance(cost, int | float | str):
        return None
    try:
        amount = Decimal(str(cost))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount <= 10**9 else None


def estimate(messages: Iterable[Message], text: str) -> Usage:
    """Estimate the usage of a call whose server reported none."""
    spent = sum(
        tokens_in(message.content) + MESSAGE_TOKENS + IMAGE_TOKENS * len(message.images) for message in messages
    )
    return Usage(input=spent, output=tokens_in(text), estimated=True)


def tokens_in(text: str) -> int:
    """Estimate the tokens of a text: a quarter of its bytes, and digits apart, which tokenizers split finely."""
    return (len(text.encode(errors="replace")) + 3) // 4 + sum(map(text.count, "0123456789")) // 3


def _count(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def _details(reported: Mapping[str, Any], key: str) -> Any:
    details = reported.get(key)
    return lambda name: _count(details.get(name)) if isinstance(details, Mapping) else None
