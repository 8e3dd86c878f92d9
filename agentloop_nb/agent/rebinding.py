"""Which names code binds anew without looking at what they were: done twice, that comes to the same."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from agentloop_nb._internal.ipython_syntax import parsed


def only_rebinds(code: str, names: Iterable[str]) -> bool:
    """Whether code only gives these names a value of its own; no for code that cannot be read."""
    names = set(names)
    if not names:
        return True
    tree = parsed(code)
    return tree is not None and all(_is_bound_first(tree.body, name) for name in names)


def _is_bound_first(statements: Iterable[ast.stmt], name: str) -> bool:
    """Whether the first statement that mentions a name binds it without reading it."""
    for statement in statements:
        if statement_binds := _mentions(statement, name):
            return statement_binds == {"bound"} or _heads_with(statement, name)
    return False


def _heads_with(statement: ast.stmt, name: str) -> bool:
    """Whether a block begins with binding a name, which its body then uses: `with open(path) as file`, `for n in x`."""
    match statement:
        case ast.With(items=items) | ast.AsyncWith(items=items):
            targets = [item.optional_vars for item in items if item.optional_vars is not None]
            heads: list[ast.expr] = [item.context_expr for item in items]
        case ast.For(target=target, iter=head) | ast.AsyncFor(target=target, iter=head):
            targets, heads = [target], [head]
        case _:
            return False
    bound = any(_names(target, name) for target in targets)
    return bound and not any(_names(head, name) for head in heads)


def _names(node: ast.expr, name: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(node))


def _mentions(statement: ast.stmt, name: str) -> set[str]:
    found = set()
    for node in ast.walk(statement):
        match node:
            case ast.AugAssign(target=ast.Name(id=found_name)) if found_name == name:
                found.add("read")
            case ast.Name(id=found_name, ctx=context) if found_name == name:
                found.add("bound" if isinstance(context, ast.Store) else "read")
            case (
                ast.FunctionDef(name=found_name) | ast.AsyncFunctionDef(name=found_name) | ast.ClassDef(name=found_name)
            ) if found_name == name:
                found.add("bound")
            case ast.alias() if (node.asname or node.name.partition(".")[0]) == name:
                found.add("bound")
    return found
