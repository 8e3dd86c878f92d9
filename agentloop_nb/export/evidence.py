"""What an answer rests on: the figures and tables of the run that it uses, each with its step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from agentloop_nb._internal.markup import WIDGET_VIEW
from agentloop_nb._internal.text import joined
from agentloop_nb.actions import Query, RunCode
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.protocols import Output
from agentloop_nb.state import State
from agentloop_nb.step import Step

MOST_FIGURES, MOST_TABLES = 6, 3
"""Shown with an answer, the newest; the others stay with their steps."""

Kind = Literal["figure", "table"]

_CITED = re.compile(r"\bsteps?\s+(\d+(?:\s*(?:,|and|to|-|–|&)\s*\d+)*)", re.IGNORECASE)
_NUMBER = re.compile(r"\d[\d,.' ]*\d|\d")
_TITLE = re.compile(r"""(?:\btitle\s*=|\b(?:set_|sup)?title\()\s*[rf]?(["'])(.+?)\1""")


class Exhibit(NamedTuple):
    """One figure or table, and where it comes from."""

    step: int
    place: int
    """Its place among the outputs of its step."""
    kind: Kind
    output: Output
    caption: str
    """Why the step was taken, in the words of the run."""


def exhibits(state: State) -> list[Exhibit]:
    """Return the figures and tables that the answer uses, in the order of the run.

    Steps that the answer cites decide. Where it cites none: the figures that no later one of the same title replaced,
    the tables that hold a number of the answer, and a last table where there would be nothing else.
    """
    found = list(_all(state))
    cited = _cited(state.summary)
    if chosen := [each for each in found if each.step in cited]:
        return _newest(chosen)
    numbers = _numbers(state.summary)
    figures = [each for each in _standing(found, state) if each.kind == "figure"]
    tables = [each for each in found if each.kind == "table" and numbers & _numbers(_plain(each.output))]
    if not figures and not tables:
        tables = [each for each in found if each.kind == "table"][-1:]
    return _newest([*figures, *tables])


def is_figure(output: Output) -> bool:
    """Whether an output holds a picture or an interactive figure. A progress bar or another widget is neither."""
    data = output.get("data") or {}
    return any(mime.startswith(("image/", "application/vnd.")) and mime != WIDGET_VIEW for mime in data)


def is_table(output: Output) -> bool:
    """Whether an output holds a table."""
    return not is_figure(output) and "<table" in joined((output.get("data") or {}).get("text/html", ""))[:4000].lower()


def kinds(step: Step) -> dict[Kind, int]:
    """Return how many figures and tables a step shows."""
    outputs = step.result.outputs if step.result else ()
    found: dict[Kind, int] = {"figure": sum(map(is_figure, outputs)), "table": sum(map(is_table, outputs))}
    return {kind: count for kind, count in found.items() if count}


def _all(state: State) -> Iterator[Exhibit]:
    for step in state.steps:
        if step.result is None or step.decision is None:
            continue
        if not isinstance(step.decision.action, RunCode | Query | OwnAction):
            continue
        for index, output in enumerate(step.result.outputs if step.result.success else ()):
            kind: Kind | None = "figure" if is_figure(output) else "table" if is_table(output) else None
            if kind:
                yield Exhibit(step.number, index, kind, output, step.decision.reasoning)


def _standing(found: list[Exhibit], state: State) -> Iterator[Exhibit]:
    """Yield figures that were not drawn again later, under the same title or with the same content."""
    titles = {step.number: _titles(step) for step in state.steps}
    for place, each in enumerate(found):
        later = [other for other in found[place + 1 :] if other.kind == each.kind]
        again = any(other.output.get("data") == each.output.get("data") for other in later)
        mine = titles[each.step]
        if not again and not any(mine and mine == titles[other.step] and other.step > each.step for other in later):
            yield each


def _titles(step: Step) -> frozenset[str]:
    action = step.decision.action if step.decision else None
    return frozenset(match[2] for match in _TITLE.finditer(action.code)) if isinstance(action, RunCode) else frozenset()


def _newest(chosen: Iterable[Exhibit]) -> list[Exhibit]:
    chosen = list(chosen)
    figures = [each for each in chosen if each.kind == "figure"][-MOST_FIGURES:]
    tables = [each for each in chosen if each.kind == "table"][-MOST_TABLES:]
    return sorted([*figures, *tables], key=lambda each: (each.step, each.place))


def _cited(summary: str) -> set[int]:
    """Return numbers of the steps that an answer names."""
    return {int(number) for match in _CITED.finditer(summary) for number in re.findall(r"\d{1,6}", match[1])}


def _numbers(text: str) -> set[str]:
    """Return numbers of three digits or more, without separators and trailing zeros: small ones say nothing."""
    found = (re.sub(r"[,' ]", "", match[0]).rstrip(".") for match in _NUMBER.finditer(text[:200_000]))
    plain = (number.rstrip("0").rstrip(".") if "." in number else number for number in found)
    return {number for number in plain if sum(map(str.isdigit, number)) >= 3}


def _plain(output: Output) -> str:
    data: dict[str, Any] = output.get("data") or {}
    return joined(data.get("text/plain", "")) + re.sub(r"<[^<>]*>", " ", joined(data.get("text/html", "")))
