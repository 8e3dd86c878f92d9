"""Functions of the user's that an isolated run may call: they go along as source, with what they use."""

from __future__ import annotations

import ast
import inspect
import pickle
import sys
from collections.abc import Mapping
from textwrap import dedent
from types import FunctionType, ModuleType
from typing import Any

from agentloop_nb._internal.ipython_syntax import parsed
from agentloop_nb.actions.own import LIVE, OwnAction
from agentloop_nb.export.dependencies import IGNORED, names_of
from agentloop_nb.notebook.kernel.value_facts import size
from agentloop_nb.own_actions.source import undeclared
from agentloop_nb.safety.secrets import known_secrets

LARGEST = 2**20
"""Bytes of a value that a function uses."""

Items = dict[str, tuple[str, bytes]]
"""How (`file`, `source`, `pickle`) and what, by name; what something needs stands before it."""


def packed_functions(namespace: Mapping[str, Any]) -> tuple[Items, frozenset[str]]:
    """Return the declared functions of a namespace as luggage, and their names; those that cannot go are left out."""
    items: Items = {}
    names = set()
    for name, action in LIVE.items():
        if name not in namespace or namespace[name] is not action.function:
            continue
        try:
            items |= _of_action(name, action, namespace, items)
        except Exception:  # noqa: S112 - reading a source or a value may raise anything: it stays
            continue
        names.add(name)
    return items, frozenset(names)


def _of_action(name: str, action: type[OwnAction], namespace: Mapping[str, Any], there: Items) -> Items:
    """Return one function with what it uses. Raises what reading or pickling raises."""
    if action.learned_source:
        return {name: ("file", action.learned_source.encode())}
    found: Items = {}
    _add(name, namespace, found, there)
    return found


def _add(name: str, namespace: Mapping[str, Any], found: Items, there: Items) -> None:
    """Add a name of the namespace, what it uses first. Raises `_Stays`, and what reading or pickling raises."""
    value = namespace[name]
    if name in found or name in there:
        return
    if isinstance(value, FunctionType | type) and value.__module__ == "__main__":
        source = undeclared(_source_of(value, namespace))
        found[name] = ("", b"")  # under way: what uses itself ends here
        for used in sorted(_used(source) & namespace.keys()):
            _add(used, namespace, found, there)
        del found[name]
        found[name] = ("source", source.encode())
    elif line := _import(name, value):
        found[name] = ("source", line.encode())
    elif known_secrets({}, {}, (), {name: value}) or size(value) > LARGEST:
        raise _Stays
    elif line := _literal(name, value):
        found[name] = ("source", line.encode())
    else:
        found[name] = ("pickle", _pickled(value))


def _source_of(value: Any, namespace: Mapping[str, Any]) -> str:
    """Return the source of a function or class of the notebook's. Raises `OSError`."""
    try:
        return dedent(inspect.getsource(value))
    except (OSError, TypeError):  # Python finds no class that a cell defined
        cells = map(str, reversed(namespace.get("In") or ()))
        found = (source for cell in cells if (source := _class_in(cell, value.__name__)))
        if not (source := next(found, "")):
            raise
        return source


def _class_in(cell: str, name: str) -> str:
    tree = parsed(cell)
    for node in tree.body if tree else ():
        if isinstance(node, ast.ClassDef) and node.name == name:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            return "\n".join(cell.split("\n")[first - 1 : node.end_lineno])
    return ""


def _used(source: str) -> set[str]:
    return {each for each in names_of(source).uses if not each.startswith("module:")} - IGNORED


def _import(name: str, value: Any) -> str:
    """Write the line that imports a value under a name; empty where none does."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {name}"
    home, inside = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if not isinstance(home, str) or not isinstance(inside, str) or not inside.isidentifier():
        return ""
    known = home in sys.modules and vars(sys.modules[home]).get(inside) is value
    return f"from {home} import {inside} as {name}" if known and home != "__main__" else ""


def _literal(name: str, value: Any) -> str:
    """Write the line that makes a plain value; empty where none does."""
    try:
        return f"{name} = {value!r}" if ast.literal_eval(repr(value)) == value else ""
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return ""


class _Stays(Exception):
    """A value that does not leave the kernel unasked."""


def _pickled(value: Any) -> bytes:
    if len(made := pickle.dumps(value)) > LARGEST:
        raise _Stays
    return made
