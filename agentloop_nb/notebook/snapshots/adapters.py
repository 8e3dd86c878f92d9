"""The kinds of mutable values a step can be taken back for: how to save one, compare it, and put it back in place.

Everything is restored into the same object, so that other names and containers that hold it see the restored value too.
"""

from __future__ import annotations

import operator
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from re import Pattern
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    GenericAlias,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodWrapperType,
    ModuleType,
    NoneType,
    UnionType,
    WrapperDescriptorType,
)
from typing import Any

from agentloop_nb._internal import type_info
from agentloop_nb._internal.type_info import TypeSet

ATOMS = TypeSet(
    *(int, float, complex, bool, str, bytes, NoneType, range, slice, type(Ellipsis), type(NotImplemented)),
    *(Decimal, Fraction, Pattern, ModuleType),
)  # fmt: skip
"""Types of values that do not change, or whose changes are not looked at."""
_FROZEN = (date, time, timedelta, tzinfo, PurePath, range)
_STILL = TypeSet(
    *(object, staticmethod, classmethod, property, super, CodeType, GenericAlias, UnionType),
    *(FunctionType, BuiltinFunctionType),
    *(WrapperDescriptorType, MethodWrapperType, MethodDescriptorType, ClassMethodDescriptorType),
    *(GetSetDescriptorType, MemberDescriptorType),
)  # fmt: skip
"""Python's own types whose values never change, or whose changes do not matter."""
_OPAQUE_HOMES = frozenset({
    *("matplotlib", "IPython", "ipykernel", "ipywidgets", "traitlets", "anywidget", "agentloop_nb", "jinja2"),
    *("logging", "threading", "asyncio", "socket", "io", "sqlite3", "ssl", "zmq", "multiprocessing", "concurrent"),
    *("subprocess", "weakref", "contextvars", "tkinter", "random", "torch", "tensorflow", "jax", "polars", "pyarrow"),
    *("xgboost", "lightgbm", "catboost"),
})  # fmt: skip
"""Packages whose objects are machinery: too entangled to be put back piece by piece."""
LAZY_FRAME = 32 * 2**20
"""Bytes from which a pandas 3 table is saved by its own copy-on-write instead of a copy at once."""


@dataclass(frozen=True)
class Kind:
    """What can be done with values of one kind. `content` is what `save` returned."""

    save: Callable[[Any], Any]
    same: Callable[[Any, Any], bool]
    """Whether a value still is what its saved content says."""
    restore: Callable[[Any, Any], None]
    children: Callable[[Any], Iterable[Any]] = lambda _content: ()
    """Values inside a saved content that may change themselves."""
    size: Callable[[Any], int] = lambda _value: 64
    """Bytes that saving the value takes, about."""
    alive: Callable[[Any, Any], int] | None = None
    """Bytes that a saved content keeps alive beside its value, about; None: what saving took."""
    look: Callable[[Any], Any] | None = None
    """What a value looks like, in few bytes; None: see `likeness`."""

    def kept(self, value: Any, content: Any) -> int:
        """Bytes that a saved content keeps alive beside its value, about."""
        return self.size(content) if self.alive is None else self.alive(value, content)


def kind_of(value: Any) -> Kind | None:
    """The kind of a value; None for one that cannot change, or that we cannot save (see `is_opaque`)."""
    cls = type(value)
    if cls in ATOMS:
        return None
    kind = _EXACT.get(id(cls)) or _special(value) or _scientific(value)
    if kind is not None:
        return kind
    if (base := _built_in(cls)) is not None:
        return _with_state(_EXACT[id(base)])
    if type_info.inherits(cls, type):
        return CLASS if type_info.module(value) == "__main__" else None
    if _is_frozen(value) or is_opaque(value) or _state(value) is None:
        return None
    return OBJECT


def _built_in(cls: type) -> type | None:
    """The built-in container that a class derives from."""
    return next((base for base in type_info.mro(cls) if id(base) in _EXACT), None)


