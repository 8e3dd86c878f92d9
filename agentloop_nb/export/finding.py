"""What a run found, in its own words: the title of what is handed out, and what each step gave to the answer."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agentloop_nb.actions import Finish
from agentloop_nb.actions.effects import Ground
from agentloop_nb.state import State

LONGEST_TITLE = 120
MOST_READ = 10_000
"""Characters of an answer that are looked at for its first sentence."""
FEWEST_WORDS = 3
MOST_CLAIMS = 8
"""Claims of the answer that are named at a step."""


def title_of(state: State) -> str:
    """Return the finding: the first sentence of the answer. Of a run without one it is the goal."""
    text = next((line for line in _told(state)[:MOST_READ].splitlines() if line.strip(" #>*-|`")), "A run")
    text = re.sub(r"!?\[([^\[\]]{0,500})\]\([^()]{0,2000}\)", r"\1", text)
    plain = re.sub(r"\*\*|__|`|^(?:[#>\s]|[-*+]\s)+", "", text).strip()
    sentence = re.split(r"(?<=[.!?])\s", plain, maxsplit=1)[0].rstrip(".")
    return sentence if len(sentence) <= LONGEST_TITLE else sentence[: LONGEST_TITLE - 1].rstrip() + "…"


def says_something(state: State) -> bool:
    """Whether the title is a finding; `Done` and `Result` are none."""
    return _answered(state) and len(title_of(state).split()) >= FEWEST_WORDS


def _told(state: State) -> str:
    return state.summary if _answered(state) else state.goal


def _answered(state: State) -> bool:
    """Whether the summary is an answer of the model; that of a run cut short only lists what was done."""
    last = state.steps[-1].decision if state.steps else None
    return bool(state.summary.strip()) and last is not None and isinstance(last.action, Finish)


def found_at(step: int, grounds: Iterable[Ground]) -> str:
    """Return the claims of the answer that rest on a step, on one line; empty where none does."""
    claims = list(dict.fromkeys(ground.claim for ground in grounds if ground.step == step))
    more = f" and {len(claims) - MOST_CLAIMS} more" if len(claims) > MOST_CLAIMS else ""
    return ", ".join(claims[:MOST_CLAIMS]) + more
