"""Looks for secrets inside values: containers, objects, classes, functions and modules of the user's.

Nothing is called that could run the user's code: what is read are the slots and dictionaries that Python itself keeps.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from functools import partial
from itertools import islice
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType, ModuleType, SimpleNamespace
from typing import Any, Protocol

from agentloop_nb._internal import type_info
from agentloop_nb._internal.type_info import TypeSet, inherits

MAX_TEXT = 10_000
"""Characters of a text that is looked at; a longer one is data."""
MAX_ITEMS = 1000
"""Items of a container or attributes of an object that are looked at."""
DEPTH = 6
"""Containers within containers that are gone into."""
DATA = frozenset({
    *("numpy", "pandas", "matplotlib", "polars", "pyarrow", "torch"),
    *("IPython", "ipykernel", "traitlets", "ipywidgets", "anywidget", "comm", "zmq", "tornado", "jupyter_client"),
    *("pathlib", "agentloop_nb"),
})  # fmt: skip
"""Packages whose objects are data, or the machinery of a kernel."""


class Found(Protocol):
    """Yields what is secret in a text."""

    def __call__(self, name: str, text: str, *, attribute: bool) -> Iterator[str]:
        """Take a text by its name, and whether it is an attribute."""


class Looker:
    """One look into many values, with room for a number of parts."""

    def __init__(self, found: Found, room: int) -> None:
        from pydantic import SecretBytes, SecretStr

        self._found = found
        self._hidden = TypeSet(SecretStr, SecretBytes)
        self.room = room
        self._seen: set[int] = set()

    def into(self, name: str, value: Any, depth: int = DEPTH, *, attribute: bool = False) -> Iterator[str]:
        """Yield secrets in a value of that name."""
        self.room -= 1
        kind = type(value)
        if kind is str or kind is bytes or kind is bytearray:
            if len(value) < MAX_TEXT:
                text = value if kind is str else bytes(value).decode("utf-8", "replace")
                yield from self._found(name, text, attribute=attribute)
        elif kind in self._hidden:
            text = value.get_secret_value()
            yield text if isinstance(text, str) else bytes(text).decode("utf-8", "replace")
        elif depth and self.room > 0 and kind not in PLAIN and self._is_new(value):
            for key, item, is_attribute in _parts(name, value):
                if self.room <= 0:
                    return
                yield from self.into(key, item, depth - 1, attribute=is_attribute)

    def _is_new(self, value: Any) -> bool:
        """Whether a value is met for the first time in this look."""
        before = len(self._seen)
        self._seen.add(id(value))
        return len(self._seen) > before


PLAIN = TypeSet(int, float, bool, complex, type(None), range, slice)
"""Types whose values hold nothing else."""


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yield the parts of a value, each with its name and whether it is an attribute."""
    kind = type(value)
    base = type_info.first_of(kind, _CONTAINERS)
    if base is dict:
        for key, item in islice(dict.items(value), MAX_ITEMS):
            yield (key if type(key) is str else name), item, False
    elif base is tuple and type(fields := type_info.defined(kind, "_fields")) is tuple:
        for field, item in zip(fields, tuple.__iter__(value), strict=False):
            yield (field if type(field) is str else name), item, True
    elif base is ModuleType:
        yield from _of_dict(attributes(value), attribute=False) if is_users(value) else ()
    elif base is type:
        yield from _of_dict(_class_attributes(value), attribute=False)
    elif base is not None:
        yield from _items(name, value, base)
    else:
        yield from _of_object(name, value)


def _of_object(name: str, value: Any) -> Iterator[tuple[str, Any, bool]]:
    kind = type(value)
    if kind is FunctionType:
        yield from _of_function(value)
    elif kind is MethodType:
        yield name, value.__self__, True
    elif kind is partial:
        yield from _of_dict(value.keywords, attribute=False)
        yield from ((name, item, False) for item in value.args)
    elif type_info.package(kind) not in DATA and not _is_shell(kind):
        yield from _of_dict(attributes(value), attribute=kind is not SimpleNamespace)
        yield from _of_slots(value)
        yield from _of_dict(_class_attributes(kind), attribute=False)


