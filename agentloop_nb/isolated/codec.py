"""Values as data: what an isolated process hands back is built anew from JSON and raw numbers, never unpickled.

Only exact types of this list are taken; a subclass or any other object is refused, with a word why. Nothing that the
other process wrote is called, imported or evaluated.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from agentloop_nb.isolated import pandas_codec
from agentloop_nb.isolated.unsupported import Refused

Json = Any

MAX_DEPTH = 60
"""How deep containers may lie in each other; a list that holds itself is refused by it."""
MAX_BYTES = 2 * 2**30
"""Bytes of one value."""
MOST_ALIKE = 100
"""Keys with one hash; how long it takes to build a dictionary of them grows with the square of their number."""
_DTYPE = re.compile(r"[<>|=]?(?:[biufc]\d{1,2}|[SU]\d{1,9}|[mM]8(?:\[\d{0,4}(?:Y|M|W|D|h|m|s|ms|us|ns)\])?)")
_SEQUENCES: tuple[type, ...] = (list, tuple, set, frozenset)
_TEXTS: dict[type, tuple[str, Callable[[Any], str], Callable[[str], Any]]] = {
    Decimal: ("decimal", str, Decimal),
    Fraction: ("fraction", str, lambda text: Fraction(*map(int, text.split("/")))),
    complex: ("complex", repr, complex),
    float: ("float", repr, float),  # nan and infinities; JSON knows none
    date: ("date", date.isoformat, date.fromisoformat),
    bytes: ("bytes", lambda value: base64.b64encode(value).decode(), base64.b64decode),
    bytearray: ("bytearray", lambda value: base64.b64encode(value).decode(), lambda text: bytearray(_bytes(text))),
    type(Path()): ("path", str, Path),
}
_BUILT: dict[str, Callable[[list[Any]], Any]] = {kind.__name__: kind for kind in _SEQUENCES}
_FROM_TEXT = {name: build for name, _, build in _TEXTS.values()}


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


class Packer:
    """Takes a value apart into a JSON tree, and arrays into files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = 0

    def save(self, value: Any, name: str) -> None:
        """Write the tree of a value to a file of the folder. Raises `Refused`."""
        text = json.dumps(self.pack(value))
        self._folder.joinpath(name).write_text(text, encoding="utf-8")

    def pack(self, value: Any, depth: int = 0) -> Json:
        """Return the tree of a value. Raises `Refused`."""
        kind = type(value)
        if value is None or kind in (bool, str):
            return value
        if depth > MAX_DEPTH:
            raise Refused("it is nested too deeply")
        if kind is int:
            return value if value.bit_length() < 13_000 else {"is": "int", "hex": hex(value)}
        if kind is float and value - value == 0:
            return value
        if kind in _TEXTS:
            name, tell, _ = _TEXTS[kind]
            return {"is": name, "text": tell(value)}
        return self._container(value, kind, depth + 1)

    def _container(self, value: Any, kind: type, depth: int) -> Json:
        if kind in _SEQUENCES:
            return {"is": kind.__name__, "items": [self.pack(item, depth) for item in value]}
        if kind is dict:
            pairs = [[self.pack(key, depth), self.pack(item, depth)] for key, item in value.items()]
            return {"is": "dict", "pairs": pairs}
        if kind in _PARTS:
            return {"is": kind.__name__, **_PARTS[kind](value)}
        packed = self._numbers(value, kind, depth) or pandas_codec.pack(value, lambda part: self.pack(part, depth))
        if packed is None:
            raise Refused(f"a {kind.__name__} cannot be handed over as data")
        return packed

    def _numbers(self, value: Any, kind: type, depth: int) -> Json:
        np = sys.modules.get("numpy")
        if np is None or not (kind is np.ndarray or isinstance(value, np.generic)):
            return None
        if value.dtype.kind == "O" and kind is np.ndarray:
            return {
                "is": "objects",
                "shape": list(value.shape),
                "items": [self.pack(each, depth) for each in value.flat],
            }
        dtype = value.dtype.str
        if not _DTYPE.fullmatch(dtype):
            raise Refused(f"an array of {value.dtype} cannot be handed over as data")
        self._files += 1
        name = f"{self._files}.raw"
        np.ascontiguousarray(value).tofile(self._folder / name)
        scalar = kind is not np.ndarray
        return {"is": "array", "dtype": dtype, "shape": list(value.shape), "file": name, "scalar": scalar}


