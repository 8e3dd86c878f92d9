"""Short text of plain data: numbers, text, containers, arrays, dates, and the attributes of the user's own objects.

Nothing of a value is called. What is shown is read through the methods of the built-in types and from the places where
attributes are stored; every other value is told by its type. Containers are sliced before they are shown.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import fractions
import pathlib
import re
import uuid
import zoneinfo
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import BuiltinFunctionType, FunctionType, ModuleType, NoneType, SimpleNamespace
from typing import Any

from agentloop_nb._internal import type_info
from agentloop_nb._internal.type_info import TypeSet

MAX_TEXT = 240
"""Characters of one value."""
MAX_INNER = 80
"""Characters of a text inside a container."""
MAX_ITEMS = 5
MAX_LEVEL = 3
MAX_BITS = 1_000
"""Bits of an integer that is written out; longer ones take time that grows with their square."""
MAX_ORDERED = 1_000
"""Keys of an OrderedDict that are looked at, to know whether its own order can be asked."""

Level = int
_ATOMS = TypeSet(bool, NoneType, type(Ellipsis), type(NotImplemented), str, int, float, complex, bytes)
_PRINTED = TypeSet(
    *(bool, NoneType, type(Ellipsis), type(NotImplemented), range, decimal.Decimal, fractions.Fraction, uuid.UUID),
    *(dt.date, dt.timedelta, dt.timezone, zoneinfo.ZoneInfo, re.Pattern, array),
    *(pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath, pathlib.WindowsPath),
)
"""Types whose `repr` is their own and cheap; `array` because it is sliced first."""
_ZONES = frozenset({"builtins", "datetime", "zoneinfo", "pytz", "dateutil"})
_OPEN_PACKAGES = frozenset({"sklearn"})
"""Packages whose objects are told by their public attributes, as the user's own are."""
_RECORDS = ("__dataclass_fields__", "__pydantic_fields__")


def short(value: Any, level: Level = MAX_LEVEL) -> str:
    """Tell a value in at most about `MAX_TEXT` characters; empty where there is nothing to tell beside its type."""
    return cut(_told(value, level), MAX_TEXT)


def cut(told: str, limit: int) -> str:
    """Shorten a text to `limit` characters."""
    return told if len(told) <= limit else told[: limit - 1] + "…"


def _told(value: Any, level: Level) -> str:
    cls = type(value)
    if (teller := _TELLERS.get(id(cls))) is not None:
        return teller(value, level)
    if cls in _PRINTED:
        return cut(repr(value[:MAX_ITEMS] if cls is array else value), MAX_TEXT)
    if type_info.inherits(cls, type):
        return type_info.name(value)
    if type_info.inherits(type(cls), enum.EnumMeta):
        return _member(value)
    return _derived(value, level)


def _derived(value: Any, level: Level) -> str:
    """Tell a value whose class is no built-in one."""
    home = type_info.package(type(value))
    if home in ("numpy", "pandas"):
        return _scalar(value) if home == "numpy" else _moment_of_pandas(value)
    bases = (id(base) for base in type_info.mro(type(value)))
    teller = next((_TELLERS[base] for base in bases if base in _TELLERS), _object)
    return teller(value, level)


def _inner(value: Any, level: Level) -> str:
    """Tell a value inside another one; never empty."""
    cls = type(value)
    if level <= 0 and cls not in _ATOMS:
        return "…"
    return cut(_told(value, level), MAX_INNER) or _by_type(value)


def _by_type(value: Any) -> str:
    from agentloop_nb.notebook.kernel import value_facts

    return f"<{' '.join(filter(None, [value_facts.type_name(value), value_facts.detail(value)]))}>"


def _listed(values: Iterable[Any], length: int, level: Level, most: int = MAX_ITEMS) -> str:
    if level <= 0 and length:
        return "…"
    items = [_inner(each, level - 1) for each in islice(values, most)]
    return ", ".join([*items, *(["…"] if length > most else [])])


# -- numbers and text


def _integer(value: int, _level: Level) -> str:
    bits = int.bit_length(value)
    return int.__repr__(value) if bits <= MAX_BITS else f"<an integer of {bits:,} bits>"


def _text(value: str, level: Level) -> str:
    most = MAX_TEXT if level == MAX_LEVEL else MAX_INNER
    return repr(str.__getitem__(value, slice(most))) + ("…" if str.__len__(value) > most else "")


def _bytes(value: Any, _level: Level) -> str:
    base: Any = bytes if type_info.inherits(type(value), bytes) else bytearray
    return repr(base.__getitem__(value, slice(MAX_INNER))) + ("…" if base.__len__(value) > MAX_INNER else "")


def _member(value: Any) -> str:
    stored = type_info.instance_dict(value) or {}
    name = stored.get("_name_")
    return f"{type_info.name(type(value))}.{name}" if type(name) is str else ""


def _moment(value: Any, _level: Level) -> str:
    """Return a date or time, unless a foreign time zone would have to be asked."""
    zone = type(value).__dict__["tzinfo"].__get__(value) if type_info.module(type(value)) == "datetime" else value
    return repr(value) if type_info.package(type(zone)) in _ZONES and zone is not value else ""


# -- containers


def _list(value: list[Any], level: Level) -> str:
    return f"[{_listed(list.__getitem__(value, slice(MAX_ITEMS)), list.__len__(value), level)}]"


def _tuple(value: tuple[Any, ...], level: Level) -> str:
    length, items = tuple.__len__(value), tuple.__getitem__(value, slice(MAX_ITEMS))
    fields = type_info.defined(type(value), "_fields")
    if type(fields) is tuple and all(type(each) is str for each in fields):
        return _named(value, zip(fields, items, strict=False), length, level)
    return f"({_listed(items, length, level)}{',' if length == 1 else ''})"


