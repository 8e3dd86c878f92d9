"""Run inside the fresh kernel's process, before IPython: no network, no files of the user's, none of this package.

This is a check of what a notebook needs, not a fence against code that wants to get out. What was refused is appended
to a log, one JSON line each, so that the verdict can name it. Started as `python -c <this source> -f CONNECTION_FILE`.
"""

import json
import os
import runpy
import socket
import sys
import weakref
from typing import Any

SETTINGS = json.loads(os.environ.pop("AGENTLOOP_JAIL"))
ALLOWED = tuple(SETTINGS["allowed"])
"""Folders that may be read and written."""
DENIED = tuple(SETTINGS["denied"])
"""Folders inside the allowed ones that may not: the user's own working folder."""
SOURCES = (".py", ".pyc", ".so", ".pyd", ".pth")
"""Ends of files that an import reads, wherever they are installed."""
bound: "weakref.WeakSet[socket.socket]" = weakref.WeakSet()


def refuse(kind: str, what: object) -> None:
    """Note what is refused, for the verdict."""
    with open(SETTINGS["log"], "a", encoding="utf-8") as log:  # noqa: PTH123 - this file runs alone
        log.write(json.dumps({"kind": kind, "what": str(what)}) + "\n")


def check_open(path: object) -> None:
    """Refuse files outside the folders that a verified notebook has."""
    if not isinstance(path, str | bytes):
        return
    place = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - this file runs alone
    if place.endswith(SOURCES) or place == SETTINGS["log"] or _under(place, SETTINGS["own"]):
        return
    if _under(place, DENIED) or not _under(place, ALLOWED):
        refuse("file", place)
        raise FileNotFoundError(2, "outside of the notebook's folder, which is all that a verified notebook has", place)


def _under(place: str, folders: "tuple[str, ...] | list[str]") -> bool:
    return any(place == folder or place.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)


def check_address(address: object) -> None:
    """Allow Unix sockets, and loopback where this very process listens."""
    if not isinstance(address, tuple):
        return
    host, port = str(address[0]), address[1]
    local = host in ("localhost", "::1", "") or host.startswith("127.")
    if not local or port not in _listening():
        refuse("network", f"{host}:{port}")
        raise ConnectionError(f"the network is cut off while a notebook is verified ({host})")


def _listening() -> "set[object]":
    ports = set()
    for each in list(bound):
        try:
            ports.add(each.getsockname()[1])
        except (OSError, IndexError, TypeError):
            continue
    return ports


def check_name(host: object) -> None:
    """Refuse to look a name up; addresses are left to `check_address`."""
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    if any(char.isalpha() for char in name) and ":" not in name and name != "localhost":
        refuse("network", name)
        raise ConnectionError(f"the network is cut off while a notebook is verified ({name})")


def watch(event: str, arguments: "tuple[Any, ...]") -> None:
    """The audit hook."""
    if event == "open":
        check_open(arguments[0])
    elif event == "socket.bind":
        bound.add(arguments[0])
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        check_address(arguments[1])
    elif event == "socket.getaddrinfo":
        check_name(arguments[0])


sys.modules["agentloop_nb"] = None  # type: ignore[assignment]  # importing it fails, as where it is not installed
sys.addaudithook(watch)
runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)