class Builder:
    """Builds a value from a tree and the files of a folder that somebody else wrote."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, name: str) -> Any:
        """Build the value whose tree lies in a file. Raises `Refused` for anything that is not as it should be."""
        try:
            return self.build(json.loads(_read(self._folder / name)))
        except Refused:
            raise
        except Exception as error:
            raise Refused(f"what was handed over is damaged ({type(error).__name__})") from error

    def build(self, tree: Json) -> Any:
        """Build the value of a tree. Raises `Refused`, or what a damaged tree makes fail."""
        if tree is None or isinstance(tree, bool | int | float | str):
            return tree
        kind = tree["is"]
        if kind in _FROM_TEXT:
            return _FROM_TEXT[kind](str(tree["text"]))
        if kind in _BUILT:
            items = [self.build(item) for item in tree["items"]]
            return _BUILT[kind](items if kind in ("list", "tuple") else _spread(items))
        if kind in _PLAIN:
            return _PLAIN[kind](tree)
        own = {"dict": self._dict, "array": self._array, "objects": self._objects}.get(kind)
        return own(tree) if own else pandas_codec.build(tree, self.build)

    def _dict(self, tree: Json) -> Any:
        pairs = [(self.build(key), self.build(item)) for key, item in tree["pairs"]]
        _spread(key for key, _ in pairs)
        return dict(pairs)

    def _array(self, tree: Json) -> Any:
        import numpy as np

        if not _DTYPE.fullmatch(tree["dtype"]):
            raise Refused("an array of an unknown kind was handed over")
        data = bytearray(_read(self._folder / Path(str(tree["file"])).name))
        array = np.frombuffer(data, dtype=np.dtype(tree["dtype"])).reshape([int(side) for side in tree["shape"]])
        return array[()] if tree["scalar"] else array

    def _objects(self, tree: Json) -> Any:
        import numpy as np

        items = [self.build(item) for item in tree["items"]]
        array: Any = np.empty(len(items), dtype=object)
        array[:] = items
        return array.reshape([int(side) for side in tree["shape"]])


def _spread(keys: Iterable[Any]) -> list[Any]:
    """Return the keys of a set or a dictionary. Raises `Refused` where too many have the same hash."""
    alike = Counter(map(hash, kept := list(keys)))
    if alike and max(alike.values()) > MOST_ALIKE:
        raise Refused("too many of its keys have the same hash")
    return kept


def _zone(value: datetime | time) -> dict[str, Any]:
    zone = value.tzinfo
    if zone is None:
        return {}
    if isinstance(key := getattr(zone, "key", None), str):
        return {"zone": key}
    offset = value.utcoffset()
    if type(zone) is timezone and offset is not None:
        return {"offset": offset.total_seconds()}
    raise Refused(f"a {type(zone).__name__} cannot be handed over as data")


def _moment(tree: Json) -> Any:
    from zoneinfo import ZoneInfo

    kind = datetime if tree["is"] == "datetime" else time
    zone: tzinfo | None = None
    if "zone" in tree:
        zone = ZoneInfo(str(tree["zone"]))
    elif "offset" in tree:
        zone = timezone(timedelta(seconds=float(tree["offset"])))
    return kind.fromisoformat(tree["iso"]).replace(tzinfo=zone, fold=int(tree["fold"]))


_PARTS: dict[type, Callable[[Any], Json]] = {
    range: lambda value: {"of": [value.start, value.stop, value.step]},
    timedelta: lambda value: {"of": [value.days, value.seconds, value.microseconds]},
    datetime: lambda value: {"iso": value.replace(tzinfo=None).isoformat(), "fold": value.fold} | _zone(value),
    time: lambda value: {"iso": value.replace(tzinfo=None).isoformat(), "fold": value.fold} | _zone(value),
}
_PLAIN: dict[str, Callable[[Json], Any]] = {
    "int": lambda tree: int(tree["hex"], 16),
    "range": lambda tree: range(*map(int, tree["of"])),
    "timedelta": lambda tree: timedelta(*map(int, tree["of"])),
    "datetime": _moment,
    "time": _moment,
}


def _read(path: Path) -> bytes:
    """Read a plain file; a link, a pipe or one that is too large is refused."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise Refused("what was handed over is no file")
        if status.st_size > MAX_BYTES:
            raise Refused(f"it is larger than {MAX_BYTES:,} bytes")
        return file.read()
