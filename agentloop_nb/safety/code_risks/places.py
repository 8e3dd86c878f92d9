"""Places that a text names: hosts, and paths outside the working folder."""

from __future__ import annotations

import re
import socket
import unicodedata
from contextlib import suppress

from agentloop_nb.safety.code_risks import call_tables
from agentloop_nb.safety.code_risks.constant_values import HOLE, MAX_STRING

_DOTS = str.maketrans("。．｡", "...")


def hosts(text: str, *, bare: bool = False) -> set[str]:
    """Return the hosts a text names in addresses; `bare` also takes names that stand alone, like `evil.example`."""
    text = text[:MAX_STRING].translate(_DOTS).replace(f"{HOLE}.", "")
    found = {_host(match[2]) for match in call_tables.URL.finditer(text)}
    if bare or re.fullmatch(r"[\w.-]+(?:[:/]\S*)?", text.strip()):
        for match in call_tables.HOST.finditer(text):
            if match[1].rsplit(".", 1)[-1].lower() not in call_tables.EXTENSIONS:
                found.add(_host(match[1]))
    found |= {_host(match[1]) for match in re.finditer(r"\w@([\w-]{1,63}(?:\.[\w-]{1,63})+)", text)}
    found |= {_host(match[1]) for match in re.finditer(r"/dev/(?:tcp|udp)/([\w.-]+)/", text)}
    return {host for host in found if "." in host.strip(".") or ":" in host or host == "localhost"}


def _host(authority: str) -> str:
    name = authority.rsplit("@", 1)[-1]
    if not name.startswith("["):
        name = name.partition(":")[0]
    return host_of(name)


def host_of(name: str) -> str:
    """Return a host as a resolver takes it: one form a letter and a dot, numbers of any notation as four of them."""
    plain = unicodedata.normalize("NFKC", name).translate(_DOTS).strip("[].").lower()
    if re.fullmatch(r"(0x[0-9a-f]+|\d+)(\.(0x[0-9a-f]+|\d+)){0,3}", plain):
        with suppress(OSError):
            return socket.inet_ntoa(socket.inet_aton(plain))
    return plain


def outside(path: str) -> bool:
    """Whether a path, as it is spelled, lies outside the working folder."""
    depth = 0
    for part in path.replace("\\", "/").split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return True
    return path.startswith(("/", "~", "\\")) or re.match(r"[A-Za-z]:[\\/]", path) is not None or "$HOME" in path
