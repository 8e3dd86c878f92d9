"""How full a model's context is, and what share of the input came from the provider's cache."""

from __future__ import annotations

from agentloop_nb.protocols import Usage
from agentloop_nb.state import State


def context(state: State) -> str:
    """`12,345 of 200,000 tokens (6%)`: the newest prompt and the window; empty before the first reply."""
    if not state.prompt:
        return ""
    if not state.window:
        return f"{state.prompt:,} tokens"
    return f"{state.prompt:,} of {state.window:,} tokens ({share(state.prompt, state.window)})"


def cached(usage: Usage) -> str:
    """`85%` of the input; empty where there was none."""
    return share(usage.cached, usage.input) if usage.input else ""


def share(part: int, whole: int) -> str:
    """Return a share in percent; `under 1%` for little, and 100% only for all."""
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "under 1%"
    return f"{min(round(percent), 99) if part < whole else round(percent)}%"