def _special(value: Any) -> Kind | None:
    from agentloop_nb.notebook.snapshots.special import special_kind

    return special_kind(value)


def _with_state(kind: Kind) -> Kind:
    """A container that may have attributes, too."""
    if kind in _STATEFUL:
        return _STATEFUL[kind]

    def restore(value: Any, content: tuple[Any, dict[str, Any]]) -> None:
        kind.restore(value, content[0])
        _restore_state(value, content[1])

    made = Kind(
        save=lambda value: (kind.save(value), _state(value) or {}),
        same=lambda value, content: kind.same(value, content[0]) and _same_state(value, content[1]),
        restore=restore,
        children=lambda content: [*kind.children(content[0]), *content[1].values()],
        size=kind.size,
        alive=lambda value, content: kind.kept(value, content[0]),
        look=lambda value: hash(
            (
                tuple(map(id, kind.save(value))),
                tuple(map(id, kind.children(kind.save(value)))),
                tuple(map(id, (_state(value) or {}).values())),
            )
        ),
    )
    _STATEFUL[kind] = made
    return made


_STATEFUL: dict[Kind, Kind] = {}


def _hides_state(cls: type) -> bool:
    """Whether a class keeps more than attributes: some written in C keep what nothing else can see."""
    slots = sum(len(_slots(base)) for base in type_info.mro(cls))
    return type_info.basic_size(cls) > object.__basicsize__ + _WORD * (slots + 2)


_WORD = 8


def _slots(base: type) -> tuple[str, ...]:
    slots = type_info.namespace(base).get("__slots__", ())
    if type(slots) is str:
        return (slots,)
    return tuple(slots) if type(slots) in (tuple, list, dict) else ()


def _is_frozen(value: Any) -> bool:
    """Whether a value cannot change: a date, a path, a single number of numpy's."""
    numpy = sys.modules.get("numpy")
    if type_info.inherits(type(value), *_FROZEN):
        return True
    single, record = getattr(numpy, "generic", None), getattr(numpy, "void", None)
    return single is not None and type_info.inherits(type(value), single) and not issubclass(type(value), record or ())


def is_opaque(value: Any) -> bool:
    """Whether a value can change in ways that cannot be taken back: a generator, an open file, a widget."""
    cls = type(value)
    if cls in ATOMS or type_info.inherits(cls, type) or _is_frozen(value):
        return False
    if id(cls) in _EXACT or cls in _STILL or _special(value) is not None or _scientific(value) is not None:
        return False
    if _built_in(cls) is not None:
        return False
    home = type_info.package(cls).lstrip("_")
    odd = home in _OPAQUE_HOMES or type_info.defined(cls, "__next__") is not None
    return odd or _state(value) is None or (_hides_state(cls) and not type_info.inherits(cls, BaseException))


# -- built-in containers


def _identical(one: Iterable[Any], other: Iterable[Any]) -> bool:
    return all(map(operator.is_, one, other))


def _restore_list(value: list[Any], content: list[Any]) -> None:
    list.__setitem__(value, slice(None), content)


def _dict_type(value: dict[Any, Any]) -> Any:
    return OrderedDict if type_info.inherits(type(value), OrderedDict) else dict


def _has_plain_keys(value: dict[Any, Any]) -> bool:
    return all(type(key) in ATOMS for key in dict.__iter__(value))


def _read_as(value: dict[Any, Any]) -> Any:
    """The type by whose methods a dictionary is read: an OrderedDict hashes its keys, so only plain ones are asked."""
    base = _dict_type(value)
    return base if base is dict or _has_plain_keys(value) else dict


def _restore_dict(value: dict[Any, Any], content: dict[Any, Any]) -> None:
    _dict_type(value).clear(value)
    for key, item in content.items():
        _dict_type(value).__setitem__(value, key, item)


