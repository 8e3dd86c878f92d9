"""What a function is learned from: the steps of a run that worked, as the cells of its export."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentloop_nb._internal.text import counted
from agentloop_nb.actions import Query, RunCode
from agentloop_nb.actions.output_text import bounded, describe_change, text_of
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.errors import UserError
from agentloop_nb.events import AnyEvent
from agentloop_nb.export.anonymize import Anonymizer
from agentloop_nb.export.dependencies import names_of
from agentloop_nb.export.notebook_writer import build
from agentloop_nb.export.selection import story
from agentloop_nb.protocols import Privacy
from agentloop_nb.step import Step

Json = dict[str, Any]

SHOWN = 1500
"""Characters of a step's output that the model reads."""
LONGEST = 24_000
"""Characters of code that one function is made of."""
_STEPS = re.compile(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*+")
_CODE = re.compile(r"step-(\d+)-code")


@dataclass(frozen=True)
class Material:
    """The steps that are to become a function, and the notebook that does them again."""

    goal: str
    steps: tuple[Step, ...]
    notebook: Json
    folder: Path

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(step.number for step in self.steps)

    @property
    def sources(self) -> list[str]:
        """The code of the steps, in order."""
        return [str(cell["source"]) for cell in self.notebook["cells"] if _number(cell) in self.numbers]

    @property
    def made(self) -> frozenset[str]:
        """Names that the steps made or changed."""
        seen = {change.name for step in self.steps if step.result for change in step.result.changes}
        return frozenset(seen | {name for source in self.sources for name in names_of(source).defines})

    @property
    def there(self) -> frozenset[str]:
        """Names that are there before the steps."""
        first, _ = self.places
        cells = [str(cell["source"]) for cell in self.notebook["cells"][:first] if cell["cell_type"] == "code"]
        return frozenset(name for source in cells for name in names_of(source).defines)

    @property
    def places(self) -> tuple[int, int]:
        """Where the first and the last of their cells stand in the notebook."""
        found = [index for index, cell in enumerate(self.notebook["cells"]) if _number(cell) in self.numbers]
        return found[0], found[-1]

    def told(self, privacy: Privacy) -> str:
        """Return what a model reads of it: with `privacy` no values."""
        first, _ = self.places
        cells = [cell for cell in self.notebook["cells"][:first] if cell["cell_type"] == "code"]
        before = [str(cell["source"]) for cell in cells if privacy == "full" or _number(cell)]
        parts = [f"The goal of the run was:\n{self.goal}"]
        parts += [f"Before the steps this ran:\n{_fenced(each)}" for each in before]
        parts += [_step_told(step, self._source_of(step), privacy) for step in self.steps]
        return "\n\n".join(parts)

    def _source_of(self, step: Step) -> str:
        return "\n".join(str(cell["source"]) for cell in self.notebook["cells"] if _number(cell) == step.number)


def material(events: Sequence[AnyEvent], folder: Path, wanted: Collection[int]) -> Material:
    """Return the steps with these numbers, or those that the result depends on. Raises `UserError`."""
    told = story(events, minimal=not wanted)
    worked = {step.number: step for step in told.steps if _worked(step)}
    if missing := sorted(set(wanted) - set(worked)):
        there = ", ".join(map(str, worked)) or "none"
        raise UserError(f"no code of step {missing[0]} worked in run {told.state.run}; steps that did: {there}")
    if not worked:
        raise UserError(f"no code worked in run {told.state.run}, so there is nothing to learn from it")
    if told.missing:
        names = ", ".join(told.missing)
        raise UserError(f"the run used {names}, which no cell that is known makes, so no function can be tried")
    chosen = tuple(step for number, step in worked.items() if not wanted or number in wanted)
    found = Material(told.state.goal, chosen, build(told, folder, Anonymizer(folder)), folder)
    if (length := sum(map(len, found.sources))) > LONGEST:
        raise UserError(
            f"{counted(len(chosen), 'step')} with {length:,} characters of code are too much; name some: 2-4"
        )
    return found


def step_numbers(text: str) -> frozenset[int]:
    """Read `2-4,6`. Raises `UserError`."""
    if not _STEPS.fullmatch(text):
        raise UserError(f"{text!r} names no steps; write them like 2-4 or 2,5")
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found)


def _worked(step: Step) -> bool:
    runs = step.decision is not None and isinstance(step.decision.action, RunCode | Query | OwnAction)
    return runs and step.result is not None and step.result.success


def _number(cell: Json) -> int | None:
    found = _CODE.match(str(cell["id"]))
    return int(found[1]) if found and cell["cell_type"] == "code" else None


def _step_told(step: Step, source: str, privacy: Privacy) -> str:
    parts = [f"Step {step.number}:\n{_fenced(source)}"]
    if step.result is not None and privacy == "full":
        shown = bounded(text_of(step.result.outputs), SHOWN)
        parts += [f"It showed:\n{_fenced(shown)}"] if shown else []
        parts += [f"Variables: {'; '.join(map(describe_change, step.result.changes))}"] if step.result.changes else []
    return "\n".join(parts)


def _fenced(text: str) -> str:
    return f"```\n{text.strip()}\n```"
