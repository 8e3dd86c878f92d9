"""Methods of the classes of libraries that an expression uses, whatever the values are that it calls them on."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any

LIBRARIES = ("pandas", "polars", "pathlib", "matplotlib.axes", "matplotlib.figure")
"""Modules whose classes a step can alter, and which what it makes is usually of."""
_DATA = ("builtins", "numpy", "pandas", "polars")
"""Modules whose classes are data: a class of the run's own below one of them answers in the place of data."""
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
    nodes = list(ast.walk(ast.parse(expression, mode="eval")))
    names = _OPERATORS | {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    for owner in [*_classes(namespace), *_posing(nodes, namespace)]:
        for name in names:
            if (found := looked_up(owner, name, None)) is not None:
                yield owner, name, found


def _classes(namespace: Mapping[str, Any]) -> Iterable[type]:
    """Return the classes of libraries, written in Python, of the values that are there and of those that may come."""
    found = {id(type(value)): type(value) for value in namespace.values()}
    for module in filter(None, map(sys.modules.get, LIBRARIES)):
        found |= {id(each): each for each in vars(module).values() if isinstance(each, type)}
    return [each for each in found.values() if vars(each).get("__module__") not in (None, "__main__")]


def _posing(nodes: Iterable[ast.AST], namespace: Mapping[str, Any]) -> Iterator[type]:
    """Yield classes of cells whose objects stand for data: below a class of data, or compared with a constant."""
    for node in nodes:
        if isinstance(node, ast.Name) and any(map(_is_data, _kind(node, namespace).__mro__[1:-1])):
            yield _kind(node, namespace)
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Constant) for side in sides):
                yield from (_kind(side, namespace) for side in sides if isinstance(side, ast.Name))


def _kind(node: ast.Name, namespace: Mapping[str, Any]) -> type:
    """Return the class of what a name is bound to, where that class is of the namespace; `object` for any other."""
    kind = type(namespace.get(node.id))
    return kind if vars(kind).get("__module__") == "__main__" else object


def _is_data(base: type) -> bool:
    return str(vars(base).get("__module__", base.__module__)).partition(".")[0] in _DATA


def looked_up(cls: type, name: str, default: Any) -> Any:
    """Return what a class holds under a name, itself or by a base, without calling anything."""
    return next((vars(each)[name] for each in cls.__mro__ if name in vars(each)), default)


def is_own(cls: type, name: str) -> bool:
    """Whether a class, or a base of it, was written in a cell and holds something under a name."""
    return any(name in vars(each) for each in cls.__mro__ if vars(each).get("__module__") == "__main__")


def is_of(found: Any, namespace: Mapping[str, Any]) -> bool:
    """Whether a function or a method was written in the namespace."""
    if isinstance(found, property):
        found = found.fget
    elif isinstance(found, classmethod | staticmethod):
        found = found.__func__
    return isinstance(found, FunctionType) and found.__globals__ is namespace