def _save_dict(value: dict[Any, Any]) -> dict[Any, Any]:
    """A copy. Keys of the user's own types are not hashed anew; where that cannot be, the dictionary is not saved."""
    if type(value) is dict:
        return dict.copy(value)
    if _has_plain_keys(value):
        return dict(_dict_type(value).items(value))
    if type_info.defined(type(value), "__iter__") is not dict.__dict__["__iter__"]:
        raise TypeError("its keys cannot be read without asking them")
    return dict.copy(value)


def _same_dict(value: dict[Any, Any], content: dict[Any, Any]) -> bool:
    if dict.__len__(value) != len(content):
        return False
    base = _read_as(value)
    return _identical(base.keys(value), content) and _identical(base.values(value), content.values())


def _restore_set(value: set[Any], content: set[Any]) -> None:
    set.clear(value)
    set.update(value, content)


def _restore_deque(value: deque[Any], content: list[Any]) -> None:
    deque.clear(value)
    deque.extend(value, content)


def _restore_bytes(value: bytearray, content: bytes) -> None:
    bytearray.__setitem__(value, slice(None), content)


LIST = Kind(
    save=list.copy,
    same=lambda value, content: list.__len__(value) == len(content) and _identical(list.__iter__(value), content),
    restore=_restore_list,
    children=lambda content: content,
    size=lambda value: 56 + 8 * list.__len__(value),
)
DICT = Kind(
    save=_save_dict,
    same=_same_dict,
    restore=_restore_dict,
    children=lambda content: content.values(),
    size=lambda value: 64 + 100 * dict.__len__(value),
)
SET = Kind(
    save=set,  # of a set nothing is hashed anew, and no `__iter__` of a subclass is called
    same=lambda value, content: set.__len__(value) == len(content) and set.issubset(content, value),
    restore=_restore_set,
    size=lambda value: 64 + 60 * set.__len__(value),
)
DEQUE = Kind(
    save=lambda value: list(deque.__iter__(value)),
    same=lambda value, content: deque.__len__(value) == len(content) and _identical(deque.__iter__(value), content),
    restore=_restore_deque,
    children=lambda content: content,
    size=lambda value: 64 + 8 * deque.__len__(value),
    alive=lambda _value, content: 64 + 8 * len(content),
)
BYTES = Kind(
    save=lambda value: bytes(memoryview(value)),
    same=lambda value, content: bytearray.__eq__(value, content) is True,
    restore=_restore_bytes,
    size=bytearray.__len__,
    alive=lambda _value, content: len(content),
)
TUPLE = Kind(save=lambda value: value, same=lambda *_: True, restore=lambda *_: None, children=tuple.__iter__)
_EXACT = {id(list): LIST, id(dict): DICT, id(set): SET, id(deque): DEQUE, id(bytearray): BYTES, id(tuple): TUPLE}
"""By the identity of the type: a metaclass may have a `__hash__` that fails."""


# -- objects and classes


def _state(value: Any) -> dict[str, Any] | None:
    """The attributes of an object; those in slots, and its class, are marked by a NUL. None: it has no attributes."""
    found = type_info.instance_dict(value)
    state = None if found is None else dict(found)
    for base in type_info.mro(type(value)):
        for name in _slots(base):
            slot = type_info.namespace(base).get(_mangled(base, name))
            with suppress(AttributeError, TypeError):
                state = {} if state is None else state
                state[f"\0{name}"] = slot.__get__(value) if type(slot) is MemberDescriptorType else slot
    return None if state is None else state | {"\0__class__": type(value)}


def _mangled(cls: type, name: str) -> str:
    return f"_{type_info.name(cls).lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name


def _same_state(value: Any, content: dict[str, Any]) -> bool:
    now = _state(value) or {}
    return list(now) == list(content) and _identical(now.values(), content.values())


