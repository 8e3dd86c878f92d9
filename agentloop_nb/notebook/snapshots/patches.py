"""Modules and classes of libraries that the code of a step may patch."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from inspect import getattr_static
from types import ModuleType
from typing import Any

from agentloop_nb._internal import type_info
from agentloop_nb._internal.type_info import inherits


class Patches:
    """What code may patch: attributes of the modules that it names, and those that it sets on classes of libraries."""

    def __init__(self, tree: ast.Module | None, namespace: Mapping[str, Any]) -> None:
        """`tree` is None for code that does not parse."""
        self._found: dict[int, Any] = {}
        self._attributes: list[tuple[Any, str]] = []
        nodes = list(ast.walk(tree)) if tree else []
        names = dict(_imported(nodes))
        for node in nodes:
            if isinstance(node, ast.Name | ast.Attribute):
                base = _resolved(node, namespace, names)
                if inherits(type(base), ModuleType) and _contents(base).get("__name__") != "__main__":
                    self._found[id(base)] = base
            self._note_set(node, namespace, names)

    def _note_set(self, node: ast.AST, namespace: Mapping[str, Any], names: Mapping[str, Any]) -> None:
        match node:
            case ast.Attribute(value=owner, attr=name, ctx=ast.Store() | ast.Del()):
                pass
            case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[owner, ast.Constant(value=str(name)), *_]):
                pass
            case _:
                return
        base = _resolved(owner, namespace, names)
        is_class = inherits(type(base), type)
        if (is_class and type_info.module(base) != "__main__") or inherits(type(base), ModuleType):
            self._attributes.append((base, name))

    def read(self) -> dict[Any, Any]:
        """Return the attributes as they are, by module or class and name."""
        found: dict[Any, Any] = {}
        for module in self._found.values():
            for name, value in list(_contents(module).items()):
                if type(name) is str and not name.startswith("_") and type(value) is not ModuleType:
                    found[_Attribute(module, name)] = _Same(value)
        for base, name in self._attributes:
            if name in _contents(base):
                found[_Attribute(base, name)] = _Same(_contents(base)[name])
        return found


def _contents(owner: Any) -> Mapping[str, Any]:
    """Return what a module or a class has of its own."""
    return type_info.namespace(owner) if inherits(type(owner), type) else type_info.instance_dict(owner) or {}


@dataclass(frozen=True)
class _Attribute:
    owner: Any
    name: str

    def __getitem__(self, index: int) -> str:
        return (str(getattr(self.owner, "__name__", "?")), self.name)[index]


class _Same:
    """A value that equals itself only."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def _imported(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, Any]]:
    """Modules that code imports and that are loaded already, by the name it gives them."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                module = sys.modules.get(alias.name if alias.asname else name)
                if module is not None:
                    yield name, module
        elif isinstance(node, ast.ImportFrom) and (home := sys.modules.get(node.module or "")) is not None:
            yield from ((alias.asname or alias.name, vars(home).get(alias.name)) for alias in node.names)


def _resolved(node: ast.expr, namespace: Mapping[str, Any], names: Mapping[str, Any]) -> Any:
    """Return what a dotted name leads to through modules and classes, without running anything; None for all else."""
    if isinstance(node, ast.Name):
        return names.get(node.id, namespace.get(node.id))
    if isinstance(node, ast.Attribute):
        base = _resolved(node.value, namespace, names)
        if inherits(type(base), ModuleType, type):
            return getattr_static(base, node.attr, None)
    return None
