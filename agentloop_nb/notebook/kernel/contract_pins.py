"""What the functions of a contract were before the first step, so that another one in their place is noticed."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterator, Mapping
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from agentloop_nb.notebook.kernel.contract_methods import is_of, is_own, looked_up, methods

_CALLABLE = (FunctionType, BuiltinFunctionType, ModuleType, type)
_MISSING = object()
_PLAIN = (int, float, complex, str, bytes, bool, type(None))
_EMPTY = CellType()
MAX_DEPTH = 4
"""How deep functions that functions call are followed, and what their defaults hold."""
MAX_ITEMS = 1000
"""A larger default, or value closed over, counts as the same as long as it is the same object."""


class _Pin(NamedTuple):
    """One function: where it is found, on what, and what it is made of."""

    path: str
    owner: Any
    value: Any
    code: Any


class Pins:
    """Remembers the functions that expressions call."""

    def __init__(self) -> None:
        self._known: dict[str, list[_Pin]] = {}
        self._methods: dict[str, _Methods] = {}

    def changed(self, expression: str, namespace: Mapping[str, Any], made: Collection[str]) -> str:
        """Name a function that is not the one it was when the expression was seen first; empty if all are."""
        if expression not in self._known:
            self._known[expression] = list(_pins(expression, namespace, made))
        now = {(pin.path, id(pin.owner)): pin for pin in _pins(expression, namespace, ())}
        for then in self._known[expression]:
            pin = now.get((then.path, id(then.owner)))
            if pin is None and then.owner is None:
                return then.path
            if pin is not None and (pin.value is not then.value or pin.code != then.code):
                return then.path
        return self._changed_method(expression, namespace)

    def _changed_method(self, expression: str, namespace: Mapping[str, Any]) -> str:
        """Name a method of a library's class that was replaced; one that the class did not have may be made."""
        now = _Methods(expression, namespace)
        then = self._methods.setdefault(expression, now)
        for (owner, name), found in now.found.items():
            before = then.found.get((owner, name))
            came = owner not in then.owners and (is_of(found, namespace) or is_own(now.owners[owner], name))
            if came or (before is not None and before is not found):
                return f"{now.owners[owner].__name__}.{name}"
        return ""


class _Methods:
    """What the methods are that an expression may use, by the class's id, which is held as long."""

    def __init__(self, expression: str, namespace: Mapping[str, Any]) -> None:
        self.owners: dict[int, type] = {}
        self.found: dict[tuple[int, str], Any] = {}
        for owner, name, found in methods(expression, namespace):
            self.owners[id(owner)] = owner
            self.found[id(owner), name] = found
        self.owners |= {id(each): each for each in namespace.values() if isinstance(each, type)}


def _pins(expression: str, namespace: Mapping[str, Any], made: Collection[str]) -> Iterator[_Pin]:
    seen: set[int] = set()
    for node in ast.walk(ast.parse(expression, mode="eval")):
        if isinstance(node, ast.Call) and (path := _path(node.func)) and path[0] not in made:
            yield from _along(path, namespace, seen)


def _path(node: ast.expr) -> list[str]:
    """Return the names of `np.linalg.norm`; empty where it does not begin with a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return [node.id, *names] if isinstance(node, ast.Name) else []


def _along(path: list[str], namespace: Mapping[str, Any], seen: set[int]) -> Iterator[_Pin]:
    """Yield what lies along a path, as far as modules and classes lead; of data, the method of its class."""
    value = namespace.get(path[0], getattr(builtins, path[0], _MISSING))
    if isinstance(value, _CALLABLE):
        yield _pin(path[0], None, value)
        yield from _within(value, namespace, seen)
    elif (called := looked_up(type(value), "__call__", None)) is not None:
        yield _pin(path[0], type(value), called)
    for number, name in enumerate(path[1:], 2):
        owner = value if isinstance(value, ModuleType | type) else type(value)
        found = vars(owner).get(name, _MISSING) if isinstance(owner, ModuleType) else looked_up(owner, name, _MISSING)
        found = _own(value, name, namespace) or found
        if value is _MISSING or found is _MISSING:
            return
        yield _pin(".".join(path[:number]), owner, found)
        if not isinstance(value, ModuleType | type):
            return
        value = found


def _own(value: Any, name: str, namespace: Mapping[str, Any]) -> Any:
    """Return a function of the namespace that one object holds in place of its class's method."""
    if isinstance(value, ModuleType | type):
        return None
    try:
        found = object.__getattribute__(value, "__dict__").get(name)
    except AttributeError:  # it has none
        return None
    return found if is_of(found, namespace) else None


def _pin(path: str, owner: Any, value: Any) -> _Pin:
    return _Pin(path, owner, value, _made_of(value) if isinstance(value, FunctionType) else None)


def _made_of(function: FunctionType) -> tuple[Any, ...]:
    """Return what a function answers by, but for what it is called with: code, defaults, and what it closes over."""
    cells = [each.cell_contents for each in function.__closure__ or () if each != _EMPTY]
    return function.__code__, *map(_frozen, (function.__defaults__, function.__kwdefaults__, cells))


def _frozen(value: Any, depth: int = 0) -> Any:
    """Return a value as it is now: plain ones with what they hold, anything else by which it is."""
    if type(value) in _PLAIN:
        return type(value), value
    if type(value) in (list, tuple, set, dict) and len(value) <= MAX_ITEMS and depth < MAX_DEPTH:
        items = value.items() if type(value) is dict else value
        return type(value), tuple(_frozen(each, depth + 1) for each in items)
    return None, id(value)


def _within(value: Any, namespace: Mapping[str, Any], seen: set[int], depth: int = 0) -> Iterator[_Pin]:
    """Yield the functions of the namespace that a function of the namespace calls."""
    if not isinstance(value, FunctionType) or value.__globals__ is not namespace or depth > MAX_DEPTH:
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    for name in sorted(_names(value.__code__)):
        found = namespace.get(name, getattr(builtins, name, _MISSING))
        if isinstance(found, _CALLABLE):
            yield _pin(name, None, found)
            yield from _within(found, namespace, seen, depth + 1)


def _names(code: CodeType) -> set[str]:
    inner = (_names(each) for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*inner)