def _restore_state(value: Any, content: dict[str, Any]) -> None:
    attributes = {name: item for name, item in content.items() if not name.startswith("\0")}
    with suppress(AttributeError, TypeError):
        _restore_dict(object.__getattribute__(value, "__dict__"), attributes)
    for name in (_state(value) or {}).keys() | content.keys():
        if name.startswith("\0") and name not in ("\0__dict__", "\0__weakref__"):
            with suppress(AttributeError, TypeError):
                if name in content:
                    object.__setattr__(value, name[1:], content[name])
                else:
                    object.__delattr__(value, name[1:])


def _restore_class(value: type, content: dict[str, Any]) -> None:
    now = _class_state(value)
    for name in now.keys() - content.keys():
        type.__delattr__(value, name)
    for name, item in content.items():
        if now.get(name) is not item:
            type.__setattr__(value, name, item)


def _class_state(value: type) -> dict[str, Any]:
    return {
        name: item
        for name, item in type_info.namespace(value).items()
        if name not in ("__dict__", "__weakref__", "__doc__")
    }


OBJECT = Kind(
    save=_state,
    same=_same_state,
    restore=_restore_state,
    children=lambda content: content.values(),
    size=lambda _value: 200,
)
CLASS = Kind(
    save=_class_state,
    same=lambda value, content: _same_dict(_class_state(value), content),
    restore=_restore_class,
    children=lambda content: content.values(),
    size=lambda _value: 500,
)


# -- numpy and pandas, only where they are loaded


def _scientific(value: Any) -> Kind | None:
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    cls = type(value)
    if numpy is not None and issubclass(cls, getattr(numpy, "ndarray", ())):
        return ARRAY
    if pandas is not None and issubclass(cls, (getattr(pandas, "DataFrame", ()), getattr(pandas, "Series", ()))):
        return TABLE
    if pandas is not None and issubclass(cls, getattr(pandas, "Index", ())):
        return INDEX
    return None


def _plain(array: Any) -> Any:
    return sys.modules["numpy"].asarray(array)


def mask_of(array: Any) -> Any:
    """The mask of a masked array; None for any other."""
    masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", None)
    return array.mask if masked is not None and issubclass(type(array), masked) else None


def _save_array(array: Any) -> tuple[Any, Any, bool]:
    """The data, the mask of a masked array, and whether it could be written to."""
    mask = mask_of(array)
    return _plain(array).copy(order="K"), None if mask is None else mask.copy(), bool(_plain(array).flags.writeable)


def _same_array(array: Any, content: tuple[Any, Any, bool]) -> bool:
    saved, mask, writeable = content
    if _plain(array).flags.writeable != writeable or not same_data(_plain(array), saved):
        return False
    return mask is None or bool((sys.modules["numpy"].asarray(array.mask) == mask).all())


def same_data(one: Any, other: Any) -> bool:
    """Whether two arrays hold the same bits (or, for objects, the same objects)."""
    numpy = sys.modules["numpy"]
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.hasobject:
        return one.dtype.names is None and _identical(one.ravel().tolist(), other.ravel().tolist())
    left, right = (numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8) for array in (one, other))
    return all(
        (left[start : start + _CHUNK] == right[start : start + _CHUNK]).all() for start in range(0, len(left), _CHUNK)
    )


_CHUNK = 2**22


def _restore_array(array: Any, content: tuple[Any, Any, bool]) -> None:
    saved, mask, writeable = content
    if not array.flags.writeable:
        array.flags.writeable = True
    if array.dtype != saved.dtype:
        array.dtype = saved.dtype
    if array.shape != saved.shape:
        if array.size == saved.size:
            array.shape = saved.shape
        else:
            array.resize(saved.shape, refcheck=False)
    _plain(array)[...] = saved
    if mask is not None:
        array.mask = mask
    array.flags.writeable = writeable


ARRAY = Kind(
    save=_save_array,
    same=_same_array,
    restore=_restore_array,
    children=lambda content: content[0].ravel().tolist() if content[0].dtype == object else (),
    size=lambda value: int(_plain(value).nbytes),
    alive=lambda _value, content: int(content[0].nbytes),
)


