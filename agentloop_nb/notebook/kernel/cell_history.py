"""The code that ran so far: what the model is told of it, and what an export may bring along. Read once and kept."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from agentloop_nb.errors import AgentFailed, AgentStopped, UserError
from agentloop_nb.protocols import CodeRan

_OURS = re.compile(r"\s*(?:%agent\b|%(?:re)?load_ext\s+agentloop_nb\b).*")


@dataclass(eq=False)
class Entry:
    """Code that ran once: a cell of the user's, or a step of an earlier run."""

    source: str
    """Without our own magics; never empty."""
    known: CodeRan | None = None
    """What was seen of it; None where nothing was."""


@dataclass(frozen=True)
class Failure:
    """A cell of the user's that failed: its source, the type of its error, and the traceback as text."""

    source: str
    kind: str
    traceback: str


@dataclass
class _Log:
    """What ran in one shell, in order."""

    entries: list[Entry] = field(default_factory=list)
    read: int = 1
    """Inputs of the shell that were read; the first is always empty."""
    failed: set[int] = field(default_factory=set)
    """Numbers of inputs that ended with an error."""
    failure: Failure | None = None
    """The last of them."""


_ran: WeakKeyDictionary[Any, _Log] = WeakKeyDictionary()


def _log(shell: Any) -> _Log:
    """Return the log of a shell, with the cells that ran since it was asked for last."""
    inputs = shell.history_manager.input_hist_raw
    log = _ran.setdefault(shell, _Log())
    if len(inputs) < log.read:  # %reset began anew
        log = _ran[shell] = _Log()
    for number in range(log.read, len(inputs) - 1):
        if source := _cleaned(inputs[number]):
            log.entries.append(Entry(source, CodeRan(failed=True) if number in log.failed else None))
    log.read = max(len(inputs) - 1, 1)
    return log


def note(shell: Any, source: str, known: CodeRan) -> Entry:
    """Remember code that a run executed, so that a later run's export can bring it along."""
    entry = Entry(source, known)
    _log(shell).entries.append(entry)
    return entry


def forget(shell: Any, entries: Collection[Entry]) -> None:
    """Drop code whose effects were taken back."""
    log = _log(shell)
    log.entries = [entry for entry in log.entries if entry not in entries]


def note_failure(shell: Any, result: Any) -> None:
    """Remember that a cell of the user's ended with an error. Called after each cell that did."""
    if isinstance(count := getattr(result, "execution_count", None), int):
        _ran.setdefault(shell, _Log()).failed.add(count)
    error = getattr(result, "error_before_exec", None) or getattr(result, "error_in_exec", None)
    source = _cleaned(str(getattr(getattr(result, "info", None), "raw_cell", "") or ""))
    if source and isinstance(error, BaseException) and not isinstance(error, UserError | AgentFailed | AgentStopped):
        _ran.setdefault(shell, _Log()).failure = _failure(shell, source, error)


def _failure(shell: Any, source: str, error: BaseException) -> Failure:
    from agentloop_nb.notebook.kernel.tracebacks import code_error

    def place(filename: str) -> str | None:
        named = shell.compile.format_code_name(filename)
        return None if named is None else f"{named[0].lower()} {named[1]}"

    return Failure(source, type(error).__name__, code_error(error, place, "").traceback)


def last_failure(shell: Any) -> Failure | None:
    """Return the last cell of the user's that failed in this kernel; None where none has."""
    return _log(shell).failure


def everything(shell: Any, *, failed: bool = True) -> tuple[str, ...]:
    """Return sources of what ran before the present cell: the user's cells, and the code of earlier runs in its place.

    `failed` includes code that ended with an error.
    """
    return tuple(entry.source for entry in _log(shell).entries if failed or not (entry.known and entry.known.failed))


def known(shell: Any) -> tuple[CodeRan, ...]:
    """Return what is known of the code in `everything`, each with its place there."""
    entries = enumerate(_log(shell).entries)
    return tuple(entry.known.model_copy(update={"index": index}) for index, entry in entries if entry.known)


def by_runs(shell: Any) -> tuple[CodeRan, ...]:
    """Return which sources in `everything`, but those that failed, are of earlier runs."""
    ended = [entry.known for entry in _log(shell).entries if not (entry.known and entry.known.failed)]
    return tuple(CodeRan(index=index, by_model=True) for index, known in enumerate(ended) if known and known.step)


def user_cells(shell: Any, most: int = 200) -> tuple[str, ...]:
    """Return the sources of the cells that ran before the present one, oldest first, cleaned of our own magics.

    Of more than `most` cells only the last.
    """
    before = list(shell.history_manager.input_hist_raw)[1:-1]
    return tuple(reversed(list(_last(before, most))))


def _last(sources: list[str], most: int) -> Iterator[str]:
    for source in reversed(sources):
        if most and (cleaned := _cleaned(source)):
            most -= 1
            yield cleaned


def _cleaned(source: str) -> str:
    if re.match(r"\s*%%agent\b", source):
        return ""
    lines = [line for line in source.splitlines() if not _OURS.fullmatch(line)]
    return "\n".join(lines).strip("\n")
