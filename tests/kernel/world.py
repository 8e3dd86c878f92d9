"""A namespace with one of everything a step may change, and its deep comparison."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import numpy as np
import pandas as pd

MAKE = """
import array as _array, copy as _copy, collections as _collections, dataclasses as _dataclasses
import numpy as np, pandas as pd
df = pd.DataFrame({"a": [3, 1, 2], "b": ["x", "y", None], "c": [0.5, None, 1.5]})
wide = pd.DataFrame(np.arange(40.0).reshape(4, 10), columns=list("abcdefghij"))
times = pd.DataFrame({"v": [1, 2, 3]}, index=pd.date_range("2026-01-01", periods=3))
cats = pd.Series(["u", "v", "u"], dtype="category", name="cats")
s = pd.Series([1.0, 2.0, 3.0], index=list("xyz"), name="s")
objects = pd.Series([[1], {"k": 2}, "text"], name="objects")
arr = np.arange(12)
grid = np.arange(12.0).reshape(3, 4)
view = arr[2:6]
fortran = np.asfortranarray(np.ones((3, 2)))
flags = np.array([True, False, True])
words = np.array(["one", "two"], dtype=object)
record = np.array([(1, 2.0)], dtype=[("i", "i4"), ("f", "f8")])
masked = np.ma.masked_array([1, 2, 3], mask=[0, 1, 0])
lst = [3, 1, 2]
nested = [[1, 2], {"k": [3]}, (4, [5])]
d = {"a": 1, "n": {"z": [1, 2]}}
st = {1, 2, 3}
dq = _collections.deque([1, 2, 3], maxlen=5)
counter = _collections.Counter("aab")
ordered = _collections.OrderedDict(a=1, b=2)
default = _collections.defaultdict(list, k=[1])
raw = bytearray(b"abc")
tup = (1, [2, 3])
n, f, text, flag, nothing = 5, 1.5, "text", True, None
class Point:
    count = 0
    def __init__(self, x, y): self.x, self.y, self.trail = x, y, []
    def move(self, dx): self.x += dx; self.trail.append(dx); return self
    def norm(self): return (self.x ** 2 + self.y ** 2) ** 0.5
class Slotted:
    __slots__ = ("a", "b")
    def __init__(self): self.a, self.b = 1, [2]
@_dataclasses.dataclass
class Item:
    name: str = "item"
    tags: list = _dataclasses.field(default_factory=list)
p, slotted, item = Point(3, 4), Slotted(), Item()
alias, box, table = df, [df, arr], {"frame": df}
def grow(): lst.append(99)
def grow_later():
    def inner(): d["late"] = 1
    inner()
def read(): return len(lst)
"""
"""Source of the world; run it in an empty namespace."""


_NO_CONTENT = {"__dict__", "__weakref__", "__doc__", "__module__", "__dataclass_fields__", "__dataclass_params__"}


Seen = dict[int, tuple[int, Any]]
"""Number and value by identity. The values are held, or a freed temporary would lend its identity to another."""


def picture(value: Any, seen: Seen | None = None) -> Any:
    """A deep picture of a value that two equal worlds share and two different ones do not; aliases are part of it."""
    seen = {} if seen is None else seen
    if id(value) in seen:
        return ("again", seen[id(value)][0])
    if isinstance(value, list | dict | set | deque | bytearray | np.ndarray | pd.DataFrame | pd.Series):
        seen[id(value)] = (len(seen), value)
    return (type(value).__name__, *_content(value, seen))


def _content(value: Any, seen: Seen) -> tuple[Any, ...]:  # noqa: C901 - one branch a kind
    if isinstance(value, np.ma.MaskedArray):
        return (value.data.tobytes(), np.ma.getmaskarray(value).tobytes(), value.shape)
    if isinstance(value, np.ndarray):
        data = tuple(picture(each, seen) for each in value.ravel()) if value.dtype == object else value.tobytes()
        return (value.shape, str(value.dtype), value.flags.writeable, data)
    if isinstance(value, pd.DataFrame | pd.Series):
        labels = tuple((*picture(list(axis), seen), tuple(axis.names)) for axis in value.axes)
        columns = [value.iloc[:, i] for i in range(value.shape[1])] if value.ndim == 2 else [value]
        cells = tuple((str(each.dtype), tuple(picture(cell, seen) for cell in each.tolist())) for each in columns)
        return (value.shape, labels, cells, getattr(value, "name", None), tuple(sorted(value.attrs.items())))
    if isinstance(value, defaultdict | OrderedDict | Counter | dict):
        return tuple((picture(key, seen), picture(item, seen)) for key, item in value.items())
    if isinstance(value, list | tuple | deque):
        return (getattr(value, "maxlen", None), *(picture(each, seen) for each in value))
    if isinstance(value, set | frozenset):
        return tuple(sorted(map(repr, value)))
    if isinstance(value, float) and value != value:
        return ("nan",)
    if isinstance(value, type):
        own = {name: item for name, item in vars(value).items() if name not in _NO_CONTENT}
        return tuple((name, picture(item, seen)) for name, item in sorted(own.items()))
    if hasattr(value, "__slots__") and not hasattr(value, "__dict__"):
        return tuple((name, picture(getattr(value, name, None), seen)) for name in value.__slots__)
    if type(value).__module__ == "__main__" and hasattr(value, "__dict__"):
        return tuple((name, picture(item, seen)) for name, item in sorted(vars(value).items()))
    if callable(value):
        return (getattr(value, "__qualname__", ""),)
    return (repr(value),)


def world_of(names: dict[str, Any]) -> dict[str, Any]:
    """The picture of every name a user would call a variable. Aliases are seen across names."""
    seen: Seen = {}
    skipped = {"In", "Out", "exit", "quit", "get_ipython", "open"}
    return {
        name: picture(names[name], seen) for name in sorted(names) if not name.startswith("_") and name not in skipped
    }
