"""Addresses of hosts, as the system resolves them."""

from __future__ import annotations

import socket
from contextlib import suppress


def is_address(host: str) -> bool:
    """Whether a host is told by its address."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, ValueError):
            socket.inet_pton(family, host.partition("%")[0])
            return True
    return False


def resolved(host: str) -> set[str]:
    """Return the addresses of a host; none where it is not known."""
    try:
        return {str(item[4][0]) for item in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return set()
