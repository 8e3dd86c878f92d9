"""The source of a declared function without the declaration, for a notebook that runs without this package."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from agentloop_nb._internal.ipython_syntax import parsed

_NAME, _HOME = "action", "agentloop_nb"
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def undeclared(source: str) -> str:
    """Take `@action` off the functions of a cell; what is no Python, or has none, stays as it is."""
    dropped: set[int] = set()
    for function in _declared(source):
        for decorator in filter(_declares, function.decorator_list):
            dropped |= set(range(decorator.lineno - 1, decorator.end_lineno or decorator.lineno))
    return "\n".join(line for number, line in enumerate(source.split("\n")) if number not in dropped)


def declarations(cells: Iterable[str]) -> list[str]:
    """Return a line for each function that cells declare, which declares it again where it is defined."""
    found = {node.name: _declaring(node) for cell in cells for node in _declared(cell)}
    return list(found.values())


def _declared(source: str) -> Iterator[_Function]:
    tree = parsed(source) if f"@{_NAME}" in source or f".{_NAME}" in source else None
    for node in tree.body if tree else ():
        if isinstance(node, _Function) and any(map(_declares, node.decorator_list)):
            yield node


def _declaring(function: _Function) -> str:
    decorator = next(filter(_declares, function.decorator_list))
    given = decorator.keywords if isinstance(decorator, ast.Call) else []
    call = ast.unparse(ast.Call(ast.Name(_NAME), [], given))
    return f'__import__("{_HOME}").{call}({function.name})'


def _declares(decorator: ast.expr) -> bool:
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(named, ast.Attribute):
        return named.attr == _NAME and isinstance(named.value, ast.Name) and named.value.id == _HOME
    return isinstance(named, ast.Name) and named.id == _NAME
