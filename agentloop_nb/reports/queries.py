"""What can be asked about recorded runs, in a notebook and in a shell alike. Each answer is plain text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from agentloop_nb._internal import amounts
from agentloop_nb._internal.text import STATUS_WORDS, on_one_line
from agentloop_nb.actions import UseTool
from agentloop_nb.actions.registry import choose, describe
from agentloop_nb.errors import Front, Hint, UserError, worded
from agentloop_nb.mcp_tools.toolbox import toolbox
from agentloop_nb.record import locating, reading
from agentloop_nb.reports import lineage
from agentloop_nb.reports.compare import Comparison
from agentloop_nb.reports.run_tree import tree
from agentloop_nb.settings import Settings, environment, resolve
from agentloop_nb.state import State

T = TypeVar("T")

LISTED = Hint("runs", "lists them")
_COMPARED = (Hint("compare RUN RUN"), LISTED)
SHOWN = 20
"""Runs that are listed unless all are asked for."""


class Place(Protocol):
    """Where a person asks from."""

    @property
    def front(self) -> Front:
        """How commands are typed there."""

    @property
    def folder(self) -> Path:
        """The folder whose runs are meant."""

    def find(self, reference: str | None) -> Path:
        """Return the record meant; None is the last run. Raises `UserError`."""

    def state(self, reference: str | None) -> State:
        """Return the state of the run meant; None is the last run. Raises `UserError`."""

    @property
    def functions(self) -> Mapping[str, Any]:
        """The namespace that the user's own functions are looked up in."""

    def settings(self, arguments: Mapping[str, Any]) -> Settings:
        """Return the settings as they hold here. Raises `UserError`."""


class Folder:
    """The current folder, and the runs recorded in it, asked about in a shell."""

    front: Front = "shell"

    def __init__(self, functions: Mapping[str, Any] | None = None) -> None:
        self.functions = functions or {}

    @property
    def folder(self) -> Path:
        return Path.cwd()

    def find(self, reference: str | None) -> Path:
        return locating.find(reference, self.folder)

    def state(self, reference: str | None) -> State:
        return reading.load(self.find(reference))

    def settings(self, arguments: Mapping[str, Any]) -> Settings:
        return resolve(arguments, {}, environment(self.folder))


def status(place: Place, words: list[str], options: Mapping[str, Any]) -> str:
    """How the last run went."""
    state = place.state(_at_most_one(words, "status [RUN]"))
    head = f"{state.run}: {STATUS_WORDS[state.status]}, step {state.current_step}/{state.max_steps}, {_cost(state)}"
    lines = [f"contract {check.line}" for check in state.checks]
    return "\n".join(map(on_one_line, filter(None, [head, state.subject, state.ending(place.front), *lines])))


def runs(place: Place, words: list[str], options: Mapping[str, Any]) -> str:
    """Return the runs of the folder, newest last."""
    if words:
        raise UserError(f"runs lists all runs and takes no {words[0]!r}", Hint("show RUN", "draws one"))
    states = locating.runs(place.folder)
    if options.get("tree"):
        drawn = tree(states, _row, None if options.get("all") else SHOWN)
        return "\n".join(drawn) or f"No run is recorded in {place.folder}."
    shown = states if options.get("all") else states[:SHOWN]
    lines = [_row(state) for state in reversed(shown)]
    if len(states) > len(shown):
        more = Hint("runs --all", "lists every one.")
        lines.insert(0, worded(f"The last {len(shown)} of {len(states)} runs", [more], place.front))
    return "\n".join(lines) or f"No run is recorded in {place.folder}."


def _row(state: State) -> str:
    run, what = on_one_line(state.run), on_one_line(state.subject or state.reason)[:80]
    what += _contract(state)
    steps = f"{state.current_step}/{state.max_steps} steps"
    return f"{run}  {STATUS_WORDS[state.status]:<13} {steps:>12}  {_cost(state):>9}  {_ago(state.began):<10}  {what}"


def _contract(state: State) -> str:
    """Whether the contract of a run held; empty where it had none, or where it was not evaluated."""
    if not state.checks:
        return ""
    return "  [contract holds]" if all(check.held for check in state.checks) else "  [contract does not hold]"


def _cost(state: State) -> str:
    return amounts.cost(state.total_cost) if state.cost_known else "?"


def _ago(began: float) -> str:
    """`5 min ago`, `2 h ago`, `3 d ago`."""
    if not began:
        return ""
    seconds = max(time.time() - began, 0)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return "just now"


