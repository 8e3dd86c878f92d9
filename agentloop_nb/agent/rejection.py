"""What a model is told of a reply that was no decision."""

from __future__ import annotations

from agentloop_nb.errors import DecisionError

_ENDINGS = {
    "length": "the reply was cut off because it was too long; decide on a smaller step",
    "repetition": "the reply said the same again and again and was cut off; say it once, in a small step",
    "context": "the reply was cut off because the model's context is full; decide on a smaller step",
    "content_filter": "the provider's content filter stopped the reply; decide on another way to the goal",
    "refusal": "that was a refusal; if the goal cannot be pursued, finish and say why",
}


def rejection(error: DecisionError, finish_reason: str) -> str:
    """Say why a reply is no decision, and what to do about it."""
    if finish_reason in ("repetition", "length"):  # what is wrong with its JSON would quote it, to be repeated again
        return f"{_ENDINGS[finish_reason]}."
    return f"{_ENDINGS[finish_reason]} ({error})" if finish_reason in _ENDINGS else str(error)
