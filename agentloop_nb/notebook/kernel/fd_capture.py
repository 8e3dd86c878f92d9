"""What child processes and C libraries write straight to the process's descriptors 1 and 2.

In a kernel these lead into pipes that ipykernel reads, and it copies everything to the kernel's real streams, too. So
a step has pipes of its own there as everywhere else: its end marks are never seen by anybody, and what somebody else
writes meanwhile (a cell's background child has the old pipe) goes where it always went.
"""

from __future__ import annotations

import codecs
import os
import select
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from agentloop_nb.notebook.kernel.worker_threads import have_done
from agentloop_nb.terminal.own_stdout import redirected

_END = b"\0"
"""Sent through a pipe after everything else."""
_PATIENCE = 1.0
"""Seconds to wait for a pipe to run dry; a background child may write for ever."""

Write = Callable[[str, str], None]
"""Takes the name of a stream and text."""


def _waits(descriptor: int) -> bool:
    """Whether bytes wait in a pipe, as far as the system tells."""
    try:
        import fcntl
        import termios

        answer = fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))
        return any(answer)
    except (ImportError, OSError):
        return False


class FdCapture:
    """Redirects descriptors 1 and 2 into `write`. `real` writes where the streams led before, and
    `expects` tells whether something may have been written to them.
    """

    def __init__(self, write: Write, expects: Callable[[], bool]) -> None:
        self._write = write
        self._expects = expects
        self._pipes: list[_Pipe] = []
        self.real: dict[str, Callable[..., Any]] = {"stdout": sys.stdout.write, "stderr": sys.stderr.write}

    def __enter__(self) -> FdCapture:
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            stream = getattr(sys, name)
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
                leads_there = stream.fileno() == descriptor
                pipe = _Pipe(descriptor, name, self._write)
                self._pipes.append(pipe)
                if leads_there:
                    self.real[name] = pipe.write_past
        return self

    @property
    def active(self) -> bool:
        """Whether the process has descriptors to redirect."""
        return bool(self._pipes)

    def drain(self, *, expected: bool) -> None:
        """Wait until everything written so far has been passed on; only where something was, or is `expected`."""
        for pipe in self._pipes:
            if expected or pipe.busy:
                pipe.drain()

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close(expected=self._expects())


class _Pipe:
    """One redirected descriptor, with the thread that reads it."""

    def __init__(self, descriptor: int, name: str, write: Write) -> None:
        self._descriptor, self._name, self._write = descriptor, name, write
        self._saved = redirected[descriptor] = os.dup(descriptor)
        self._source, sink = os.pipe()
        os.dup2(sink, descriptor)
        os.close(sink)
        self._arrived = threading.Semaphore(0)
        self._heard = self._closed = self._ended = False
        self._ending = threading.Lock()
        """Held while the pipe is closed, or its reader ends: the later one closes what was saved."""
        have_done(self._read)

    def _read(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while data := os.read(self._source, 65536):
            self._heard = True
            marks = data.count(_END)
            if text := decoder.decode(data.replace(_END, b"")):
                if self._closed:  # a background child that outlived its step
                    self.write_past(text)
                else:
                    self._write(self._name, text)
            for _ in range(marks):
                self._arrived.release()
        os.close(self._source)
        with self._ending:  # a step may close the descriptor itself, and is then not over yet
            self._ended = True
            if self._closed:
                os.close(self._saved)

    def write_past(self, text: str) -> int:
        """Write where the descriptor led before."""
        data = text.encode("utf-8", "replace")
        with suppress(OSError):
            while data:
                data = data[os.write(self._saved, data) :]
        return len(text)

    @property
    def busy(self) -> bool:
        """Whether something was written, as far as is known."""
        return self._heard or _waits(self._source)

    def drain(self) -> None:
        with suppress(OSError):  # the code may have closed the descriptor
            if select.select([], [self._descriptor], [], _PATIENCE)[1]:
                os.write(self._descriptor, _END)
                self._arrived.acquire(timeout=_PATIENCE)

    def close(self, *, expected: bool) -> None:
        if expected or self.busy:
            self.drain()
        with self._ending:
            self._closed = True
            redirected.pop(self._descriptor, None)
            os.dup2(self._saved, self._descriptor)
            if self._ended:
                os.close(self._saved)
