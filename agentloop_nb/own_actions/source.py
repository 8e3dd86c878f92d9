"""The source of a declared function without the declaration, for a notebook that runs without this package."""

from __future__ import annotations

import ast

from agentloop_nb._internal.ipython_syntax import parsed

_NAME, _HOME = "action", "agentloop_nb"


def undeclared(source: str) -> str:
    """Take `@action` off the functions of a cell; what is no Python, or has none, stays as it is."""
    if f"@{_NAME}" not in source and f".{_NAME}" not in source:
        return source
    tree = parsed(source)
    if tree is None:
        return source
    dropped: set[int] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in filter(_declares, node.decorator_list):
                dropped |= set(range(decorator.lineno - 1, decorator.end_lineno or decorator.lineno))
    return "\n".join(line for number, line in enumerate(source.split("\n")) if number not in dropped)


def _declares(decorator: ast.expr) -> bool:
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(named, ast.Attribute):
        return named.attr == _NAME and isinstance(named.value, ast.Name) and named.value.id == _HOME
    return isinstance(named, ast.Name) and named.id == _NAME
