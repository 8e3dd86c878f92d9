"""The kernels that are served on this machine, found by the files that say where."""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
from pathlib import Path
from typing import NamedTuple

NO_KERNEL = (
    "No kernel is served here. Ask the person to type `%load_ext agentloop_nb` and `%agent serve` in their notebook, "
    "then call again."
)


LOOPBACK = "127.0.0.1:"
"""What the place of a socket begins with that is a port, where there are no unix sockets."""


class ServedKernel(NamedTuple):
    """Where a served kernel listens, and what tells it from others."""

    name: str
    kernel: str
    """The id of the kernel, as its connection file has it."""
    notebook: str
    cwd: str
    pid: int
    socket: str
    """The path of a unix socket, or `127.0.0.1:` and a port."""
    token: str
    run: str
    at: float
    """When it began to be served, in seconds since the epoch."""

    def __str__(self) -> str:
        return f"{_printable(self.name)} (in {_printable(self.cwd)})"


def _printable(text: str) -> str:
    """Return a text that steers no terminal; a name may be anything."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text[:200])


def runtime_dir() -> Path:
    """Return the runtime folder of Jupyter as jupyter_core has it, without its import."""
    if named := os.environ.get("JUPYTER_RUNTIME_DIR"):
        return Path(named)
    if data := os.environ.get("JUPYTER_DATA_DIR"):
        return Path(data) / "runtime"
    if sys.platform == "darwin":
        return Path.home() / "Library/Jupyter/runtime"
    if sys.platform == "win32" and (roaming := os.environ.get("APPDATA")):
        return Path(roaming) / "jupyter/runtime"
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(home) / "jupyter/runtime"


def alive() -> list[ServedKernel]:
    """List the kernels that are served, newest first."""
    return sorted((each for each in _announced() if _lives(each.pid)), key=lambda each: -each.at)


def is_announced(kernel: ServedKernel) -> bool:
    """Whether the file of a kernel is there: it is taken away when serving ends, and stays when the kernel dies."""
    return kernel in _announced()


def _announced() -> list[ServedKernel]:
    """Read the files that say where kernels listen. What others could have written is passed over."""
    return list(filter(None, map(_read, runtime_dir().glob("agentloop-*.json"))))


def _read(file: Path) -> ServedKernel | None:
    try:
        with os.fdopen(os.open(file, _OPENS), encoding="utf-8") as opened:
            if not _is_own(os.fstat(opened.fileno())):
                return None
            data = json.loads(opened.read(100_000))
        return ServedKernel(**{field: kind(data[field]) for field, kind in _FIELDS.items()})
    except (OSError, OverflowError, ValueError, KeyError, TypeError):
        return None


_OPENS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def _is_own(status: os.stat_result) -> bool:
    """Whether only this user can have written a file; on Windows the folder of their profile sees to that."""
    if sys.platform == "win32":
        return stat.S_ISREG(status.st_mode)
    return status.st_uid == os.getuid() and not status.st_mode & 0o077 and stat.S_ISREG(status.st_mode)


def _lives(pid: int) -> bool:
    """Whether a process is there."""
    if sys.platform == "win32":  # signal 0 is Ctrl-C there; a port that nobody listens on refuses the connection
        return True
    try:
        os.kill(pid, 0)
    except (OSError, OverflowError):
        return False
    return pid > 0


def connect(found: ServedKernel, greeting: bytes) -> socket.socket:
    """Open a connection, show the token, and send what comes first. Raises `OSError`."""
    by_port = found.socket.startswith(LOOPBACK)
    connection = socket.socket(socket.AF_INET if by_port else socket.AF_UNIX)
    try:
        if by_port:
            connection.connect(("127.0.0.1", int(found.socket.removeprefix(LOOPBACK))))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            _check_owner(found.socket)
            connection.connect(found.socket)
        connection.sendall(found.token.encode() + b"\n" + greeting)
    except (OSError, OverflowError, ValueError) as error:
        connection.close()
        raise OSError(str(error)) from error
    return connection


def _check_owner(path: str) -> None:
    """Raise `OSError` where a socket is not this user's: whoever listens there would be shown the token."""
    status = Path(path).stat()
    if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.getuid():
        raise OSError("the socket is somebody else's")


_FIELDS = dict(zip(ServedKernel._fields, (str, str, str, str, int, str, str, str, float), strict=True))


def choose(wanted: str | None, here: Path) -> ServedKernel | str:
    """Return the kernel that is meant: the named one, else the one of the nearest folder, else the only one.

    A text says what to type where none or several are meant.
    """
    served = alive()
    if wanted:
        served = [each for each in served if each.name == wanted] or [
            each for each in served if each.kernel.removeprefix("kernel-").startswith(wanted)
        ]
    elif len(served) > 1:
        nearest = max(_nearness(each, here) for each in served)
        served = [each for each in served if _nearness(each, here) == nearest]
    if len(served) == 1:
        return served[0]
    if served:
        return f"Several kernels are served: {'; '.join(map(str, served))}. Start the bridge with --kernel NAME."
    if wanted and (others := alive()):
        return f"No kernel {_printable(wanted)!r} is served; there is {'; '.join(map(str, others))}."
    return NO_KERNEL


def _nearness(served: ServedKernel, here: Path) -> int:
    """Say how near the folder of a kernel is: the same, then a folder above, the lower the nearer, then one below."""
    place = Path(served.cwd)
    if place == here or place in here.parents:
        return 1000 + len(place.parts)
    return 1000 - len(place.parts) if here in place.parents else -1
