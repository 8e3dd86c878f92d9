"""Find the files that code writes anew, whatever they held before."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from agentloop_nb._internal.ipython_syntax import parsed, to_python

_WHOLE = frozenset({"write_text", "write_bytes"})
"""Methods of a path that replace its content."""
_EXPORTS = frozenset({"to_csv", "to_json", "to_parquet", "to_excel", "to_html", "to_pickle", "savefig"})
"""Methods of tables and figures whose first argument is the file that they replace."""


def rewritten(source: str) -> frozenset[str]:
    """Return the files that code certainly writes from the start: by a path that stands in it, under no condition."""
    tree = parsed(to_python(source)[0])
    calls = (call for statement in _unconditional(tree.body if tree else ()) for call in _calls(statement))
    return frozenset(path.removeprefix("./") for call in calls if (path := _replaced(call)))


def _unconditional(body: Iterable[ast.stmt]) -> Iterator[ast.stmt | ast.expr]:
    """Yield simple statements that run whenever the code does, and what `with` opens."""
    for statement in body:
        if isinstance(statement, ast.With):
            yield from (item.context_expr for item in statement.items)
            yield from _unconditional(statement.body)
        elif isinstance(statement, ast.Expr | ast.Assign | ast.AnnAssign):
            yield statement


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    """Yield calls in a statement, but for those in functions, comprehensions and choices, which may never be made."""
    if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        return
    if isinstance(node, ast.IfExp | ast.BoolOp):
        return
    if isinstance(node, ast.Call):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _calls(child)


def _replaced(call: ast.Call) -> str | None:
    """Return the file that a call replaces, where it says so itself."""
    match call:
        case ast.Call(func=ast.Name("open"), args=[ast.Constant(str(path)), ast.Constant(str(mode)), *_]):
            return path if mode.startswith(("w", "x")) else None
        case ast.Call(func=ast.Attribute(ast.Call(func=ast.Name("Path"), args=[ast.Constant(str(path))]), attr)):
            return path if attr in _WHOLE else None
        case ast.Call(func=ast.Attribute(attr=attr), args=[ast.Constant(str(path)), *_]) if attr in _EXPORTS:
            return None if any(each.arg == "mode" for each in call.keywords) else path
    return None
