"""Forking a run: what its record holds up to a step, under a new id, and a copy of its folder as it was then."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from agentloop_nb._internal.safe_files import KEPT, kept_version
from agentloop_nb.actions import Finish
from agentloop_nb.errors import Hint, UserError
from agentloop_nb.events import ActionFinished, AnyEvent, RunForked, RunStarted
from agentloop_nb.export.inputs import is_inside
from agentloop_nb.rebuild.file_stash import written
from agentloop_nb.state import State, fold
from agentloop_nb.step import Step

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
        raise UserError(f"run {whole.run} has no step {at} to fork after; {has}", Hint("fork --at N"))
    last = next((step for step in whole.steps if step.number == at), None)
    finished = last is not None and last.decision is not None and isinstance(last.decision.action, Finish)
    if finished and not note:
        raise UserError(f"step {at} ends the run; say what to do next", Hint(f"fork --at {at} what to do next"))
    kept = [_renamed(event, run) for event in events[: _end(events, at)]]
    return [*kept, RunForked(step=at, parent=whole.run)]


def _end(events: Sequence[AnyEvent], at: int) -> int:
    """Return the index after the last event of step `at`, as it stands now."""
    if at == 0:
        return 1
    return 1 + max(
        index for index, event in enumerate(events) if isinstance(event, ActionFinished) and event.step == at
    )


def _renamed(event: AnyEvent, run: str) -> AnyEvent:
    return event.model_copy(update={"run": run}) if isinstance(event, RunStarted) else event


@dataclass
class Copied:
    """What of a parent's folder its fork has not, or not as it was."""

    left_out: list[str] = field(default_factory=list)
    """Files for which there was no room."""
    failed: list[str] = field(default_factory=list)
    """Files that cannot be read, or not be written again."""
    later: list[str] = field(default_factory=list)
    """Files that are as later steps left them: no version from before is kept."""


def copy_folder(source: Path, target: Path, state: State, at: int) -> Copied:
    """Copy the parent's folder as it was after step `at`.

    Files that later steps made are not there yet; what earlier steps made is made again when variables are rebuilt.
    """
    later = [step for step in state.steps if step.number > at]
    made, changed = written(later)
    _, before = written(state.steps)
    by_code = {name for step in later for name in step.effects.files_written}
    skipped = (made | by_code) - before
    copied, room = Copied(), MAX_COPIED
    found = list(_files(source))
    nearest = sorted(found[:MAX_FILES], key=lambda file: (file[0] not in before, file[1]))
    far = [file for file in found[MAX_FILES:] if file[0] in before]
    for name, size in [*far, *nearest]:
        if name in skipped:
            continue
        if name not in before and size > room:
            copied.left_out.append(name)
        elif not _copy(source / name, target / name):
            copied.failed.append(name)
        else:
            room -= 0 if name in before else size
            copied.later += [name] if name in by_code | changed else []
    put_back = _put_back(source, target, later, changed)
    copied.later = [name for name in copied.later if name not in put_back]
    copied.left_out += [name for name, _ in found[MAX_FILES:] if name not in before | skipped]
    for _, previous in _replaced(step for step in state.steps if step.number <= at):  # for a fork of the fork
        _copy_kept(source / KEPT / previous, target / KEPT / previous)
    return copied


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


def _put_back(source: Path, target: Path, later: Sequence[Step], changed: Collection[str]) -> set[str]:
    """Give files that a later `write_file` replaced the version they had before it; return which."""
    replaced = [(path, previous) for path, previous in _replaced(reversed(later)) if path in changed]
    return {path for path, previous in replaced if _copy_kept(source / KEPT / previous, target / path)}


def _replaced(steps: Iterable[Step]) -> Iterator[tuple[str, str]]:
    """Files that were replaced by whole ones, each with the name under which its previous version is kept."""
    for step in steps:
        for file in step.effects.placed:
            if file.previous and is_inside(file.path):
                yield file.path, file.previous


def _copy_kept(source: Path, target: Path) -> bool:
    """Whether a kept version could be copied: one that was changed since is not."""
    try:
        data = kept_version(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    except OSError:
        return False
    return True


def _copy(source: Path, target: Path) -> bool:
    """Whether a file could be copied."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    except OSError:
        return False
    return True
