"""The record of a run: one event a line, appended and flushed as it happens; and how records are found and read.

A record lies in `.agentloop/runs/<id>.jsonl` beside the notebook. Its first line begins with the format's version. A
last line that is torn (the kernel was killed while it was written) is passed over, everything else has to be whole.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from agentloop_nb._internal import truncate
from agentloop_nb._internal.paths import typed_path
from agentloop_nb.actions import BY_NAME
from agentloop_nb.errors import UserError
from agentloop_nb.events import ActionFinished, AnyEvent, RunStarted, UnknownEvent, event_from
from agentloop_nb.protocols import WrittenFile
from agentloop_nb.record import blobs, line_file
from agentloop_nb.state import State, fold

try:
    from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
except ImportError:  # Windows and browsers have no such advisory locks; records are then never found to be in use
    flock = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

MAX_RECORD = 1024 * 1024 * 1024
"""Bytes of a record that are read at all."""

MEGABYTE = 1_000_000
LIMIT = 500 * MEGABYTE
"""Bytes to which a record grows, long texts included, before outputs are kept in part."""

_latest = 0


def new_run_id() -> str:
    """Return a fresh id, `20261122-101500-3fa2` (UTC). In one process ids only grow, whatever the clock does."""
    global _latest  # noqa: PLW0603 - the second that the last id was given, so that no two share one
    _latest = max(int(time.time()), _latest + 1)
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(_latest))}-{secrets.token_hex(2)}"


def runs_folder(folder: Path) -> Path:
    """Where the records of a folder lie."""
    return folder / ".agentloop" / "runs"


def home(record: Path) -> Path:
    """The folder that a record belongs to: the one whose `.agentloop` holds it, else the record's own."""
    folder = record.absolute().parent
    return folder.parent.parent if folder.parent.name == ".agentloop" else folder


