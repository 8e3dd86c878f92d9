"""What was read of a run so far: who said what, which names its code bound, what it used."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from agentloop_nb.actions import Action, RunCode, WriteFile
from agentloop_nb.safety.code_risks import Reading, Target, as_cell, learned, ordered, read
from agentloop_nb.safety.code_risks.constant_values import Values
from agentloop_nb.safety.provenance import Source, of_step, said_by_user, split, typed, words_of_others
from agentloop_nb.state import State
from agentloop_nb.step import Step

_DOTS = re.compile(
    r"\s{0,3}(?:\[\s{0,3}(?:\.|dot)\s{0,3}\]|\(\s{0,3}(?:\.|dot)\s{0,3}\)|\sdot\s)\s{0,3}", re.IGNORECASE
)


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
        self._remarks: set[str] = set()
        """What the system told the model between the steps, as far as it was read."""
        self._steps: list[Step] = []
        """Those that were read and are not taken back."""
        self._notes = 0
        """What the person said in these."""
        self._cells: tuple[str, ...] | None = None
        self._said: tuple[int, str] = (-1, "")
        self._last: tuple[str, Reading] = ("", Reading())

    def take_in(self, state: State, cells: Sequence[str]) -> None:
        """Read the user's cells once, and the steps that came since."""
        if self._cells is None:
            self._cells = tuple(cells)
            self.values = _EARLIER.names(self._cells)
            self.sources += map(plain_source, (*split(state.context)[1], *words_of_others(state)))
        self._forget_undone(state)
        for step in state.steps[len(self._steps) :]:
            self._hear(step.remarks)
            if step.result is None and step is state.steps[-1]:
                break
            self.sources += map(plain_source, of_step(step))
            if _was_run(step) and step.decision is not None:
                self._carried_out(step.decision.action)
            self._steps.append(step)
            self._notes += len(step.said)

    def _hear(self, remarks: Sequence[str]) -> None:
        """Take in what the system tells, which may quote strangers: an error, a file that was given, a summary."""
        for remark in remarks:
            if remark not in self._remarks:
                self._remarks.add(remark)
                self.sources += map(plain_source, split(remark)[1])

    def _forget_undone(self, state: State) -> None:
        """Count no longer what was taken back; what it brought in stays known."""
        while (count := len(self._steps)) and (
            count > len(state.steps) or state.steps[count - 1] is not self._steps[-1]
        ):
            self._notes -= len(self._steps.pop().said)
            self._said = (-1, "")

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
        """Return what the user said, in plain words; put together anew when a note was added."""
        notes = self._notes + sum(len(step.said) for step in state.steps[len(self._steps) :])
        if self._said[0] != notes:
            cells = typed(state, self._cells or ()) if state.borrowed is None else ()
            said = [plain_text(said_by_user(state)), *map(_plain_cell, cells)]
            self._said = (notes, "\n".join(said))
        return self._said[1]


class _EarlierCells:
    """Keeps the cells that were read last, and the names they bind: the next run of a kernel has a few more."""

    def __init__(self) -> None:
        self._known: tuple[tuple[str, ...], Values] = ((), Values())

    def names(self, cells: tuple[str, ...]) -> Values:
        """Return the names that cells bind.

        Of cells that were read for an earlier run, only those that came since are read.
        """
        before, values = self._known
        if cells[: len(before)] != before:
            before, values = (), Values()
        values = learned(cells[len(before) :], values.copy())
        self._known = (cells, values)
        return values.copy()


_EARLIER = _EarlierCells()


def plain_source(source: Source) -> Source:
    """Return a source whose text can be compared."""
    return source._replace(text=plain_text(source.text))


def plain_text(text: str) -> str:
    """Return a text as it is compared: lower case, defanged addresses made whole."""
    return _DOTS.sub(".", text).replace("hxxp", "http").lower()


@functools.lru_cache(maxsize=4096)
def _plain_cell(source: str) -> str:
    return plain_text(source)


def _was_run(step: Step) -> bool:
    return step.result is not None and (step.approval is None or step.approval.approved)
