"""Token counts: read from what a server reports, or estimated where it reports nothing."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from agentloop_nb.protocols import Message, Usage
from agentloop_nb.protocols.tokens import tokens_in

MOST_TOKENS = 10**12
"""A larger count is no count."""
UNDER = 20
"""An estimate is off by less than this factor, so a smaller count left something out."""


def merge(known: Mapping[str, Any] | None, *reports: object) -> Mapping[str, Any] | None:
    """Put together what several chunks report: counts only grow, so the largest of each field is the last word."""
    merged = dict(known or {})
    for report in reports:
        for name, value in report.items() if isinstance(report, dict) else ():
            merged[name] = _larger(merged.get(name), value)
    return merged or None


def _larger(one: object, other: object) -> object:
    if isinstance(one, dict) and isinstance(other, dict):
        return merge(one, other)
    if isinstance(one, int | float) and isinstance(other, int | float):
        return max(one, other)
    return one if other is None else other


def read_usage(reported: Mapping[str, Any] | None) -> Usage | None:
    """Read a chat completion's `usage`; None when it does not tell both sides.

    There is no request without a prompt and no reply without a token: a zero there is no report. Reasoning that a
    server counts only in its total (Gemini, xAI) is output: it is billed as such.
    """
    if not isinstance(reported, dict):
        return None
    spent, made = _count(reported.get("prompt_tokens")), _count(reported.get("completion_tokens"))
    total = _count(reported.get("total_tokens"))
    output = max(made or 0, (total or 0) - (spent or 0))
    if not spent or (made is None and total is None):
        return None
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
    cost = reported.get("cost") if isinstance(reported, dict) else None
    if isinstance(cost, bool) or not isinstance(cost, int | float | str):
        return None
    try:
        amount = Decimal(str(cost))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount <= 10**9 else None


def estimate(messages: Iterable[Message], text: str) -> Usage:
    """Estimate the usage of a call whose server reported none."""
    return Usage(input=prompt_tokens(messages), output=tokens_in(text), estimated=True)


def prompt_tokens(messages: Iterable[Message]) -> int:
    """Estimate the tokens of a prompt."""
    return sum(map(operator.attrgetter("tokens"), messages))


def plausible(reported: Usage | None, messages: Iterable[Message], text: str) -> Usage:
    """Take what was reported, unless it is missing or far too little for what was sent and written: then estimate."""
    guess = estimate(messages, text)
    if reported is None:
        return guess
    if UNDER * reported.input >= guess.input and UNDER * reported.output >= guess.output:
        return reported
    more = {"input": max(reported.input, guess.input), "output": max(reported.output, guess.output), "estimated": True}
    return reported.model_copy(update=more)


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_TOKENS:
        return None
    return int(value)


def _details(reported: Mapping[str, Any], key: str) -> Any:
    details = reported.get(key)
    return lambda name: _count(details.get(name)) if isinstance(details, dict) else None
