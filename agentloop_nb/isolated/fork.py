"""Forking a run: what its record holds up to a step, under a new id, and a copy of its folder as it was then."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from agentloop_nb.actions import Finish
from agentloop_nb.errors import UserError
from agentloop_nb.events import ActionFinished, AnyEvent, RunForked, RunStarted
from agentloop_nb.export.inputs import is_inside
from agentloop_nb.files import KEPT
from agentloop_nb.rebuild.aside import written
from agentloop_nb.state import State, Step, fold

MAX_COPIED = 500 * 2**20
"""Bytes of files that a fork's folder gets, beside those that the run read."""
MAX_FILES = 5000
"""Files that a fork's folder gets, those that lie nearest."""
MAX_SCANNED = 50_000
"""Entries of the parent's folder that are looked at: it may be somebody's whole home."""
_SKIPPED = frozenset({"node_modules", "__pycache__", "venv", "env", "site-packages"})


def inherited(events: Sequence[AnyEvent], at: int | None, run: str, *, note: str) -> list[AnyEvent]:
    """Return the events of a fork's record: the parent's up to the end of step `at` (None: its last), and the mark.

    Raises `UserError` for a step that the run does not have, and for a finished one without a `note`.
    """
    whole = fold(events)
    done = [step.number for step in whole.steps if step.result is not None]
    at = (done[-1] if done else 0) if at is None else at
    if at and at not in done:
        has = f"it has steps {done[0]} to {done[-1]}" if done else "it has done none"
        raise UserError(f"run {whole.run} has no step {at} to fork after; {has}: %agent fork --at N")
    last = next((step for step in whole.steps if step.number == at), None)
    finished = last is not None and last.decision is not None and isinstance(last.decision.action, Finish)
    if finished and not note:
        raise UserError(f"step {at} ends the run; say what to do next: %agent fork --at {at} what to do next")
    kept = [_renamed(event, run) for event in events[: _end(events, at)]]
    return [*kept, RunForked(step=at, parent=whole.run)]


def _end(events: Sequence[AnyEvent], at: int) -> int:
    """The index after the last event of step `at`, as it stands now."""
    if at == 0:
        return 1
    return 1 + max(
        index for index, event in enumerate(events) if isinstance(event, ActionFinished) and event.step == at
    )


def _renamed(event: AnyEvent, run: str) -> AnyEvent:
    return event.model_copy(update={"run": run}) if isinstance(event, RunStarted) else event


def copy_folder(source: Path, target: Path, state: State, at: int) -> list[str]:
    """Copy the parent's folder as it was after step `at`; return the files that were left out.

    Files that later steps made are not there yet; what earlier steps made is made again when variables are rebuilt.
    """
    later = [step for step in state.steps if step.number > at]
    made, changed = written(later)
    _, read = written(state.steps)
    room = MAX_COPIED
    left_out: list[str] = []
    found = list(_files(source))
    nearest = sorted(found[:MAX_FILES], key=lambda file: (file[0] not in read, file[1]))
    far = [file for file in found[MAX_FILES:] if file[0] in read]
    for name, size in [*far, *nearest]:
        if name in made:
            continue
        if name not in read and size > room:
            left_out.append(name)
            continue
        room -= 0 if name in read else size
        _copy(source / name, target / name)
    _put_back(source, target, later, changed)
    return [*left_out, *(name for name, _ in found[MAX_FILES:] if name not in read and name not in made)]


def _files(folder: Path) -> Iterator[tuple[str, int]]:
    """Plain files with their sizes, relative to the folder, nearest first; nothing hidden, no links."""
    waiting, seen = deque([folder]), 0
    while waiting and seen < MAX_SCANNED:
        with suppress(OSError), os.scandir(waiting.popleft()) as entries:
            for entry in entries:
                seen += 1
                if entry.name.startswith(".") or entry.name in _SKIPPED:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield Path(entry.path).relative_to(folder).as_posix(), entry.stat().st_size


def _put_back(source: Path, target: Path, later: Sequence[Step], changed: Collection[str]) -> None:
    """Give files that a later `write_file` replaced the version they had before it."""
    for step in reversed(later):
        file = (step.result.metadata.get("file") if step.result else None) or {}
        path, previous = str(file.get("path", "")), str(file.get("previous") or "")
        if path in changed and previous.isalnum() and is_inside(path) and (source / KEPT / previous).is_file():
            _copy(source / KEPT / previous, target / path)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
