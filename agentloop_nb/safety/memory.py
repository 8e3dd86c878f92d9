"""What was read of a run so far: who said what, which names its code bound, what it used."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agentloop_nb.actions import Action, RunCode, WriteFile
from agentloop_nb.safety.provenance import Source, of_step, said_by_user, split
from agentloop_nb.safety.risks import Reading, Target, as_cell, learned, ordered, read
from agentloop_nb.safety.risks.values import Values
from agentloop_nb.state import State, Step

_DOTS = re.compile(r"\s*(?:\[\s*(?:\.|dot)\s*\]|\(\s*(?:\.|dot)\s*\)|\sdot\s)\s*", re.IGNORECASE)


class Memory:
    """What was read of a run so far. Reading only grows with it, so a judge reads each step once."""

    def __init__(self) -> None:
        self.values = Values()
        """The names that the run's code has bound."""
        self.used: set[Target] = set()
        """What that code used, allowed or unsuspected."""
        self.code: list[str] = []
        self.sources: list[Source] = []
        """What is data, in plain words."""
        self.written: dict[str, str] = {}
        """The files the run wrote by `write_file`, by name."""
        self._steps = 0
        self._cells: tuple[str, ...] | None = None
        self._said: tuple[int, str] = (-1, "")
        self._last: tuple[str, Reading] = ("", Reading())

    def take_in(self, state: State, cells: Sequence[str]) -> None:
        """Read the user's cells once, and the steps that came since."""
        if self._cells is None:
            self._cells = tuple(cells)
            learned(self._cells, self.values)
            self.sources += map(plain_source, split(state.context)[1])
        done = [step for step in state.steps[self._steps :] if step.result is not None]
        for step in done:
            self.sources += map(plain_source, of_step(step))
            if _was_run(step) and step.decision is not None:
                self._carried_out(step.decision.action)
        self._steps += len(done)

    def _carried_out(self, action: Action) -> None:
        match action:
            case RunCode(code=code):
                self.used |= self.read(code).targets
                learned([code], self.values)
                self._last = ("", Reading())
                self.code.append(code)
            case WriteFile(filename=filename, content=content):
                self.written[filename.removeprefix("./")] = content
                if (cell := as_cell(filename, content)) is not None:
                    self.used |= read(cell).targets
            case _:
                pass

    def read(self, code: str) -> Reading:
        """Read code as it stands after what was carried out; code that is judged and then carried out is read once."""
        if self._last[0] != code:
            self._last = (code, read(code, self.values))
        return self._last[1]

    def risks(self, code: str) -> tuple[str, ...]:
        """Say in short phrases what code touches, the gravest first."""
        return ordered(self.read(code).risks)

    def said(self, state: State) -> str:
        """What the user said, in plain words; put together anew when a note was added."""
        notes = sum(len(step.notes) for step in state.steps)
        if self._said[0] != notes:
            self._said = (notes, plain_text(said_by_user(state, self._cells or ())))
        return self._said[1]


def plain_source(source: Source) -> Source:
    """Return a source whose text can be compared."""
    return Source(source.origin, plain_text(source.text))


def plain_text(text: str) -> str:
    """Return a text as it is compared: lower case, defanged addresses made whole."""
    return _DOTS.sub(".", text).replace("hxxp", "http").lower()


def _was_run(step: Step) -> bool:
    return step.result is not None and (step.approval is None or step.approval.approved)
