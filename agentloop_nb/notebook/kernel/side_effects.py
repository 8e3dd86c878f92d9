"""What a step did outside the namespace: files opened, processes started, addresses connected to.

Python's own audit events tell of it. Files written by child processes or by libraries in C leave no event; they are
found by their modification time.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from agentloop_nb.notebook.kernel import effect_hook, output_scope
from agentloop_nb.notebook.kernel.input_files import Replaced, listed, named_in_shell

_PROCESSES = frozenset(
    {"subprocess.Popen", "os.system", "os.posix_spawn", "os.fork", "os.forkpty", "os.exec", "pty.spawn"}
)
_SILENT_LIBRARIES = ("pyarrow", "h5py", "tables", "netCDF4", "polars", "duckdb", "fastparquet", "cv2")
_SILENT_SUFFIXES = (
    ".parquet",
    ".feather",
    ".arrow",
    ".orc",
    ".h5",
    ".hdf5",
    ".nc",
    ".duckdb",
    ".db",
    ".sqlite",
    ".png",
    ".jpg",
)
_SKIPPED = frozenset({"__pycache__", "site-packages", "dist-packages", "node_modules"})
_NETWORK = frozenset({"socket.connect", "socket.getaddrinfo"})
MAX_EVENTS = 5_000
MAX_BEYOND = 20
"""Processes, and addresses, that are named."""
MAX_COMMAND = 100
"""Characters of a process's command that are told."""
MAX_SCANNED = 2_000
_CLOCK = 0.02
"""Seconds by which a file system's clock may lag."""


