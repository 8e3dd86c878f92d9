"""A restorable memory of values: everything mutable that can be reached from some names, saved piece by piece.

The pieces serve two ends: comparing them tells what a step changed in place, restoring them takes it back.
"""

from __future__ import annotations

import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from agentloop_nb._internal import type_info
from agentloop_nb._internal.pandas_blocks import block_manager
from agentloop_nb._internal.platform import thread_time
from agentloop_nb._internal.type_info import TypeSet
from agentloop_nb.notebook.kernel import tables
from agentloop_nb.notebook.snapshots.adapters import is_opaque, kind_of
from agentloop_nb.notebook.snapshots.arrays import ARRAY
from agentloop_nb.notebook.snapshots.data_tables import TABLE
from agentloop_nb.notebook.snapshots.kind import ATOMS, Kind

MAX_PIECES = 50_000
"""Pieces remembered at once; what lies beyond is named, not saved."""
LOOKS = 16
"""Values looked at between two looks at the clock, which is dear."""
MAX_DIGESTED = 2**28
"""Bytes of values too large to save that are checked whole; beyond, they are sampled."""


@dataclass
class Piece:
    """One mutable value with its saved content."""

    value: Any
    kind: Kind
    content: Any
    restorable: bool = True
    sampled: bool = False

    def same(self) -> bool:
        """Whether the value still is what it was. A value that cannot be compared counts as changed."""
        try:
            return self.kind.same(self.value, self.content)
        except Exception:
            return False

    def inside(self) -> Iterable[Any]:
        """Values inside its content."""
        return self.kind.children(self.content)

    def kept(self) -> int:
        """Bytes that its content keeps alive, about."""
        return self.kind.kept(self.value, self.content) if self.restorable else 0

    def restore(self) -> bool:
        """Put the content back; False when the value refuses."""
        try:
            if self.restorable:
                self.kind.restore(self.value, self.content)
        except Exception:
            return False
        return self.restorable


