"""Which actions the next decision is offered."""

from __future__ import annotations

from agentloop_nb.actions import BY_NAME
from agentloop_nb.state import State, Step

WEB = ("search_web", "read_url")


def is_offline(state: State) -> bool:
    """Whether a look-up of this run, since it was resumed last, has shown that there is no network."""
    return any(step.result is not None and step.result.metadata.get("offline") for step in _recent(state))


def offered(state: State) -> tuple[str, ...]:
    """Name the actions that make sense now; empty: all.

    After a finish that came too early something is left to do, once; without a network nothing can be looked up.
    """
    last = state.steps[-1].result if state.steps else None
    if last is not None and not last.success and last.metadata.get("work"):
        return ("run_code",)
    return tuple(name for name in BY_NAME if name not in WEB) if is_offline(state) else ()


def _recent(state: State) -> list[Step]:
    return state.steps[state.resumed_at :]