def _is_shell(kind: type) -> bool:
    """Whether a class is a kernel's shell: front ends derive their own, which hold the names of all modules."""
    return any((type_info.package(each), type_info.name(each)) == _SHELL for each in type_info.mro(kind))


def _items(name: str, value: Any, base: Any) -> Iterator[tuple[str, Any, bool]]:
    """Items of a sequence; of a pair that begins with a text, such as a header, that is the name of the rest."""
    items = list(islice(base.__iter__(value), MAX_ITEMS))
    if base is tuple and 2 <= len(items) <= 3 and (label := _label(items[0])):
        yield from ((label, item, False) for item in items[1:] if _label(item) != label)
    yield from ((name, item, False) for item in items)


def _label(value: Any) -> str:
    """Return the text of a short label; empty for all else."""
    text = value if type(value) is str else value.decode("utf-8", "replace") if type(value) is bytes else ""
    return text if len(text) < 60 else ""


def _of_dict(found: dict[str, Any], *, attribute: bool) -> Iterator[tuple[str, Any, bool]]:
    if len(found) <= MAX_ITEMS:
        for key, item in list(found.items()):
            if type(key) is str and not key.startswith("__"):
                yield key, item, attribute


def _of_function(value: FunctionType) -> Iterator[tuple[str, Any, bool]]:
    """Yield what a function of the user's closes over, and its defaults."""
    if type(value.__module__) is not str or value.__module__ != "__main__":
        return
    for key, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=False):
        try:
            yield key, cell.cell_contents, False
        except ValueError:  # not bound yet
            continue
    names = value.__code__.co_varnames[: value.__code__.co_argcount]
    defaults = value.__defaults__ or ()
    yield from ((key, item, False) for key, item in zip(reversed(names), reversed(defaults), strict=False))
    yield from _of_dict(value.__kwdefaults__ or {}, attribute=False)
    yield from _of_dict(vars(value), attribute=False)


def _of_slots(value: Any) -> Iterator[tuple[str, Any, bool]]:
    if type_info.package(type(value)) not in ("builtins", "functools"):
        yield from ((key, item, True) for key, item in type_info.slots(value).items())


def _class_attributes(kind: type) -> dict[str, Any]:
    """Return what the user's own classes define; of packages nothing."""
    homes = [(each, type_info.module(each)) for each in type_info.mro(kind)]
    own = [each for each, home in homes if home == "__main__" or _is_users_name(home)]
    return {
        key: item
        for each in reversed(own)
        for key, item in type_info.namespace(each).items()
        if type_info.defined(type(item), "__call__") is None and type(item) not in _DESCRIPTORS
    }


_SHELL = ("IPython", "InteractiveShell")
_CONTAINERS = TypeSet(dict, list, tuple, set, frozenset, deque, ModuleType, type)
_DESCRIPTORS = TypeSet(property, MemberDescriptorType, GetSetDescriptorType)


def _is_users_name(module: str) -> bool:
    found = sys.modules.get(module)
    return found is not None and inherits(type(found), ModuleType) and is_users(found)


def is_users(module: ModuleType) -> bool:
    """Whether a module is the user's own: a file of theirs, or made while the program runs."""
    found = attributes(module)
    name, file = found.get("__name__", ""), found.get("__file__")
    if type(name) is not str or name.partition(".")[0] in sys.stdlib_module_names | DATA or name == "__main__":
        return False
    if type(file) is not str:
        return found.get("__spec__") is None
    return "site-packages" not in file and "dist-packages" not in file and not file.startswith(_PREFIXES)


_PREFIXES = tuple({sys.prefix, sys.base_prefix})


def attributes(value: Any) -> dict[str, Any]:
    """Return an object's own dictionary, unless its class makes one up by code of its own."""
    return type_info.instance_dict(value) or {}
