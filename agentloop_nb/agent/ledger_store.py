"""Where the book of a ledger lies: in memory, for the threads of a process, or in a file that processes share."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from agentloop_nb._internal.file_locks import LOCK_EX, flock
from agentloop_nb.agent.ledger_book import Book
from agentloop_nb.errors import UserError
from agentloop_nb.record import line_file

_HEAD = {"do": "open", "format": 1}
Listener = tuple[asyncio.AbstractEventLoop, asyncio.Event]


class MemoryStore:
    """A book that threads of this process share."""

    patience: float | None = None
    """Seconds until one who waits looks again, unless woken."""

    def __init__(self) -> None:
        self._book = Book()
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()

    @contextmanager
    def open(self) -> Iterator[Book]:
        """Have the book for oneself."""
        with self._lock:
            yield self._book

    def write(self, **entry: Any) -> None:
        """Make an entry, in an open book."""
        self._book.apply(entry)

    @property
    def owner(self) -> str:
        """What names the process that makes entries."""
        return ""

    def is_gone(self, owner: str) -> bool:
        """Whether the process that made an entry is no more."""
        return False

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """Have an event that is set, on the running loop, whenever something is given back."""
        listener = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            self._listeners.add(listener)
        try:
            yield listener[1]
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def wake(self) -> None:
        """Have those look again who wait."""
        with self._lock:
            listeners = list(self._listeners)
        for loop, event in listeners:
            with suppress(RuntimeError):  # its loop is closed
                loop.call_soon_threadsafe(event.set)


class FileStore(MemoryStore):
    """A book whose entries are the lines of a file, appended under its lock; a torn last line is passed over."""

    patience = 0.1

    def __init__(self, path: Path) -> None:
        super().__init__()
        if flock is None:
            raise UserError("a ledger in a file needs file locks, which this system has not; leave its path out")
        self.path = path
        self._read = 0
        """Bytes of the file that are in the book."""
        self._file: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self.open():
                if not self._read:
                    self.write(**_HEAD)
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"{path} cannot be used as a ledger ({reason}); name another file") from None

    @property
    def owner(self) -> str:
        """What names this process."""
        return this_process(os.getpid())

    def is_gone(self, owner: str) -> bool:
        """Whether the process that made an entry is no more."""
        return not is_alive(owner)

    @contextmanager
    def open(self) -> Iterator[Book]:
        """Have the book for oneself, as the file has it now. Raises `OSError`."""
        with self._lock:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                assert flock is not None, "no store is made without"
                flock(self._file, LOCK_EX)
                self._catch_up()
                yield self._book
            finally:
                os.close(self._file)
                self._file = None

    def _catch_up(self) -> None:
        """Read what others wrote."""
        assert self._file is not None
        end = line_file.settle_end(self._file)
        if end < self._read:
            raise OSError(f"the ledger {self.path} was deleted or cut while its runs go on")
        lines = line_file.read_at(self._file, end - self._read, self._read).splitlines()
        try:
            for entry in _entries(lines, from_start=self._read == 0):
                self._book.apply(entry)
        except (ValueError, TypeError, ArithmeticError, LookupError) as error:
            raise OSError(f"{self.path} is no ledger, or damaged: {error}") from None
        self._read = end

    def write(self, **entry: Any) -> None:
        """Append an entry, in an open book. Raises `OSError`."""
        assert self._file is not None
        line = json.dumps(entry).encode() + b"\n"
        os.ftruncate(self._file, self._read)
        if line_file.write_at(self._file, line, self._read) < len(line):
            raise OSError(f"the ledger {self.path} cannot be written: the disk is full")
        self._read += len(line)
        self._book.apply(entry)


@functools.cache
def this_process(pid: int) -> str:
    """Return what names this process, and no later one that is given the same number."""
    return f"{pid}-{_began(pid)}"


def _entries(lines: list[bytes], *, from_start: bool) -> list[dict[str, Any]]:
    """Return the entries of a ledger's lines. Raises `ValueError`."""
    entries = [json.loads(line) for line in lines]
    if from_start and entries and entries[0] != _HEAD:
        raise ValueError("it is another file")
    return entries


def is_alive(owner: str) -> bool:
    """Whether the process of that name is still there."""
    pid, _, began = owner.partition("-")
    return pid.isdecimal() and len(pid) < 10 and _began(int(pid)) == began  # a ledger may be anybody's


def _began(pid: int) -> str:
    """Say when a process began; empty if there is none."""
    try:
        import psutil
    except ImportError:  # in a browser, which has one process
        return "0"
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.Error:
        return ""
