"""Methods of the classes of libraries that an expression uses, whatever the values are that it calls them on."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any

LIBRARIES = ("pandas", "polars", "pathlib", "matplotlib.axes", "matplotlib.figure")
"""Modules whose classes a step can alter, and which what it makes is usually of."""
_OPERATORS = frozenset(
    f"__{name}__"
    for name in (
        *("len", "bool", "contains", "getitem", "getattribute", "iter"),
        *("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "xor", "invert", "neg"),
        *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"),
    )
)


def methods(expression: str, namespace: Mapping[str, Any]) -> Iterator[tuple[type, str, Any]]:
    """Yield each method or property that an expression may use: the class, its name, and what it is now."""
    nodes = ast.walk(ast.parse(expression, mode="eval"))
    names = _OPERATORS | {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    for owner in _classes(namespace):
        for name in names:
            if (found := looked_up(owner, name, None)) is not None:
                yield owner, name, found


def _classes(namespace: Mapping[str, Any]) -> Iterable[type]:
    """Return the classes of libraries, written in Python, of the values that are there and of those that may come."""
    found = {id(type(value)): type(value) for value in namespace.values()}
    for module in filter(None, map(sys.modules.get, LIBRARIES)):
        found |= {id(each): each for each in vars(module).values() if isinstance(each, type)}
    return [each for each in found.values() if vars(each).get("__module__") not in (None, "__main__")]


def looked_up(cls: type, name: str, default: Any) -> Any:
    """Return what a class holds under a name, itself or by a base, without calling anything."""
    return next((vars(each)[name] for each in cls.__mro__ if name in vars(each)), default)


def is_of(found: Any, namespace: Mapping[str, Any]) -> bool:
    """Whether a method was written in the namespace."""
    if isinstance(found, property):
        found = found.fget
    elif isinstance(found, classmethod | staticmethod):
        found = found.__func__
    return isinstance(found, FunctionType) and found.__globals__ is namespace
