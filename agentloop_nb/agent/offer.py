"""Which actions the next decision is offered."""

from __future__ import annotations

import re

from agentloop_nb.actions import ACTIONS, AskUser, Finish, Plan, RunCode, WriteFile
from agentloop_nb.actions.registry import Actions
from agentloop_nb.agent.questions import may_ask
from agentloop_nb.state import State
from agentloop_nb.step import Step

_FIVE = {action.name for action in ACTIONS}
WEB = ("search_web", "read_url", "look_up")
_OF_THE_WEB = re.compile(
    r"https?:|www\.|\b(?:web|url|internet|online|on-line|net|site|websites?|page|search|look up|google|wikipedia"
    r"|download|fetch|latest|newest|news|today|current(?!\s+(?:folder|directory|kernel|notebook|namespace))|recent|api"
    r"|suche?|netz|seite|aktuell\w*|heute|cherche\w*|recherche\w*|busca\w*|cerca\w*|p[áa]gina|hoy|zoek\w*)\b"
    r"|\.(?:com|org|net|io|gov|edu)\b|[^\x00-\u024f]",
    re.IGNORECASE,
)
"""A goal that a look-up may serve; also any goal in another script, whose words are not read here."""


MOST_CELLS = 3
"""Replies of one step that are asked for as cells, when none was a decision."""
LIST = 3
"""Points of a list that are parts worth delegating."""
MOST_READ = 100_000
"""Characters of a goal that are looked at."""
_LISTED = re.compile(r"^[^\S\n]*(?:[-*•]|\d{1,2}[.)])\s+\S", re.MULTILINE)
_IN_PARTS = re.compile(
    r"\b(?:in parallel|independent(?:ly)?|separately|at the same time|side by side|delegate|sub-?goals?)\b",
    re.IGNORECASE,
)


def is_offline(state: State) -> bool:
    """Whether a look-up of this run, since it was resumed last, has shown that there is no network."""
    return any(step.effects.offline for step in _recent(state))


def offered(state: State, *, small: bool = False) -> tuple[str, ...]:
    """Name the actions that make sense now; empty: all.

    After a finish that came too early something is left to do, once, and so it is after a file that a small model
    failed to write; without a network nothing can be looked up. A small model looks up what it has at hand, so it is
    offered the web only where goal or notes speak of it; and what it did again, with the same result, it would do once
    more, so it has to decide on something else.
    """
    last = state.steps[-1].result if state.steps else None
    failed = last is not None and not last.success
    if last is not None and failed and (last.effects.work or (small and _decided(state.steps[-1]) == WriteFile.name)):
        return ("run_code",)
    no_web = is_offline(state) or (small and not _speaks_of_the_web(state))
    names = tuple(action.name for action in usual(state))
    left = tuple(name for name in names if not (name in WEB and no_web) and (name != AskUser.name or may_ask(state)))
    if small and last is not None and last.success and last.effects.again:
        left = tuple(name for name in left if name != _decided(state.steps[-1]))
    return left if left != names else ()


def in_cells(state: State, names: tuple[str, ...]) -> bool:
    """Whether a small model need not be asked for JSON: of what is offered, code and the end of the run are enough.

    Files are written by code; anything else (the web, tools, functions of the person's) has fields of its own. A model
    that ends no cell in several replies is asked for JSON, which a schema ends.
    """
    there = {action.name for action in usual(state)}
    looked_at = bool(state.steps) and state.steps[-1].is_looked_at
    ends = state.rejections < MOST_CELLS
    return ends and {RunCode.name, Finish.name} <= there <= _FIVE and not looked_at and not set(names or WEB) & set(WEB)


def of_cells(state: State, names: tuple[str, ...]) -> tuple[str, ...]:
    """Name what a model that writes cells is offered: code before it has seen an output, since it would guess."""
    seen = any(step.result is not None for step in state.steps)
    return tuple(name for name in names if seen or name != Finish.name)


def _decided(step: Step) -> str:
    return step.decision.action.name if step.decision else ""


def usual(state: State) -> Actions:
    """Return the actions of the whole run. What does not change can be read from a server's cache."""
    others = tuple(action for action in state.actions if action is not AskUser)
    asks, plans = (bool(state.settings.get(name)) for name in ("asks", "plan"))
    return (*others, *((AskUser,) if asks else ()), *((Plan,) if plans else ()))


def understood(state: State) -> Actions:
    """Return the actions that are taken: a question, too, where nobody is there to answer, unless it was left out."""
    left_out = AskUser.name in (state.settings.get("no_actions") or ())
    return usual(state) if left_out or AskUser in usual(state) else (*usual(state), AskUser)


def worth_delegating(goal: str) -> bool:
    """Whether a goal is likely to have several independent parts: it lists them, or says so."""
    return len(_LISTED.findall(goal[:MOST_READ])) >= LIST or _IN_PARTS.search(goal[:MOST_READ]) is not None


def _speaks_of_the_web(state: State) -> bool:
    notes = (words for step in state.steps for words in step.said)
    instructions = str(state.settings.get("instructions") or "")
    return any(_OF_THE_WEB.search(said[:MOST_READ]) for said in (state.goal, *notes, instructions))


def _recent(state: State) -> list[Step]:
    return state.steps[state.resumed_at :]