def _dict(value: dict[Any, Any], level: Level) -> str:
    if level <= 0 and dict.__len__(value):
        return "{…}"
    pairs = (f"{_inner(key, level - 1)}: {_inner(item, level - 1)}" for key, item in islice(_items(value), MAX_ITEMS))
    more = ", …" if dict.__len__(value) > MAX_ITEMS else ""
    return f"{{{', '.join(pairs)}{more}}}"


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    """Items in their own order. An OrderedDict hashes its keys while it is read, so plain keys only are asked for."""
    if not type_info.inherits(type(value), OrderedDict) or dict.__len__(value) > MAX_ORDERED:
        return dict.items(value)
    keys = dict.keys(value)
    return OrderedDict.items(value) if all(type(key) in _ATOMS for key in keys) else dict.items(value)


def _set(value: Any, level: Level) -> str:
    base = set if type_info.inherits(type(value), set) else frozenset
    length = base.__len__(value)
    if not length:
        return f"{base.__name__}()"
    told = _listed(_sample(base.__iter__(value)), length, level)
    return f"{{{told}}}" if base is set else f"frozenset({{{told}}})"


def _sample(values: Iterator[Any]) -> list[Any]:
    """Return a few of many values, in order where they have one: a set's own order differs from kernel to kernel."""
    found = list(islice(values, MAX_ITEMS))
    kinds = {id(type(each)) for each in found}
    return sorted(found) if kinds in ({id(str)}, {id(int)}, {id(float)}) else found


def _deque(value: deque[Any], level: Level) -> str:
    return f"deque([{_listed(deque.__iter__(value), deque.__len__(value), level)}])"


# -- objects


def _error(value: BaseException, level: Level) -> str:
    arguments = vars(BaseException)["args"].__get__(value)
    return f"{type_info.name(type(value))}({_listed(arguments, tuple.__len__(arguments), level)})"


def _function(value: Any, _level: Level) -> str:
    return f"<function {str.__str__(value.__name__)}>"


def _object(value: Any, level: Level) -> str:
    """Return an object of the user's own classes, or a record of plain fields.

    Of any other the type is all that is told.
    """
    cls = type(value)
    if type_info.package(cls) in _OPEN_PACKAGES or _is_record(cls) or _is_users(cls):
        return _attributes(value, level)
    return ""


def _is_record(cls: type) -> bool:
    return any(type(type_info.defined(cls, mark)) is dict for mark in _RECORDS)


def _is_users(cls: type) -> bool:
    homes = {type_info.module(each) for each in type_info.mro(cls)}
    return "__main__" in homes and homes <= {"__main__", "builtins", "abc", "typing"}


def _attributes(value: Any, level: Level) -> str:
    stored = {**(type_info.instance_dict(value) or {}), **type_info.slots(value)}
    hidden = set(_hidden(type(value)))
    names = [name for name in stored if type(name) is str and not name.startswith("_") and name not in hidden]
    return _named(value, ((name, stored[name]) for name in names), len(names), level) if names else ""


def _hidden(cls: type) -> Iterator[str]:
    """Fields that a record's own `repr` leaves out."""
    for mark in _RECORDS:
        fields = type_info.defined(cls, mark)
        for name, field in fields.items() if type(fields) is dict else ():
            if (type_info.instance_dict(field) or type_info.slots(field)).get("repr") is False:
                yield name


def _named(value: Any, parts: Iterable[tuple[str, Any]], length: int, level: Level) -> str:
    if level <= 0:
        return "…"
    told = [f"{name[:40]}={_inner(item, level - 1)}" for name, item in islice(parts, MAX_ITEMS)]
    return f"{type_info.name(type(value))}({', '.join([*told, *(['…'] if length > MAX_ITEMS else [])])})"


# -- numpy and pandas


def _scalar(value: Any) -> str:
    """Return a single number, text or record of numpy."""
    import numpy as np

    if not type_info.inherits(type(value), np.generic):
        return ""
    if type_info.inherits(type(value), np.void):
        return _told(value.item(), MAX_LEVEL - 1)
    return cut(repr(str(value)) if type_info.inherits(type(value), np.str_) else str(value), MAX_INNER)


def _moment_of_pandas(value: Any) -> str:
    """Return a moment, a span or a missing value of pandas; nothing of its tables is told here."""
    if type_info.name(type(value)) not in ("Timestamp", "Timedelta", "Period", "NaTType", "NAType", "Interval"):
        return ""
    zone = value.tzinfo if type_info.inherits(type(value), dt.datetime) else None
    return repr(value) if type_info.package(type(zone)) in _ZONES else ""


_TELLERS: dict[int, Callable[[Any, Level], str]] = {
    id(int): _integer,
    id(bool): lambda value, _level: repr(value),
    id(NoneType): lambda *_: "None",
    id(float): lambda value, _level: float.__repr__(value),
    id(complex): lambda value, _level: complex.__repr__(value),
    id(str): _text,
    id(bytes): _bytes,
    id(bytearray): _bytes,
    id(list): _list,
    id(tuple): _tuple,
    id(dict): _dict,
    id(set): _set,
    id(frozenset): _set,
    id(deque): _deque,
    id(BaseException): _error,
    id(FunctionType): _function,
    id(BuiltinFunctionType): lambda *_: "",
    id(ModuleType): lambda *_: "",
    id(SimpleNamespace): _attributes,
    id(dt.datetime): _moment,
    id(dt.time): _moment,
}
"""How values of a base type are told, by the identity of the type."""
