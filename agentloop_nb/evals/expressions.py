"""What the text of a check tells before it is evaluated: whether it is sound, and which variables it names."""

from __future__ import annotations

import ast
import difflib

from agentloop_nb.evals.helpers import BUILTINS, HELPERS

_KNOWN = HELPERS | BUILTINS.keys()


def unsound(expression: str) -> str:
    """Say what is wrong with an expression; empty where nothing is."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        return "is no Python expression"
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if not names:
        return "names nothing, so it cannot fail, or never holds"
    return _unknown_call(tree) or _hidden(tree)


def variables_in(expression: str) -> set[str]:
    """Return the names that stand for variables of the run."""
    tree = ast.parse(expression.strip(), mode="eval")
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return (named - bound - _KNOWN) | set(_looked_up(tree))


def _looked_up(tree: ast.AST) -> list[str]:
    """Return the names in `values["total"]`, `values.get("total")` and `"total" in values`."""
    found = []
    for node in ast.walk(tree):
        match node:
            case (
                ast.Subscript(value=ast.Name(id="values"), slice=ast.Constant(value=str(name)))
                | ast.Call(func=ast.Attribute(value=ast.Name(id="values")), args=[ast.Constant(value=str(name)), *_])
                | ast.Compare(left=ast.Constant(value=str(name)), comparators=[ast.Name(id="values")])
            ):
                found.append(name)
    return found


def _unknown_call(tree: ast.AST) -> str:
    """Return a called name that is none of the helpers: it could never hold."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name not in _KNOWN:
                close = difflib.get_close_matches(name, _KNOWN, n=1)
                hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(HELPERS))}"
                return f"calls {name}, which is no helper; {hint}"
    return ""


def _hidden(tree: ast.AST) -> str:
    """Return an attribute that is nobody's business."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            return f"looks at {node.attr}, which is private"
    return ""
