"""What a summary says, against what the run showed: figures, dates, names, and the step that each comes from."""

from __future__ import annotations

import builtins
import datetime as dt
import keyword
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Number
from typing import Any

from agentloop_nb.actions import AskUser, Finish
from agentloop_nb.actions.effects import Ground
from agentloop_nb.agent.durations import clocks
from agentloop_nb.agent.figures import Figure, derived, figures, matches, numbers
from agentloop_nb.agent.spoken_dates import Day, dates, is_in, months
from agentloop_nb.protocols import Workspace
from agentloop_nb.state import State
from agentloop_nb.step import Step

MOST_READ = 400_000
"""Characters of what was shown that are looked through, the newest."""
MOST_ITEMS = 1_000
"""Items of a value that is looked into."""
MANY = 40
"""Items of a value from which a figure has to be told exactly, or with four digits: some item is always near."""
FEW = 4
"""Figures of an output that the summary may have computed with, although it does not repeat them."""
_NAME = re.compile(r"`([A-Za-z_]\w*)((?:\.\w+)*)(?:\([^`]*\))?`")


@dataclass
class Source:
    """One thing that claims may come from."""

    step: int
    text: str = ""
    value: bool = False
    many: bool = False
    shown: bool = True
    """An output, and not the goal or code."""
    extra: tuple[float, ...] = ()

    @cached_property
    def numbers(self) -> list[float]:
        return sorted({*numbers(self.text), *map(abs, self.extra)})

    @cached_property
    def clocks(self) -> list[float]:
        return clocks(self.text)

    @cached_property
    def dates(self) -> set[Day]:
        return set().union(*dates(self.text).values(), *months(self.text).values())

    def shows(self, figure: Figure) -> bool:
        """Whether it accounts for a figure."""
        strict = self.many and figure.digits < 4
        exact = tuple((value, value * 1e-15) for value, _ in figure.values)
        told = figure._replace(values=exact, scales=(1.0,)) if strict else figure
        return matches(told, self.numbers) or (figure.timed and matches(figure, self.clocks))


@dataclass
class Grounding:
    """The claims of a summary: those that something shows, and those that nothing does."""

    grounds: list[Ground] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    """Figures and dates that nothing shows."""
    names: list[str] = field(default_factory=list)
    """Names in back-ticks that are nowhere."""


def ground(action: Finish, state: State, workspace: Workspace) -> Grounding:
    """Look for what stands behind each claim of a summary."""
    sources = list(_shown(state))
    made = Grounding()
    _find(action.summary, sources, made)
    if made.figures or made.names:
        made = Grounding()
        _find(action.summary, [*sources, *_values(state, workspace, action.summary)], made)
    return made


def _find(summary: str, sources: Sequence[Source], made: Grounding) -> None:
    missing: list[Figure] = []
    supported: set[float] = set()
    for figure in figures(summary):
        source = next((each for each in sources if each.shows(figure)), None)
        if source is None:
            missing.append(figure)
            continue
        supported.update(value for value, _ in figure.values[:1])
        made.grounds.append(Ground(claim=figure.text, step=source.step, how="value" if source.value else "shown"))
    _derive(missing, supported, sources, made)
    _find_dates(summary, sources, made)
    _find_names(summary, sources, made)


def _find_dates(summary: str, sources: Sequence[Source], made: Grounding) -> None:
    """Look for dates, and for months of a year; those are missing only where other dates are shown."""
    for text, ways in dates(summary).items():
        _found(text, next((each for each in sources if ways & each.dates), None), made)
    for text, month in months(summary).items():
        if any(each.dates for each in sources):
            _found(text, next((each for each in sources if is_in(month, each.dates)), None), made)


def _found(text: str, source: Source | None, made: Grounding) -> None:
    if source is None:
        made.figures.append(text)
    else:
        made.grounds.append(Ground(claim=text, step=source.step, how="value" if source.value else "shown"))


def _derive(missing: list[Figure], supported: set[float], sources: Sequence[Source], made: Grounding) -> None:
    """Take figures for derived that two others give: of the summary, or of one short output."""
    short = [each for each in sources if each.shown and 2 <= len(numbers(each.text)) <= FEW]
    operands = [(0, sorted(supported)), *((each.step, each.numbers) for each in short[:3])]
    results = [(step, derived(known)) for step, known in operands]
    for figure in missing:
        plain = figure if figure.points else figure._replace(scales=(1.0,))
        step = next((step for step, known in results if matches(plain, known)), None)
        if step is None:
            made.figures.append(figure.text)
        else:
            made.grounds.append(Ground(claim=figure.text, step=step, how="derived"))


