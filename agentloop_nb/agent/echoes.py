"""Answers that only say what the system told the model: the goal, the date and the files, rules, a hint, the example.

What an output shows is no echo, but a text that the code printed as it stands shows nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache, lru_cache

from agentloop_nb._internal.ipython_syntax import parsed
from agentloop_nb.actions import RunCode
from agentloop_nb.agent.rules import EXAMPLE_ANSWER, EXAMPLE_CALL, LAST_CELL, RULES_OF_CELLS
from agentloop_nb.safety.surroundings import surroundings_in
from agentloop_nb.state import State
from agentloop_nb.step import Step

LEAST_ECHO, LEAST_OF_RULES = 4, 6
"""Words of a summary that cannot be those of a hint, or of the rules, by chance."""
_OF_THE_GOAL = re.compile(r"^(?:(?:the |my |your )?(?:goal|task) )?(?:(?:was|is) )?(?:to )?")
_ASKED_FOR = (
    (
        "today is",
        re.compile(r"\b(?:today|dates?|days?|weekday|month|year|python|versions?|packages?)\b", re.IGNORECASE),
    ),
    ("files in the", re.compile(r"\b(?:files|folder|directory|list)\b", re.IGNORECASE)),
)
"""How the lines about the surroundings begin, and the goals that they may answer."""


def is_echo(summary: str, state: State) -> bool:
    """Whether a summary says only what the model was told, and no output of the run shows it."""
    said = _bare(summary)
    if _of_the_goal(said) == _of_the_goal(_bare(state.goal)) or _is_of_rules(said) or _is_told_of_a_step(said, state):
        return True
    told = said == _bare(EXAMPLE_ANSWER) or _is_of_surroundings(said, state)
    return told and not any(_shows(step, said, state.goal) for step in state.steps)


def _shows(step: Step, said: str, goal: str) -> bool:
    """Whether the output of a step shows a text that stands neither in its code nor in a copy of the example."""
    if step.result is None or said not in _bare(step.result.output):
        return False
    code = _code(step)
    copied = EXAMPLE_CALL in code and EXAMPLE_CALL not in goal
    return not copied and not any(said in text for text in _texts(code))


def _is_of_rules(said: str) -> bool:
    return len(said.split()) >= LEAST_OF_RULES and any(said in told for told in _rules())


@cache
def _rules() -> tuple[str, ...]:
    """Return the rules, bare: each line of an output may be held against them."""
    return _bare(RULES_OF_CELLS), _bare(LAST_CELL)


def _is_told_of_a_step(said: str, state: State) -> bool:
    long = len(said.split()) >= LEAST_ECHO
    return long and any(said in _bare(text) for step in state.steps for text in _told(step))


def _told(step: Step) -> Iterator[str]:
    """Yield what the system itself said of a step."""
    yield from (step.effects.hint, step.effects.again)
    if step.result is not None and (step.effects.repeated or step.effects.objections):
        yield step.result.output


def _is_of_surroundings(said: str, state: State) -> bool:
    """Whether a text is one of the lines about date and files, of which a goal asked nothing. Steps were taken."""
    if not any(step.result is not None and not step.is_only_words for step in state.steps):
        return False
    told = _bare(surroundings_in(state.context))
    return said in told and any(said.startswith(begun) and not asked.search(state.goal) for begun, asked in _ASKED_FOR)


def _of_the_goal(said: str) -> str:
    return _OF_THE_GOAL.sub("", said)


def _code(step: Step) -> str:
    action = step.decision.action if step.decision else None
    return action.code if isinstance(action, RunCode) else ""


@lru_cache(maxsize=64)
def _texts(code: str) -> frozenset[str]:
    """Return the texts that stand in code, bare."""
    tree = parsed(code)
    nodes = ast.walk(tree) if tree else ()
    return frozenset(_bare(node.value) for node in nodes if isinstance(node, ast.Constant) and type(node.value) is str)


def _bare(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