def working_folder(record: Path, output_dir: object) -> Path:
    """The working folder that a record names. Raises `UserError` for one that is not inside its `home`.

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


class Journal:
    """The record of one run while it grows.

    Writing never fails the run: what cannot be written is kept in memory and tried again with the next event, and the
    user is told once.
    """

    def __init__(
        self, path: Path, *, fresh: bool, limit: int = LIMIT, warn: Callable[[str], None] | None = None
    ) -> None:
        """`limit` is in bytes, for the record and its long texts; what follows it is kept without its outputs."""
        self.path = path
        self.limit = limit
        self.pending: list[AnyEvent] = []
        """Events that are not on the disk yet because it could not be written."""
        self._warn = warn or log.warning
        self._warned = False
        self._full = False
        self._file: int | None = None
        self._good = 0
        self._beside: dict[str, int] = {}
        """Sizes of the long texts that lie beside the record, by digest."""
        self._lock = threading.Lock()
        self._fresh = fresh

    @classmethod
    def create(
        cls, folder: Path, run: str, *, limit: int = LIMIT, warn: Callable[[str], None] | None = None
    ) -> Journal:
        """Begin the record of a new run beside the notebook in `folder`. Raises `UserError` if the run exists."""
        journal = cls(runs_folder(folder.absolute()) / f"{run}.jsonl", fresh=True, limit=limit, warn=warn)
        if journal.path.exists():
            raise UserError(f"a run {run!r} exists already in {folder}; run the cell again")
        journal._begin()
        return journal

    @classmethod
    def open(cls, path: Path, *, limit: int = LIMIT, warn: Callable[[str], None] | None = None) -> Journal:
        """Go on with a record; a torn last line is cut off. Raises `UserError` if its run is still going on."""
        if in_use(path):
            raise _going_on(path)
        read(path)
        journal = cls(path.absolute(), fresh=False, limit=limit, warn=warn)
        journal._begin()
        return journal

    @property
    def size(self) -> int:
        """Bytes on the disk: the record's own, and those of the long texts beside it."""
        return self._good + sum(self._beside.values())

    def append(self, event: AnyEvent) -> None:
        """Write an event, so that it survives the death of the kernel. Never raises."""
        with self._lock:
            self.pending.append(event)
            self._try(self._write_pending)

    def close(self) -> None:
        """Close the file. A later `append` opens it again."""
        with self._lock:
            if self._file is not None:
                with contextlib.suppress(OSError):
                    os.close(self._file)
            self._file = None
            self._fresh = False

    def _begin(self) -> None:
        try:
            self._open()
        except BlockingIOError:  # another kernel began to write it in this moment
            raise _going_on(self.path) from None
        except OSError as error:
            self._tell(error)

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self._tell(error)

    def _tell(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            reason = error.strerror or str(error)
            self._warn(f"the record {self.path} cannot be written ({reason}); the run goes on, kept in memory only")

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        ignore = self.path.parent.parent / ".gitignore"
        if self._fresh and not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | (os.O_EXCL if self._fresh else 0)
        file = os.open(self.path, flags, 0o600)
        try:
            _lock(file)
        except BlockingIOError:
            os.close(file)
            raise
        self._file, self._fresh = file, False
        self._good = line_file.settle_end(self._file)
        if self._good and not self._beside:
            self._beside = blobs.sizes(line_file.read_at(self._file, self._good, 0), blobs.folder_of(self.path))

    def _write_pending(self) -> None:
        if self._file is None:
            self._open()
        self._follow()
        while self.pending:
            self._write(self._line(self.pending[0]))
            del self.pending[0]

    def _line(self, event: AnyEvent) -> bytes:
        data = to_jsonable_python(event, fallback=repr, bytes_mode="base64")
        if isinstance(event, ActionFinished):
            data["result"] = self._fitting(data["result"])
        data = blobs.take_out(data, blobs.folder_of(self.path), self._beside)
        try:
            return (json.dumps(data, ensure_ascii=False) + "\n").encode()
        except UnicodeEncodeError:  # half a surrogate pair, as broken text may hold
            return (json.dumps(data) + "\n").encode()

    def _fitting(self, result: dict[str, Any]) -> dict[str, Any]:
        """A result whose outputs are cut where one is too long, or where the record has grown to its limit."""
        if self.size + truncate.weight(truncate.shown(result)) <= self.limit:
            return truncate.cut(result, blobs.MAX_KEPT - truncate.SLACK)
        kept = truncate.cut(result, truncate.BEGINNING)
        if kept is not result and not self._full:
            self._full = True
            self._warn(
                f"the record {self.path} has grown to its limit of {self.limit // MEGABYTE:,} MB: from now on it keeps "
                "decisions whole and outputs in part; %config AgentMagics.record_limit (in MB) allows more"
            )
        return kept

    def _write(self, line: bytes) -> None:
        """Write a whole line or none of it."""
        assert self._file is not None
        try:
            os.ftruncate(self._file, self._good)
            written = line_file.write_at(self._file, line, self._good)
            while written < len(line):
                written += line_file.write_at(self._file, line[written:], self._good + written)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._good)
            raise
        self._good += len(line)

    def _follow(self) -> None:
        """Notice that the record was deleted, and write it again from the file that is still open."""
        assert self._file is not None
        if os.fstat(self._file).st_nlink > 0:
            return
        whole = line_file.read_at(self._file, self._good, 0)
        os.close(self._file)
        self._file, self._fresh = None, True
        self._open()
        self._write(whole)
        self._warn(f"the record {self.path} was deleted while its run goes on; it was written again")


def read(path: Path) -> list[AnyEvent]:
    """Read a record. Raises `UserError` that names the line if it is damaged anywhere but in its last line."""
    events = list(_events(path))
    if not events or not isinstance(events[0], RunStarted):
        raise UserError(f"{path} is no record of a run: its first line must be a run_started event")
    return events


def _events(path: Path) -> Iterator[AnyEvent]:
    folder = blobs.folder_of(path)
    lines = _lines(path)
    last = len(lines) - 1
    for index, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            data = json.loads(line.decode("utf-8"))
            if not isinstance(data, dict):
                raise TypeError("not an object")  # noqa: TRY301 - one place explains every kind of damage
            event = _event(blobs.put_back(data, folder))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            if index == last and isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
                return  # torn: the kernel died while it was written
            raise UserError(f"{path}, line {index + 1} is damaged ({_reason(error)})") from None
        yield event