def _find_names(summary: str, sources: Sequence[Source], made: Grounding) -> None:
    for match in _NAME.finditer(summary):
        name = match[1]
        if keyword.iskeyword(name) or hasattr(builtins, name):
            continue
        found = next((each for each in sources if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", each.text)), None)
        if found is not None:
            made.grounds.append(Ground(claim=match[0], step=found.step, how="value" if found.value else "shown"))
        elif match[0] not in made.names:
            made.names.append(match[0])


def _shown(state: State) -> Iterator[Source]:
    """Yield outputs first, newest first; then the code and files that were run, what the person said, and the rest."""
    room, later = MOST_READ, list[Source]()
    for step in reversed(state.steps):
        later.append(Source(step.number, "\n".join(_told_by_person(step)), shown=False))
        if step.result is None or step.decision is None or room <= 0:
            continue
        if isinstance(step.decision.action, Finish | AskUser):
            continue
        output = step.result.output[-room:]
        room -= len(output)
        yield Source(step.number, output)
        named = [*step.effects.files_written, *(c.name for c in step.result.changes)]
        later.append(Source(step.number, "\n".join(named), shown=False))
        if step.result.success:
            fields = step.decision.action.model_dump(exclude={"timeout"}).values()
            later.append(Source(step.number, "\n".join(map(str, fields)), shown=False))
    yield from later
    yield Source(0, "\n".join([state.goal, state.context, *state.cells])[:MOST_READ], shown=False)


def _told_by_person(step: Step) -> list[str]:
    """Return notes, and the answer that a person gave; a default is the model's own word."""
    answer = step.effects.answer
    return [*step.notes, *([answer.text] if answer is not None and answer.by != "default" else [])]


def _values(state: State, workspace: Workspace, summary: str) -> Iterator[Source]:
    """Yield what variables hold that the run made, or that the summary names: computed, though not printed."""
    changed = state.changed
    named = [match[1] for match in _NAME.finditer(summary) if match[1] not in changed]
    for name, value in workspace.variables([*changed, *named]).items():
        try:
            items = list(_items(value))
        except Exception:  # noqa: BLE001 - a value of the user's may do anything when it is looked at
            items = []
        text = "\n".join([name, *(str(item) for item in items if isinstance(item, str | dt.date))])
        extra = tuple(number for item in items if (number := _number(item)) is not None)
        yield Source(changed.get(name, 0), text, value=True, many=len(items) > MANY, extra=extra)


def _number(item: Any) -> float | None:
    """Return an item as a finite number, a duration in seconds; None for what is none."""
    item = item.total_seconds() if isinstance(item, dt.timedelta) else item
    try:
        given: Any = item if isinstance(item, Number) else "nan"
        number = float(given)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) < float("inf") else None


def _items(value: Any, depth: int = 2) -> Iterator[Any]:
    """Yield the numbers, texts and dates in a value of at most `MOST_ITEMS`, and its size."""
    kind = type(value)
    if issubclass(kind, Number | dt.date | dt.timedelta) or kind is str:
        yield value
    elif kind in (list, tuple, set, frozenset, dict):
        yield len(value)
        parts = [*value, *value.values()] if kind is dict else value
        for each in parts if len(value) <= MOST_ITEMS and depth else ():
            yield from _items(each, depth - 1)
    elif kind.__module__.partition(".")[0] in ("numpy", "pandas", "polars") and hasattr(kind, "shape"):
        yield from value.shape
        if 0 < _size(value.shape) <= MOST_ITEMS:
            yield from _items(_plain(value.to_numpy() if hasattr(kind, "to_numpy") else value))
            yield from (str(column) for column in getattr(value, "columns", ()))
            yield from _items(_plain(value.index.to_numpy()) if hasattr(kind, "index") else [])


def _plain(array: Any) -> Any:
    """Return an array as lists; numpy tells instants and durations as whole numbers otherwise."""
    precise = {"M": "datetime64[us]", "m": "timedelta64[us]"}.get(array.dtype.kind)
    return (array.astype(precise) if precise else array).tolist()


def _size(shape: Sequence[int]) -> int:
    size = 1
    for each in shape:
        size *= each
    return size
