"""Find records: where they lie, by id, the beginning of one, or path."""

from __future__ import annotations

import contextlib
import difflib
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from agentloop_nb._internal.paths import typed_path
from agentloop_nb.errors import Hint, UserError
from agentloop_nb.record import reading, trust
from agentloop_nb.state import State


class _Seconds:
    """Gives each second once, and never an earlier one."""

    def __init__(self) -> None:
        self._latest = 0

    def next(self) -> int:
        """Return the second it is, or the first that was not given."""
        self._latest = max(int(time.time()), self._latest + 1)
        return self._latest


_SECONDS = _Seconds()


def new_run_id() -> str:
    """Return a fresh id, `20261122-101500-3fa2` (UTC). In one process ids only grow, whatever the clock does."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(_SECONDS.next()))}-{secrets.token_hex(2)}"


def runs_folder(folder: Path) -> Path:
    """Where the records of a folder lie."""
    return folder / ".agentloop" / "runs"


def home(record: Path) -> Path:
    """Return the folder that a record belongs to: the one whose `.agentloop` holds it, else the record's own."""
    folder = record.absolute().parent
    return folder.parent.parent if folder.parent.name == ".agentloop" else folder


def working_folder(record: Path, output_dir: object) -> Path:
    """Return the working folder that a record names. Raises `UserError` for one that is not inside its `home`.

    A record may come from anybody; only a person may name a folder elsewhere.
    """
    folder = home(record) / str(output_dir or "")
    if is_own(record, folder):
        return folder
    raise UserError(
        f"run {record.stem} names the working folder {str(output_dir)[:200]!r}, which is not inside {home(record)}; if "
        "you know that it is its own, name it again: agentloop resume --output-dir DIR RUN"
    )


def is_own(record: Path, folder: Path) -> bool:
    """Whether a folder lies in the one that a record belongs to, links followed."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # no path at all, or links in a circle
        return folder.resolve().is_relative_to(home(record).resolve())
    return False


def runs(folder: Path) -> list[State]:
    """Return the runs recorded in a folder, newest first. One whose record is damaged says so in its `reason`."""
    found = []
    for path in _records(folder):
        try:
            found.append(reading.load(path))
        except UserError as error:
            found.append(State(run=path.stem, status="failed", reason=str(error)))
    return found


def parts(record: Path) -> Iterator[State]:
    """Yield the runs of the parts that a run delegated, by records of this user's own."""
    for path in sorted(record.parent.glob("*.jsonl")):
        if path.stem > record.stem and trust.standing(path) == "own":  # none is older than what delegated it
            with contextlib.suppress(UserError):
                if (state := reading.load(path)).part_of == record.stem:
                    yield state


def written(folder: Path) -> frozenset[str]:
    """SHA-256 of the files that runs of this user wrote; what a stranger's record says of itself counts for nothing."""
    own = [record for record in _records(folder) if trust.standing(record) != "foreign"]
    found: set[str] = set()
    for record in own:
        with contextlib.suppress(UserError):
            found |= reading.load(record).written
    return frozenset(found)


def find(reference: str | None, folder: Path) -> Path:
    """Return the record that a person means: by id, unique beginning of an id, or path; None is the newest one."""
    found = _found(reference, folder)
    reading.refuse_linked(found)
    return found


def _found(reference: str | None, folder: Path) -> Path:
    records = _records(folder)
    if reference is None:
        if not records:
            raise UserError(f"no run is recorded in {folder}", Hint("", "and a goal", lead="; start one with "))
        return _chosen(records[0])
    if (path := typed_path(reference)).suffix == ".jsonl" and path.is_file():
        return path.absolute()
    matches = [record for record in records if record.stem.startswith(reference)]
    exact = [record for record in matches if record.stem == reference]
    if len(exact or matches) == 1:
        return (exact or matches)[0]
    if matches:
        raise UserError(f"{reference!r} begins several runs: {', '.join(match.stem for match in matches[:5])}")
    close = difflib.get_close_matches(reference, [record.stem for record in records], n=1, cutoff=0.4)
    told = f"there is no run {reference!r} in {folder}"
    raise UserError(f"{told}; did you mean {close[0]}?") if close else UserError(told, Hint("runs", "lists them"))


def _chosen(newest: Path) -> Path:
    """Return the record itself; of tries of one goal, that of the one that was chosen."""
    with contextlib.suppress(UserError):
        ranked = reading.load(newest).ranked
        if ranked is not None and ranked.chosen and (chosen := newest.with_name(f"{ranked.chosen}.jsonl")).is_file():
            return chosen
    return newest


def names_run(word: str, folder: Path) -> bool:
    """Whether a word names a run rather than begins a note: an id, a beginning of one, or a record's path.

    Fewer than eight digits do where they begin one run only, and no note: a year alone is none.
    """
    if re.fullmatch(r"\d{8}[-0-9a-f]*|\S+\.jsonl", word):
        return True
    if re.fullmatch(r"\d{5,7}", word):
        return sum(record.stem.startswith(word) for record in _records(folder)) == 1
    return word.endswith(".jsonl") and typed_path(word).is_file()


def _records(folder: Path) -> list[Path]:
    """Return the records of a folder, newest id first."""
    return sorted(runs_folder(folder).glob("*.jsonl"), key=lambda path: path.stem, reverse=True)