def _lines(path: Path) -> list[bytes]:
    try:
        if not path.is_file():
            raise UserError(f"there is no record {path}")
        if path.stat().st_size > MAX_RECORD:
            raise UserError(f"{path} is larger than any record ({path.stat().st_size:,} bytes)")
        return path.read_bytes().removesuffix(b"\n").split(b"\n")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None


def _event(data: dict[str, Any]) -> AnyEvent:
    """Rebuild an event; a decision for an action of a newer version is kept as an unknown event."""
    decision = data.get("decision") or data.get("edited")
    action = decision.get("action") if isinstance(decision, dict) else None
    if isinstance(action, dict) and action.get("name") not in BY_NAME and not action.get("own"):
        return UnknownEvent.model_validate(data)
    event = event_from(data)
    if isinstance(event, ActionFinished):
        if not all(map(_is_output, event.result.outputs)):
            raise ValueError("an output is none of a notebook's")
        if file := event.result.metadata.get("file"):
            WrittenFile.model_validate(file)
    return event


def _is_output(output: dict[str, Any]) -> bool:
    """Whether an output has the shape that nbformat gives it."""
    match output:
        case {"output_type": "stream", "text": str() | list()}:
            return True
        case {"output_type": "display_data" | "execute_result", "data": dict(data)}:
            return all(isinstance(mime, str) for mime in data)
        case {"output_type": "error", "ename": str(), "evalue": str()}:
            return isinstance(output.get("traceback", []), list)
        case _:
            return False


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error) or type(error).__name__


def _lock(file: int) -> None:
    """Be the only one that writes a file. Raises `BlockingIOError` if somebody else is."""
    if flock is None:
        return
    for patience in (0.02, 0.05, 0.1, 0.2, 0):  # whoever looks whether it is in use holds it for a moment
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError as error:
            if not patience:
                raise BlockingIOError(error.errno, "another kernel is writing it") from None
            time.sleep(patience)
        except OSError:
            return  # some network folders have no locks
        else:
            return


def _going_on(path: Path) -> UserError:
    return UserError(f"run {path.stem} is still going on in another kernel; stop it there first")


def in_use(path: Path) -> bool:
    """Whether a living process is writing this record."""
    if flock is None or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            flock(file, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def load(path: Path) -> State:
    """Rebuild the state of a recorded run. One that was under way when its kernel died is `interrupted`."""
    state = fold(read(path))
    if state.status == "running" and not in_use(path):
        state.status, state.reason = "interrupted", "its kernel died"
    return state


def runs(folder: Path) -> list[State]:
    """The runs recorded in a folder, newest first. One whose record is damaged says so in its `reason`."""
    found = []
    for path in _records(folder):
        try:
            found.append(load(path))
        except UserError as error:
            found.append(State(run=path.stem, status="failed", reason=str(error)))
    return found


def find(reference: str | None, folder: Path) -> Path:
    """Return the record that a person means: by id, unique beginning of an id, or path; None is the newest one."""
    records = _records(folder)
    if reference is None:
        if not records:
            raise UserError(f"no run is recorded in {folder}; start one with %%agent and a goal")
        return records[0]
    if (path := typed_path(reference)).suffix == ".jsonl" and path.is_file():
        return path.absolute()
    matches = [record for record in records if record.stem.startswith(reference)]
    exact = [record for record in matches if record.stem == reference]
    if len(exact or matches) == 1:
        return (exact or matches)[0]
    if matches:
        raise UserError(f"{reference!r} begins several runs: {', '.join(match.stem for match in matches[:5])}")
    close = difflib.get_close_matches(reference, [record.stem for record in records], n=1, cutoff=0.4)
    hint = f"; did you mean {close[0]}?" if close else "; %agent runs lists them"
    raise UserError(f"there is no run {reference!r} in {folder}{hint}")


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
    """The records of a folder, newest id first."""
    return sorted(runs_folder(folder).glob("*.jsonl"), key=lambda path: path.stem, reverse=True)