def who(place: Place, words: list[str], options: Mapping[str, Any]) -> str:
    """Return what a run made or changed, and which step did."""
    return lineage.who(place.state(_at_most_one(words, "who [RUN]")))


def why(place: Place, words: list[str], options: Mapping[str, Any]) -> str:
    """Return the cells and steps behind a variable."""
    if not 1 <= len(words) <= 2:
        raise UserError("name a variable", Hint("why NAME"), Hint("who", "lists them"))
    state = place.state(words[1] if len(words) > 1 else None)
    try:
        return lineage.why(state, words[0])
    except UserError as error:
        makers = (on_one_line(other.run) for other in locating.runs(place.folder) if words[0] in other.changed)
        hints = [Hint(f"why {words[0]} {run}", "asks the newest run that did") for run in islice(makers, 1)]
        raise UserError(error.said, *hints) from None


def cost(place: Place, words: list[str], options: Mapping[str, Any]) -> str:
    """Return what a run cost, or would have cost on another model."""
    from agentloop_nb.models.prices import is_rates
    from agentloop_nb.models.registry import pricing
    from agentloop_nb.reports.cost import cost_report, what_if

    state = place.state(_at_most_one(words, "cost [RUN]"))
    model = options.get("what_if")
    if model is None:
        return cost_report(state)
    settings = place.settings({})
    if settings.price and is_rates(settings.price) and model != settings.model:  # rates of another model
        settings = replace(settings, price=None)
    return what_if(state, model, pricing(model, settings, environment(place.folder)).quote)


def sent(place: Place, words: list[str], options: Mapping[str, Any]) -> str:
    """Return the exact text that left the machine."""
    from agentloop_nb.reports.requests import sent as show_sent

    step = int(words.pop(0)) if words and words[0].isdecimal() and len(words[0]) < 8 else None
    if len(words) > 1 or (words and step is None and not locating.names_run(words[0], place.folder)):
        raise UserError("name a step by its number", Hint("sent 3"))
    return show_sent(reading.read(place.find(words[0] if words else None)), step)


def models(place: Place, words: list[str], options: Mapping[str, Any]) -> str:
    """Return the models that the configured server offers."""
    from agentloop_nb.models.providers import PROVIDERS
    from agentloop_nb.models.registry import list_models

    provider = _at_most_one(words, "models [PROVIDER]")
    if provider and provider.partition(":")[0].lower() not in PROVIDERS:
        raise UserError(f"there is no provider {provider!r}; there are {', '.join(PROVIDERS)}")
    settings = place.settings({"model": provider} if provider else {})
    try:
        return "\n".join(_in_thread(list_models(settings, environment(place.folder))))
    except UserError as error:  # a scripted model offers no list
        raise UserError(error.said.removesuffix("; or try -m demo without any"), *error.hints) from None


def actions(place: Place, words: list[str], options: Mapping[str, Any]) -> str:
    """Return what a run may do here, and where each action comes from."""
    if words:
        raise UserError(f"actions takes no {words[0]!r}; to choose", Hint(f"actions --no-actions {words[0]}"))
    settings = place.settings(options)
    there = choose(settings.actions, settings.no_actions, place.functions)
    box = toolbox(place.folder, settings.mcp) if UseTool in there else None
    if box is not None and box.offered:
        return describe(there)
    why = worded("no server of this folder is allowed", [Hint("tools", "lists them")], place.front)
    missing = {UseTool.name: why} if UseTool in there else {}
    return describe(tuple(action for action in there if action is not UseTool), missing)


def compared(place: Place, words: list[str]) -> Comparison:
    """Two runs side by side; the last one where one is left out, and for a fork alone its origin."""
    from agentloop_nb.reports.compare import compare

    if len(words) > 2:
        raise UserError(f"two runs at most, not {len(words)}", *_COMPARED)
    if len(words) == 2:
        return compare(*map(place.state, words))
    last = place.state(words[0] if words else None)
    if last.forked_from and (not words or last.run == place.state(None).run):
        return compare(place.state(last.forked_from[0]), last)
    if not words:
        raise UserError("name the runs to compare", *_COMPARED)
    return compare(last, place.state(None))


def _at_most_one(words: list[str], usage: str) -> str | None:
    if len(words) > 1:
        raise UserError(f"one word at most, not {' '.join(words)!r}", Hint(usage))
    return words[0] if words else None


def _in_thread(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from synchronous code, inside a running loop or not."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


QUERIES: dict[str, Callable[[Place, list[str], Mapping[str, Any]], str]] = {
    "status": status,
    "runs": runs,
    "who": who,
    "why": why,
    "cost": cost,
    "sent": sent,
    "models": models,
    "actions": actions,
}
