"""Options of Python itself that steps change: the garbage collector, sockets, the locale, the root logger."""

from __future__ import annotations

import gc
import locale
import logging
import socket
import sys
from typing import Any


def read() -> dict[str, Any]:
    """Return the options by what a person calls them."""
    return {
        "the garbage collector": gc.isenabled(),
        "the time limit of sockets": socket.getdefaulttimeout(),
        "the longest number as text": sys.get_int_max_str_digits(),
        "the recursion limit": sys.getrecursionlimit(),
        "the locale": locale.setlocale(locale.LC_ALL),
        "the level of the root logger": logging.root.level,
        "the handlers of the root logger": tuple(logging.root.handlers),
        "the level below which nothing is logged": logging.root.manager.disable,
    }


def write(name: str, value: Any) -> None:
    """Set an option."""
    match name:
        case "the garbage collector":
            (gc.enable if value else gc.disable)()
        case "the time limit of sockets":
            socket.setdefaulttimeout(value)
        case "the longest number as text":
            sys.set_int_max_str_digits(value)
        case "the recursion limit":
            sys.setrecursionlimit(value)
        case "the locale":
            locale.setlocale(locale.LC_ALL, value)
        case "the level of the root logger":
            logging.root.setLevel(value)
        case "the handlers of the root logger":
            logging.root.handlers[:] = value
        case "the level below which nothing is logged":
            logging.disable(value)
