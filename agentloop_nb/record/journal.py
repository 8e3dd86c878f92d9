"""The record of a run: one event per line, appended and flushed as it happens; and how records are found and read.

A record lies in `.agentloop/runs/<id>.jsonl` beside the notebook. Its first line begins with the format's version. A
last line that is torn (the kernel was killed while it was written) is passed over, everything else has to be whole.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from agentloop_nb._internal import truncate
from agentloop_nb.errors import UserError
from agentloop_nb.events import ActionFinished, AnyEvent, RunStarted
from agentloop_nb.record import blobs, earlier_code, line_file, locating, lock, reading, trust

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000
LIMIT = 500 * MEGABYTE
"""Bytes to which a record grows, long texts included, before outputs are kept in part."""


class Journal:
    """The record of one run while it grows.

    Writing never fails the run: what cannot be written is kept in memory and tried again with the next event, and the
    user is told once.
    """

    def __init__(
        self,
        path: Path,
        *,
        fresh: bool,
        limit: int = LIMIT,
        warn: Callable[[str], None] | None = None,
        chain: trust.Chain | None = None,
    ) -> None:
        """`limit` is in bytes, for the record and its long texts; what follows it is kept without its outputs.

        `chain` signs the lines; without it they stay unsigned.
        """
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
        self._chain = chain

    @classmethod
    def create(
        cls,
        folder: Path,
        run: str,
        *,
        limit: int = LIMIT,
        warn: Callable[[str], None] | None = None,
        standing: trust.Standing = "own",
    ) -> Journal:
        """Begin the record of a new run beside the notebook in `folder`. Raises `UserError` if the run exists.

        `standing` is `vouched` for a run that begins with a stranger's steps.
        """
        chain = trust.begin(standing)
        journal = cls(
            locating.runs_folder(folder.absolute()) / f"{run}.jsonl", fresh=True, limit=limit, warn=warn, chain=chain
        )
        reading.refuse_linked(journal.path)
        if journal.path.exists():
            raise UserError(f"a run {run!r} exists already in {folder}; run the cell again")
        journal._begin()
        return journal

    @classmethod
    def open(cls, path: Path, *, limit: int = LIMIT, warn: Callable[[str], None] | None = None) -> Journal:
        """Go on with a record; a torn last line is cut off. Raises `UserError` if its run is still going on."""
        if lock.in_use(path):
            raise lock.going_on(path)
        reading.read(path)
        journal = cls(path.absolute(), fresh=False, limit=limit, warn=warn, chain=trust.chain_of(path))
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
            raise lock.going_on(self.path) from None
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
            lock.take(file)
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
            line, chain = self._line(self.pending[0]), self._chain
            if chain is not None:
                line, chain = chain.sign(line)
            self._write(line + b"\n")
            self._chain = chain
            del self.pending[0]

    def _line(self, event: AnyEvent) -> bytes:
        data = to_jsonable_python(event, fallback=repr, bytes_mode="base64")
        if isinstance(event, ActionFinished):
            data["result"] = self._fitting(data["result"])
        if isinstance(event, RunStarted):
            data = earlier_code.take_out(data, blobs.folder_of(self.path))
        data = blobs.take_out(data, blobs.folder_of(self.path), self._beside)
        try:
            return json.dumps(data, ensure_ascii=False).encode()
        except UnicodeEncodeError:  # half a surrogate pair, as broken text may hold
            return json.dumps(data).encode()

    def _fitting(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return a result whose outputs are cut where one is too long, or where the record has grown to its limit."""
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
