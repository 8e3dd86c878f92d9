"""Objects that do something when they are looked at: each way of looking notes itself, and most then fail."""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict, UserDict, deque
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

NOTED: list[str] = []
"""What was called, in the order of the calls."""

ENDINGS: dict[str, Callable[[], Any]] = {
    "returns": lambda: 0,
    "value error": lambda: _raise(ValueError("no")),
    "exits": lambda: _raise(SystemExit(1)),
    "interrupts": lambda: _raise(KeyboardInterrupt()),
    "generator exit": lambda: _raise(GeneratorExit()),
    "recursion": lambda: _raise(RecursionError()),
}
METHODS = (
    *("__len__", "__repr__", "__str__", "__iter__", "__next__", "__bool__", "__call__", "__hash__", "__eq__"),
    *("__getattr__", "__array__", "__array_interface__", "__dataframe__", "__arrow_c_stream__", "__index__", "__int__"),
    *(
        "__float__",
        "__bytes__",
        "__format__",
        "__dir__",
        "__getitem__",
        "__contains__",
        "__reversed__",
        "__length_hint__",
    ),
    *("__sizeof__", "__reduce_ex__", "__copy__", "__deepcopy__", "__enter__", "__await__", "__instancecheck__"),
    *("_repr_html_", "_repr_png_", "_ipython_display_", "_ipython_canary_method_should_not_exist_"),
)
PROPERTIES = (
    *("__class__", "__dict__", "__doc__", "__name__", "__module__", "__wrapped__", "__signature__", "__slots__"),
    *(
        "shape",
        "dtype",
        "columns",
        "index",
        "nbytes",
        "ndim",
        "size",
        "values",
        "name",
        "attrs",
        "_mgr",
        "axes",
        "schema",
    ),
)
METACLASS = (
    *("__instancecheck__", "__subclasscheck__", "__getattribute__", "__getattr__", "__call__", "__repr__", "__len__"),
    *("__hash__", "__eq__", "__iter__", "__dir__", "__bool__"),
)
BUILT_IN = (
    *(list, tuple, dict, set, frozenset, str, bytes, bytearray, int, float, complex, deque, OrderedDict, Exception),
)


def _raise(error: BaseException) -> Any:
    raise error


def _noting(name: str, ending: str) -> Callable[..., Any]:
    def method(*_: Any, **__: Any) -> Any:
        NOTED.append(name)
        return ENDINGS[ending]()

    return method


def _made(bases: tuple[type, ...], content: dict[str, Any], *arguments: Any) -> Any:
    """An instance whose class is the user's; class bodies that Python itself refuses are left out."""
    try:
        cls = type("Hostile", bases, {"__module__": "__main__", **content})
        value = cls.__new__(cls, *arguments)
    except (TypeError, ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, RecursionError):
        return None
    return value


def plain_objects() -> Iterator[tuple[str, Any]]:
    """A class with one method or property that does something, in each way of ending."""
    for name, ending in itertools.product(METHODS, ENDINGS):
        yield f"{name} {ending}", _made((), {name: _noting(name, ending)})
    for name, ending in itertools.product(PROPERTIES, ENDINGS):
        yield f"property {name} {ending}", _made((), {name: property(_noting(name, ending))})


def built_in_subclasses() -> Iterator[tuple[str, Any]]:
    """Subclasses of plain types, with everything replaced that a subclass can replace."""
    names = [each for each in (*METHODS, "keys", "items", "copy") if each not in ("__getattr__", "__hash__", "__eq__")]
    for base, ending in itertools.product(BUILT_IN, ENDINGS):
        content = {name: _noting(f"{base.__name__}.{name}", ending) for name in names}
        for name in ("__class__", "shape", "dtype"):
            content[name] = property(_noting(f"{base.__name__}.{name}", ending))
        yield f"{base.__name__} {ending}", _made((base,), content)


