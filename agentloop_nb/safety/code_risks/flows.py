"""What an expression would carry out of the machine: secrets, the user's variables, the content of files."""

from __future__ import annotations

import ast
import builtins

from agentloop_nb.safety.code_risks import call_tables
from agentloop_nb.safety.code_risks.constant_values import Values

_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__doc__", "display", "get_ipython"}
_DEPTH = 100
_WHOLE_NAMESPACE = frozenset({"globals()", "locals()", "vars()", "get_ipython().user_ns", "dir()", "sys.modules"})


def carried(node: ast.AST, values: Values, seen: frozenset[str] = frozenset(), depth: int = 0) -> set[str]:
    """Name what a value is made of that is the user's: `secrets`, `a file`, or `the variable df`.

    What is too entangled to tell counts as `data`.
    """
    found: set[str] = set()
    if not values.spend() or depth > _DEPTH:
        return {"data"}
    if isinstance(node, ast.Call) and _is_answer(node, values):
        return found  # an answer of the web is not the user's
    if isinstance(node, ast.Lambda):
        return found
    if isinstance(node, ast.expr):
        name = values.dotted(node)
        if call_tables.ENVIRONMENT.match(name):
            found.add("secrets")
        if name in _WHOLE_NAMESPACE:
            found.add("your variables")
        if isinstance(node, ast.Call) and _reads_file(node, values):
            found.add("a file")
    if isinstance(node, ast.Name):
        return found | _of_name(node.id, values, seen, depth)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and values.imported(node.value.id):
        return found
    for child in ast.iter_child_nodes(node):
        found |= carried(child, values, seen, depth + 1)
    return found


def _of_name(name: str, values: Values, seen: frozenset[str], depth: int) -> set[str]:
    if name in seen or name in _BUILTINS or values.imported(name):
        return set()
    bindings = values.bindings(name)
    if not bindings:
        return set() if values.defined(name) else {f"the variable {name}"}
    found: set[str] = set()
    for value in bindings:
        found |= carried(value, values, seen | {name}, depth + 1)
    return found


def _is_answer(node: ast.Call, values: Values) -> bool:
    name = values.dotted(node.func)
    first = values.text(node.args[0]) if node.args else None
    remote = first is not None and call_tables.URL.match(first) is not None
    return call_tables.NETWORK.match(name) is not None or (remote and not call_tables.MAKES_TEXT.match(name))


def _reads_file(node: ast.Call, values: Values) -> bool:
    name = values.dotted(node.func)
    first = values.text(node.args[0]) if node.args else None
    if name in call_tables.OPENS or name.endswith("Path().open"):
        mode = values.text(node.args[1]) if len(node.args) > 1 else "r"
        return mode is None or not set(mode) & set("wax")
    if call_tables.SHELL.match(name):
        return True
    return call_tables.READS.match(name) is not None and not (first and call_tables.URL.match(first))
