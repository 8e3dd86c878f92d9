"""Calls of the user's functions as a record tells them: which code is such a call, and nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from agentloop_nb._internal.ipython_syntax import parsed
from agentloop_nb.actions.table_argument import is_table_source

_HARMLESS = re.compile(r"__import__\('(datetime|pathlib)', fromlist=\['\w+'\]\)")
_OF_ONE = ("float", "fromisoformat", "Path", "PurePath", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")


def is_call(code: str, name: str, arguments: Mapping[str, Any]) -> bool:
    """Whether code is nothing but the call of a function with arguments, given as JSON values; `into` binds it."""
    given = dict(arguments)
    into = str(given.pop("into", "") or "")
    tree = parsed(code)
    if tree is None or not tree.body:
        return False
    call, *rest = tree.body
    if not isinstance(call, ast.Assign if into else ast.Expr):
        return False
    if isinstance(call, ast.Assign) and (len(call.targets) > 1 or ast.unparse(call.targets[0]) != into):
        return False
    if [ast.unparse(each) for each in rest] != ([into] if into else []):
        return False
    value = call.value
    return _calls(value.value if isinstance(value, ast.Await) else value, name, given)


def _calls(node: ast.expr, name: str, given: Mapping[str, Any]) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != name or node.args:
        return False
    told = {each.arg: each.value for each in node.keywords if each.arg}
    return len(told) == len(node.keywords) and told.keys() == given.keys() and _all_tell(told, given)


def _all_tell(nodes: Mapping[str, ast.expr], values: Mapping[str, Any]) -> bool:
    return all(name in values and _tells(node, values[name]) for name, node in nodes.items())


def _tells(node: ast.expr, value: Any) -> bool:
    """Whether an expression makes a value of a record again and does nothing else."""
    return is_table_source(node, value) or _is_same(node, value)


def _is_same(node: ast.expr, value: Any) -> bool:
    match node:
        case ast.List(elts=inside) | ast.Tuple(elts=inside):
            return isinstance(value, list) and len(value) == len(inside) and all(map(_tells, inside, value))
        case ast.Set(elts=inside):
            return isinstance(value, list) and len(inside) <= len(value)
        case ast.Attribute():
            return _is_dotted(node)  # a member of an Enum
        case ast.Call():
            return _makes(node, value)
    try:
        found = ast.literal_eval(node)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    return bool(found == value)


def _makes(node: ast.Call, value: Any) -> bool:
    """Whether a call makes a date, a path, a number or an object out of nothing but the value."""
    kind = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if not _is_dotted(node.func):
        return False
    if node.keywords:
        told = {str(each.arg): each.value for each in node.keywords}
        return not node.args and kind[:1].isupper() and isinstance(value, dict) and _all_tell(told, value)
    if kind in ("set", "frozenset"):
        return not value if not node.args else _tells(node.args[0], value)
    if kind in _OF_ONE:
        return len(node.args) == 1 and isinstance(node.args[0], ast.Constant)
    return False


def _is_dotted(node: ast.expr) -> bool:
    """Whether an expression only names something, in the namespace or in a module that does nothing when imported."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) or _HARMLESS.fullmatch(ast.unparse(node)) is not None