class Memory:
    """Saves what values hold, up to `room` bytes. Values stay the user's own objects; only contents are copied."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.pieces: dict[int, Piece] = {}
        """By the identity of the value, which the piece keeps alive."""
        self.opaque: dict[int, Any] = {}
        """Values met that cannot be taken back."""
        self.partial: set[int] = set()
        """Identities of values of which something was left out, for want of room or time."""
        self.full = False
        """Whether something was left out for want of room."""
        self._digested = 0

    def add(self, value: Any, deadline: float) -> None:
        """Save a value and everything mutable in it, until `deadline`, in CPU seconds of this thread."""
        waiting, looked = [value], -1
        while waiting:
            looked += 1
            if len(self.pieces) >= MAX_PIECES or (looked % LOOKS == 0 and thread_time() > deadline):
                self.partial.add(id(value))
                return
            each = waiting.pop()
            if type(each) in ATOMS or id(each) in self.pieces or id(each) in self.opaque:
                continue
            try:
                found = self._save(each)
                if found is None:
                    self.full = True
                    self.partial.add(id(value))
                waiting += found or ()
            except Exception:
                self.opaque[id(each)] = each

    def _save(self, value: Any) -> Iterable[Any] | None:
        """Save one value; returns what in it may change itself, or None when there was no room."""
        kind = kind_of(value)
        if kind is None:
            if is_opaque(value):
                self.opaque[id(value)] = value
            return ()
        size = kind.size(value)
        if size > self.room:
            return () if self._digest(value, kind, size) else None
        self.room -= size
        content = kind.save(value)
        self.pieces[id(value)] = Piece(value, kind, content)
        return [child for child in kind.children(content) if type(child) not in ATOMS]

    def _digest(self, value: Any, kind: Kind, size: int) -> bool:
        """Remember enough to see a change of a value that there is no room for; False: what is in it goes unseen."""
        flat = kind in (ARRAY, TABLE)
        whole = flat and self._digested + size <= MAX_DIGESTED
        self._digested += size if whole else 0
        digest = Kind(_digester(whole=whole), lambda now, then: _digester(whole=whole)(now) == then, _refuse)
        self.pieces[id(value)] = Piece(value, digest, digest.save(value), restorable=False, sampled=not whole)
        return flat

    def changed(self) -> dict[int, Piece]:
        """Return the pieces that are no longer what they were."""
        return {ident: piece for ident, piece in self.pieces.items() if not piece.same()}

    def keep(self, values: Iterable[Any], changed: set[int]) -> None:
        """Forget all but the pieces that changed, by identity, and what may lead to them from some values."""
        met = {id(each) for value in values for each in self.met_in(value)} if changed else set()
        leads = {ident for ident in met & self.pieces.keys() if any(map(_mutable, self.pieces[ident].inside()))}
        self.pieces = {ident: piece for ident, piece in self.pieces.items() if ident in changed or ident in leads}
        self.opaque = {}

    def met_in(self, value: Any) -> Iterator[Any]:
        """Every saved or opaque value reached from a value as it was, itself first."""
        seen: set[int] = set()
        waiting = [value]
        while waiting:
            each = waiting.pop()
            if id(each) in seen:
                continue
            seen.add(id(each))
            if piece := self.pieces.get(id(each)):
                yield each
                waiting += filter(_mutable, piece.inside())
            elif id(each) in self.opaque:
                yield each


def _mutable(value: Any) -> bool:
    return type(value) not in ATOMS


def _refuse(*_: Any) -> None:
    raise ValueError


def _digester(*, whole: bool) -> Callable[[Any], Any]:
    return _digest_whole if whole else sample


def _digest_whole(value: Any) -> Any:
    arrays = list(_arrays(value))
    return (*_outline(value), *(checksum(array) for array in arrays))


def _arrays(value: Any) -> Iterator[Any]:
    numpy = sys.modules["numpy"]
    for each in tables.blocks(value) or [value]:
        yield each if issubclass(type(each), numpy.ndarray) else id(each)


def _outline(value: Any) -> tuple[Any, ...]:
    """Shape, types and labels of an array or a table."""
    if (blocks := tables.blocks(value)) is not None:
        return (*map(len, block_manager(value).axes), tuple(map(id, block_manager(value).axes)), len(blocks))
    value = sys.modules["numpy"].asarray(value)
    return (value.shape, str(value.dtype), value.strides)


def checksum(array: Any) -> Any:
    """Return sums by row and by column of the bits, so that values that change places are seen.

    Runs at memory speed.
    """
    if isinstance(array, int):
        return array
    numpy = sys.modules["numpy"]
    data = numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8)
    rows = len(data) // 8192
    table = data[: rows * 8192].view(numpy.uint64).reshape(rows, 1024)
    sums = (table.sum(axis=0), table.sum(axis=1), data[rows * 8192 :])
    return tuple(zlib.crc32(numpy.ascontiguousarray(each)) for each in sums)


def sample(value: Any) -> Any:
    """Look at a value briefly (about 20 µs): equal samples do not prove that nothing changed."""
    base: Any = next((each for each in type_info.mro(type(value)) if each in _CONTAINERS), None)
    if base is dict:
        return (dict.__len__(value), *_some(dict.__iter__(value)), *_some(dict.values(value)))
    if base is not None:
        ends = base.__getitem__(value, slice(-32, None)) if base in (list, tuple) else ()
        return (base.__len__(value), *_some(base.__iter__(value)), *map(id, ends))
    if tables.blocks(value) is not None:
        first = (_sample_array(array) for array in list(_arrays(value))[:8])
        return (*_outline(value), id(block_manager(value)), *first)
    if (numpy := sys.modules.get("numpy")) is not None and issubclass(type(value), numpy.ndarray):
        return (*_outline(value), _sample_array(numpy.asarray(value)))
    state = type_info.instance_dict(value)
    return id(value) if state is None else (len(state), *_some(state.values()))


_CONTAINERS = TypeSet(list, tuple, set, frozenset, deque, dict)


def _some(values: Iterable[Any]) -> Iterator[int]:
    """Identities of the first values."""
    return map(id, islice(values, 96))


def _sample_array(array: Any) -> int:
    if isinstance(array, int):
        return array
    step = max(array.size // 256, 1)
    return zlib.crc32(array.flat[::step].tobytes()) ^ zlib.crc32(array.flat[-16:].tobytes())
