"""What one run did so far: the place that the effects of its next step are judged in."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

from agentloop_nb._internal.addresses import EVERYWHERE, LOOPBACK
from agentloop_nb.safety.code_risks import as_cell
from agentloop_nb.safety.observed_effects import Effect, Mandate


class Past:
    """What one run made in its folder, and was allowed, so far: the `Place` that effects are judged in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.allowed: set[Effect] = set()
        """Effects that a person allowed."""
        self.addresses: dict[str, set[str]] = {}
        """Addresses of the hosts that were looked up."""
        self._sockets: WeakSet[Any] = WeakSet()
        """Those that its steps bound to an address."""
        self._made: set[str] = set()

    def made(self, path: str) -> bool:
        """Whether the run made a path, or a folder above it."""
        return path in self._made or any(str(above) in self._made for above in Path(path).parents)

    def bound(self, listening: Any) -> None:
        """Remember a socket that a step binds."""
        with suppress(TypeError):
            self._sockets.add(listening)

    def listens_on(self, address: Any, asking: Any) -> bool:
        """Whether a step itself listens on an address of this machine: a bound port may be somebody else's."""
        if not isinstance(address, tuple) or str(address[0]) not in (LOOPBACK, "::1", "localhost"):
            return False
        local = "::1" if asking.family == socket.AF_INET6 else LOOPBACK
        host = local if address[0] == "localhost" else str(address[0])
        own = [each for each in list(self._sockets) if each.type == asking.type]
        return any(_accepts(each, host, int(address[1])) for each in own)

    def unread(self, mandate: Mandate, named: Sequence[str]) -> str:
        """Return a file that the run made, that a child may execute, and that was not read; empty for none."""
        words = {os.path.realpath(self.folder / word) for word in named}
        for path in sorted(self._made):
            content = _content(path) if path in words or as_cell(path, "") is not None else None
            if content is not None and hashlib.sha256(content).hexdigest() not in mandate.vetted:
                return path
        return ""

    def note(self, event: str, effect: Effect) -> None:
        """Remember what an effect that may happen makes."""
        if effect.kind == "write" and event not in _OF_WHAT_IS_THERE and not os.path.lexists(effect.target):
            self._made.add(effect.target)
        elif effect.kind == "rename" and effect.target in self._made and not os.path.lexists(effect.other):
            self._made.add(effect.other)  # what was there before stays the user's: the move may fail, too


_OF_WHAT_IS_THERE = ("os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr", "os.truncate")
"""Events that make no file."""
_ANY = {LOOPBACK: EVERYWHERE, "::1": "::"}
"""What a socket is bound to that takes connections to these."""


def _accepts(bound: Any, host: str, port: int) -> bool:
    """Whether a socket takes what is sent to an address."""
    try:
        its_host, its_port = bound.getsockname()[:2]
        ready = bound.type != socket.SOCK_STREAM or bound.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except (OSError, ValueError):
        return False
    return bool(ready) and its_port == port and its_host in (host, _ANY[host])


def _content(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes() if os.path.isfile(path) else None
    except OSError:
        return b""