def copy_on_write() -> bool:
    """Whether tables that share memory do not see each other's changes; true where there are no tables."""
    pandas = sys.modules.get("pandas")
    return pandas is None or int(str(pandas.__version__).partition(".")[0]) >= 3


def _table_size(table: Any) -> int:
    return sum(int(block.values.nbytes) for block in table._mgr.blocks)  # noqa: SLF001


def _is_lazy(table: Any) -> bool:
    return copy_on_write() and _table_size(table) > LAZY_FRAME


def _save_table(table: Any) -> Any:
    saved = table.copy(deep=not _is_lazy(table))
    saved.attrs = dict(table.attrs)
    return saved


def _same_table(table: Any, saved: Any) -> bool:
    if not _same_dict(table.attrs, saved.attrs) or not _identical([name_of(table)], [name_of(saved)]):
        return False
    if [len(axis) for axis in table._mgr.axes] != [len(axis) for axis in saved._mgr.axes]:  # noqa: SLF001
        return False
    return all(map(_same_axis, table.axes, saved.axes)) and _same_blocks(table, saved)


def name_of(table: Any) -> Any:
    """The name of a single column; a table has none, though it may have a column that is called so."""
    return table._name if table._mgr.ndim == 1 else None  # noqa: SLF001


def _same_axis(one: Any, other: Any) -> bool:
    return one is other or (one.names == other.names and one.dtype == other.dtype and one.equals(other))


def _same_blocks(table: Any, saved: Any) -> bool:
    ours, theirs = table._mgr.blocks, saved._mgr.blocks  # noqa: SLF001
    aligned = len(ours) == len(theirs) and all(
        type(one.values) is type(other.values) and (one.mgr_locs.as_array == other.mgr_locs.as_array).all()
        for one, other in zip(ours, theirs, strict=True)
    )
    if not aligned:
        dtypes = [list(each.dtypes) if each.ndim == 2 else each.dtype for each in (table, saved)]
        return dtypes[0] == dtypes[1] and bool(table.equals(saved))
    return all(_same_values(one.values, other.values) for one, other in zip(ours, theirs, strict=True))


def _same_values(one: Any, other: Any) -> bool:
    if hasattr(one, "flags"):
        same_place = one.__array_interface__["data"] == other.__array_interface__["data"]
        return (same_place and one.shape == other.shape) or same_data(one, other)
    return one.dtype == other.dtype and bool(one.equals(other))


def _restore_table(table: Any, saved: Any) -> None:
    copy = saved.copy(deep=not _is_lazy(saved))
    table._update_inplace(copy)  # noqa: SLF001
    table.attrs = dict(saved.attrs)
    if table.ndim == 1:
        table.name = saved.name


def _table_children(saved: Any) -> Iterable[Any]:
    for block in saved._mgr.blocks:  # noqa: SLF001
        if block.values.dtype == object:
            yield from _plain(block.values).ravel().tolist()


def _kept_table(table: Any, saved: Any) -> int:
    """What a lazily saved table still shares with the present one costs nothing."""
    shared = {place for block in table._mgr.blocks if (place := _place(block.values))}  # noqa: SLF001
    return sum(int(block.values.nbytes) for block in saved._mgr.blocks if _place(block.values) not in shared)  # noqa: SLF001


def _place(values: Any) -> int | None:
    return values.__array_interface__["data"][0] if hasattr(values, "flags") else None


TABLE = Kind(
    save=_save_table,
    same=_same_table,
    restore=_restore_table,
    children=_table_children,
    size=lambda table: 0 if _is_lazy(table) else _table_size(table),
    alive=_kept_table,
)


def _restore_index(index: Any, names: list[Any]) -> None:
    index.names = names


INDEX = Kind(
    save=lambda index: list(index.names), same=lambda index, names: list(index.names) == names, restore=_restore_index
)