def classes_with_metaclasses() -> Iterator[tuple[str, Any]]:
    """Classes, and instances of them, whose metaclass does something."""
    for name, ending in itertools.product(METACLASS, ENDINGS):
        method = _noting(f"metaclass {name}", ending)
        meta = type("Meta", (type,), {name: method})
        if name == "__eq__":
            meta = type("Meta", (type,), {name: method, "__hash__": None})
        cls = type.__new__(meta, "Odd", (), {"__module__": "__main__"})
        yield f"class of a metaclass with {name} {ending}", cls
        yield f"instance of a metaclass with {name} {ending}", object.__new__(cls)


def lazy_things() -> Iterator[tuple[str, Any]]:
    """Stand-ins with the behaviour of lazy libraries: looking at them makes, queries or consumes something."""
    for kind in ("QuerySet", "Relation", "LazyFrame", "Cursor", "Delayed", "Bag", "DataFrame", "Series", "Array"):
        for home in ("django.db.models.query", "duckdb", "dask.dataframe", "__main__", "polars.lazyframe.frame"):
            names = ("__len__", "__iter__", "__repr__", "__getattr__", "__bool__", "head", "to_string", "__array__")
            content: dict[str, Any] = {name: _noting(f"{kind}.{name}", "returns") for name in names}
            content |= {name: property(_noting(f"{kind}.{name}", "returns")) for name in PROPERTIES if name[:2] != "__"}
            value = type(kind, (), {**content, "__module__": home})()
            yield f"{kind} of {home}", value


class Proxy:
    """Passes everything on to an object that is made when it is first needed."""

    def __init__(self) -> None:
        object.__setattr__(self, "made", False)

    def __getattribute__(self, name: str) -> Any:
        NOTED.append(f"proxy {name}")
        raise SystemExit(name)


class _Referent:
    pass


def things_of_c() -> Iterator[tuple[str, Any]]:
    """Iterators that are consumed by a look, dead references, and things that wait."""
    referent = _Referent()
    dead = weakref.proxy(referent)
    del referent
    yield "dead proxy", dead
    yield "lazy proxy", Proxy()
    yield "map", map(_noting("map", "exits"), [1])
    yield "filter", filter(_noting("filter", "exits"), [1])
    yield "zip", zip(map(_noting("zip", "exits"), [1]), strict=False)
    yield "generator", (NOTED.append("generator") for _ in range(1))
    yield "iterator", iter(_noting("iterator", "exits"), None)
    yield "mock", mock.MagicMock()
    yield "plain mock", mock.Mock()
    yield "mock with a table's specification", mock.MagicMock(spec=["shape", "dtype", "columns", "head", "__len__"])
    yield "user dict", type("Data", (UserDict,), {"__module__": "__main__", "__len__": _noting("UserDict", "exits")})()
    yield "cycle", _cycle()
    yield "unhashable key", _keyed(OrderedDict())
    yield "key in a dict", _keyed({})
    yield "released memory", _released()
    yield "object array", _objects()


def _cycle() -> list[Any]:
    cycle: list[Any] = []
    cycle.append(cycle)
    return cycle


def _keyed(holder: dict[Any, Any]) -> dict[Any, Any]:
    """A dictionary whose key fails when it is hashed or compared again."""
    cls = type("Key", (), {"__module__": "__main__"})
    holder |= {cls(): 1, "plain": 2}
    for name in ("hash", "eq"):
        setattr(cls, f"__{name}__", _noting(f"key {name}", "exits"))
    return holder


def _released() -> memoryview:
    view = memoryview(b"abc")
    view.release()
    return view


def _objects() -> Any:
    import numpy as np

    array = np.empty(3, dtype=object)
    array[:] = [_made((), {name: _noting(f"cell {name}", "exits") for name in ("__repr__", "__str__")}) for _ in "abc"]
    return array


def everything() -> dict[str, Any]:
    """Every object, by a name that a variable can have."""
    makers = (plain_objects, built_in_subclasses, classes_with_metaclasses, lazy_things, things_of_c)
    found = [value for maker in makers for _, value in _ready(maker())]
    NOTED.clear()
    return {f"hostile_{number}": value for number, value in enumerate(found)}


def _ready(made: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for label, value in made:
        if value is not None:
            yield label, value
