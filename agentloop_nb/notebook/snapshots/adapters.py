"""The kinds of mutable values a step can be taken back for: how to save one, compare it, and put it back in place.

Everything is restored into the same object, so that other names and containers that hold it see the restored value too.
"""

from __future__ import annotations

import sys
from datetime import date, time, timedelta, tzinfo
from pathlib import PurePath
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
    UnionType,
    WrapperDescriptorType,
)
from typing import Any

from agentloop_nb._internal import type_info
from agentloop_nb._internal.type_info import TypeSet
from agentloop_nb.notebook.snapshots.arrays import ARRAY
from agentloop_nb.notebook.snapshots.containers import EXACT
from agentloop_nb.notebook.snapshots.data_tables import INDEX, TABLE
from agentloop_nb.notebook.snapshots.kind import ATOMS, Kind
from agentloop_nb.notebook.snapshots.objects import CLASS, OBJECT, hides_state, restore_state, same_state, state_of

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


def kind_of(value: Any) -> Kind | None:
    """Return the kind of a value; None for one that cannot change, or that we cannot save (see `is_opaque`)."""
    cls = type(value)
    if cls in ATOMS:
        return None
    kind = EXACT.get(id(cls)) or _special(value) or _scientific(value)
    if kind is not None:
        return kind
    if (base := _built_in(cls)) is not None:
        return _with_state(EXACT[id(base)])
    if type_info.inherits(cls, type):
        return CLASS if type_info.module(value) == "__main__" else None
    if _is_frozen(value) or is_opaque(value) or state_of(value) is None:
        return None
    return OBJECT


def _built_in(cls: type) -> type | None:
    """Return the built-in container that a class derives from."""
    return next((base for base in type_info.mro(cls) if id(base) in EXACT), None)


def _special(value: Any) -> Kind | None:
    from agentloop_nb.notebook.snapshots.special import special_kind

    return special_kind(value)


def _with_state(kind: Kind) -> Kind:
    """Return a container that may have attributes, too."""
    if kind in _STATEFUL:
        return _STATEFUL[kind]

    def restore(value: Any, content: tuple[Any, dict[str, Any]]) -> None:
        kind.restore(value, content[0])
        restore_state(value, content[1])

    made = Kind(
        save=lambda value: (kind.save(value), state_of(value) or {}),
        same=lambda value, content: kind.same(value, content[0]) and same_state(value, content[1]),
        restore=restore,
        children=lambda content: [*kind.children(content[0]), *content[1].values()],
        size=kind.size,
        alive=lambda value, content: kind.kept(value, content[0]),
        look=lambda value: hash(
            (
                tuple(map(id, kind.save(value))),
                tuple(map(id, kind.children(kind.save(value)))),
                tuple(map(id, (state_of(value) or {}).values())),
            )
        ),
    )
    _STATEFUL[kind] = made
    return made


_STATEFUL: dict[Kind, Kind] = {}


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
    if id(cls) in EXACT or cls in _STILL or _special(value) is not None or _scientific(value) is not None:
        return False
    if _built_in(cls) is not None:
        return False
    home = type_info.package(cls).lstrip("_")
    odd = home in _OPAQUE_HOMES or type_info.defined(cls, "__next__") is not None
    return odd or state_of(value) is None or (hides_state(cls) and not type_info.inherits(cls, BaseException))


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
