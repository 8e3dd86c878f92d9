"""What an event is told of: plain values, or objects whose class can answer otherwise when it is asked again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from agentloop_nb.notebook.kernel.audit_callers import is_installed

_PLAIN = frozenset({str, bytes, bytearray, memoryview, int, bool, float, type(None)})
_HOLDERS = frozenset({list, tuple, dict, set, frozenset})
_MOST = 5
"""Arguments of an event that are looked at; what is imported has more."""
_MOST_PARTS = 10_000


def class_of_its_own(args: tuple[Any, ...]) -> str:
    """Name the class of an argument that no installed package defines; empty for none."""
    for value in _parts(args[:_MOST]):
        if type(value) not in _PLAIN and not _is_known(type(value)):
            return _attribute(type(value), "__qualname__")
    return ""


def _parts(values: Any) -> Iterator[Any]:
    """Yield values, and what lists and their like among them hold."""
    for value in list(values)[:_MOST_PARTS]:
        if type(value) is dict:
            yield from (part for pair in value.items() for part in pair)
        elif type(value) in _HOLDERS:
            yield from value
        else:
            yield value


def _is_known(kind: type) -> bool:
    """Whether a class is C's, or of an installed package and found where it says that it stands."""
    flags = type.__dict__["__flags__"].__get__(kind)
    if flags & _IMMUTABLE or not flags & _ON_THE_HEAP:
        return True
    module = sys.modules.get(_attribute(kind, "__module__"))
    path = vars(module).get("__file__") if module else "?"
    if isinstance(path, str) and not is_installed(os.path.realpath(path)):
        return False
    found: Any = module
    for name in _attribute(kind, "__qualname__").split("."):
        found = vars(found).get(name) if hasattr(found, "__dict__") else None
    return found is kind and _attribute(kind, "__module__") != "__main__"


def _attribute(kind: type, name: str) -> str:
    """Read an attribute of a class as Python keeps it, without the class being asked."""
    found = type.__getattribute__(kind, name)
    return found if type(found) is str else "?"


_IMMUTABLE, _ON_THE_HEAP = 1 << 8, 1 << 9
"""Flags of classes: C's, which nobody changes; and made while Python runs."""