class SideEffects:
    """Listens while it is entered; `folder` is the step's working folder, `strings` the texts in its code.

    `known` holds when files told by earlier steps were modified; it is kept up to date.
    """

    def __init__(self, folder: Path, strings: Iterable[str], known: dict[str, int], code: str = "") -> None:
        self._known = known
        self._known_before = frozenset(known)
        self._code = code
        self._replaced = Replaced(folder)
        self._listed: dict[str, None] = {}
        """Folders that were listed."""
        self._folder = folder
        self._strings = list(strings)
        self._opened: dict[str, list[bool]] = {}
        """Paths with one flag an opening, True for writing, in order."""
        self._named: dict[str | bytes, list[bool]] = {}
        """The same, as code named the paths since the folder changed last."""
        self.processes = False
        """Whether child processes were started."""
        self._commands: dict[str, None] = {}
        self._hosts: dict[tuple[str, str], None] = {}
        """Names that were looked up, with the port."""
        self._addresses: dict[tuple[str, str], None] = {}

    def __enter__(self) -> SideEffects:
        self._began = time.time() - _CLOCK
        self._in_shell = named_in_shell(self._code, self._folder)
        effect_hook.listen(self)
        return self

    def __exit__(self, *_: object) -> None:
        effect_hook.unlisten(self)
        self._resolve()

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        """Take an audit event. Runs inside whatever caused it, so it must be quick."""
        if output_scope.current() is output_scope.OUTSIDE:
            return
        if event == "open":
            self._hear_open(*args)
        elif event == "os.chdir":
            self._resolve()
        elif event in _PROCESSES:
            self.processes = True
            if len(self._commands) < MAX_BEYOND and (command := _command(event, args)):
                self._commands[command] = None
        elif event in _NETWORK:
            self._hear_network(event, args)
        else:
            self._hear_files(event, args)

    def _hear_files(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _CHANGING:
            for path in args[: _CHANGING[event]]:
                self._replaced.keep(path)
        elif event == "sqlite3.connect":
            self._hear_database(args[0])
        elif event in _LISTING:
            self._hear_listing(args[0])

    def _hear_open(self, path: Any, mode: Any, flags: Any) -> None:
        if isinstance(flags, int):
            writing = bool(flags & (os.O_WRONLY | os.O_RDWR))
        else:
            writing = any(sign in (mode or "") for sign in "wax+")
        if not writing:
            self.hear_readings([path])
        elif isinstance(path, str | bytes) and self._has_room():
            if not any(self._named.get(path, ())):
                self._keep(os.path.abspath(os.fsdecode(path)))
            self._named.setdefault(path, []).append(True)

    def hear_readings(self, paths: Iterable[object]) -> None:
        """Take the names of files that were opened to be read."""
        for path in paths:
            if isinstance(path, str | bytes) and path not in self._named and self._has_room():
                self._named[path] = [False]

    def _has_room(self) -> bool:
        return len(self._opened) + len(self._named) <= MAX_EVENTS

    def _keep(self, path: str) -> None:
        """Keep a file as it is before it is written for the first time."""
        if not any(self._opened.get(path, ())):
            self._replaced.keep(path)

    def _hear_database(self, path: Any) -> None:
        if isinstance(path, str | bytes | os.PathLike) and len(self._opened) < MAX_EVENTS:
            path = os.path.abspath(os.fsdecode(path))
            self._replaced.keep(path)
            self._opened.setdefault(path, []).append(not os.path.exists(path))

    def _hear_listing(self, path: Any) -> None:
        if len(self._listed) < MAX_BEYOND and isinstance(path, str | bytes | os.PathLike | None):
            self._listed[os.path.abspath(os.fsdecode(path or "."))] = None

    def _resolve(self) -> None:
        """Make the paths named so far absolute: where they lie depends on the folder of their time."""
        named, self._named = self._named, {}
        for path, flags in named.items():
            self._opened.setdefault(os.path.abspath(os.fsdecode(path)), []).extend(flags)

    def _hear_network(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo":
            found, place = self._hosts, (args[0], args[1])
        else:
            found, place = self._addresses, args[1][:2] if isinstance(args[1], tuple) else (args[1], "")
        if len(found) < MAX_BEYOND and place[0]:
            found[_text(place[0]), str(place[1] or "")] = None

    def beyond(self) -> tuple[str, ...]:
        """Return what was seen that nothing can take back: `started git push`, `connected to example.org:443`."""
        named = {port for _, port in self._hosts}
        places = [*(self._hosts if self._addresses else ()), *(at for at in self._addresses if at[1] not in named)]
        connected = [f"connected to {host}:{port}" if port else f"connected to {host}" for host, port in places]
        started = [f"started {command}" for command in self._commands]
        return (*(started or ["started a child process"] if self.processes else ()), *dict.fromkeys(connected))

    def files(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Files of the folder that were written, and that were read, relative to it."""
        written = {name for path, flags in self._opened.items() if any(flags) and (name := self._name(path))}
        if self.processes or any(library in sys.modules for library in _SILENT_LIBRARIES):
            written |= set(self._fresh())
        for name in written:
            with suppress(OSError):
                self._known[name] = (self._folder / name).stat().st_mtime_ns
        read = {name for path, flags in self._opened.items() if not flags[0] and (name := self._name(path))}
        silent = {name for text in self._strings if (name := self._silent(text))} - written
        for folder in self._listed if self._code else ():
            read |= set(listed(Path(folder), self._folder)) - written
        return tuple(sorted(written)), tuple(sorted(read | silent | self._in_shell))

    def replaced(self) -> dict[str, dict[str, str]]:
        """Files of the folder that were overwritten or are gone, as they were before; none that steps had written."""
        return {name: content for name, content in self._replaced.files.items() if name not in self._known_before}

    def _name(self, path: str) -> str | None:
        """Return the path of an existing file relative to the folder; None for a file elsewhere, and for caches."""
        with suppress(ValueError, OSError):
            relative = Path(path).relative_to(self._folder)
            hidden = any(part.startswith(".") or part in _SKIPPED for part in relative.parts)
            if not hidden and relative.parts and (self._folder / relative).is_file():
                return relative.as_posix()
        return None

    def _silent(self, text: str) -> str | None:
        return self._name(str(self._folder / text)) if text.lower().endswith(_SILENT_SUFFIXES) else None

    def _fresh(self) -> Iterator[str]:
        """Files changed since the step began, without notebooks, which the front end saves by itself."""
        waiting, seen = [self._folder], 0
        while waiting:
            with suppress(OSError), os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    seen += 1
                    if seen > MAX_SCANNED:
                        return
                    if entry.name.startswith(".") or entry.name in _SKIPPED or entry.name.endswith(".ipynb"):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif (name := self._name(entry.path)) and self._is_fresh(name, entry.stat(follow_symlinks=False)):
                        yield name

    def _is_fresh(self, name: str, status: os.stat_result) -> bool:
        return status.st_mtime >= self._began and self._known.get(name) != status.st_mtime_ns


def _command(event: str, args: tuple[Any, ...]) -> str:
    """Return what a process was started as; nothing where only a fork is told of."""
    if event in ("os.fork", "os.forkpty"):
        return ""
    words = args[0] if event in ("os.system", "pty.spawn") else args[1]
    told = " ".join(map(_text, words)) if isinstance(words, list | tuple) else _text(words)
    return told if len(told) <= MAX_COMMAND else told[:MAX_COMMAND] + "…"


def _text(value: Any) -> str:
    return os.fsdecode(value) if isinstance(value, str | bytes | os.PathLike) else str(value)


_CHANGING = {"os.remove": 1, "os.rename": 2, "os.truncate": 1}
"""Events before a file changes or is gone, with how many of their arguments name one."""
_LISTING = frozenset({"os.listdir", "os.scandir"})
