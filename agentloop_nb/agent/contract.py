"""A contract: expressions that must be True in the namespace when a run ends. How they are read, and what is told.

Nothing is evaluated here; that is the workspace's part.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence

from agentloop_nb.errors import UserError
from agentloop_nb.protocols import Check
from agentloop_nb.safety.provenance import NAMESPACE, mark
from agentloop_nb.state import State

_SIGN = re.compile(r"(?:[<>]=?|[=!]=)\s|[-+*/%&|^]\s|(?:and|or)\b")
"""How the rest of an expression begins that was cut at a blank, since its quotes are missing."""
_YES_OR_NO = (ast.Compare, ast.BoolOp, ast.Call, ast.Await, ast.IfExp)
_WAITING = frozenset(
    ["input", "raw_input", "getpass", "breakpoint", "set_trace", "post_mortem", "ginput", "waitforbuttonpress"]
)
"""Functions that wait for somebody to type or click."""
MOST_PARTS = 12
"""Parts of a false expression whose values are told."""
NOBODY_IS_ASKED = ("NobodyIsAsked", "BdbQuit")
"""Errors of an expression that would wait for a person, as a workspace names them."""
HEAD = "The person has set a condition."
NOT_PUT_BACK = "Evaluating it changed {}, which cannot be put back."


def refuse_unsound(expressions: Iterable[str], goal: str = "") -> None:
    """Raise `UserError`, one line, for an expression that cannot be a contract: it would always or never hold."""
    expressions = list(expressions)
    for expression in expressions:
        _refuse(expression)
    if expressions and (rest := _SIGN.match(goal)):
        whole = " ".join([expressions[-1], *goal.split()[:2]])
        raise UserError(f"quotes missing? The goal begins with {rest[0].strip()!r}. Type --until {quoted(whole)} goal")


def _refuse(expression: str) -> None:
    try:
        node = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UserError(f"quotes missing? --until {expression} is no Python expression; type {_EXAMPLE}") from None
    if waits := next(filter(None, map(_waiting, ast.walk(node))), ""):
        raise UserError(_WAITS.format(expression, waits))
    while isinstance(node, ast.NamedExpr) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
        if isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.UnaryOp | ast.NamedExpr):
            return
        node = node.operand if isinstance(node, ast.UnaryOp) else node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr | ast.BitXor):
        return
    if not isinstance(node, _YES_OR_NO):
        raise UserError(
            f"quotes missing? --until {expression} compares nothing, so it is no condition; type {_EXAMPLE}, or "
            f"{quoted(f'bool({expression})')} for its truth"
        )
    if not any(isinstance(each, ast.Name) for each in ast.walk(node)):
        raise UserError(f"--until {expression} looks at no variable, so it says nothing of the result; type {_EXAMPLE}")


def _waiting(node: ast.AST) -> str:
    """Return what a part of an expression calls or reads to wait for a person; empty where it does not."""
    match node:
        case ast.Call(func=ast.Name(id=name) as found) if name in _WAITING:
            return f"{ast.unparse(found)}()"
        case ast.Call(func=ast.Attribute(attr=name) as found) if name in _WAITING - {"input"}:
            return f"{ast.unparse(found)}()"
        case ast.Attribute(value=ast.Name(id="builtins" | "sys"), attr="input" | "stdin"):
            return ast.unparse(node)
    return ""


_EXAMPLE = "--until 'df.shape[0] > 10'"
_WAITS = f"--until {{}} waits for a person ({{}}), and nobody is asked when a run ends; type {_EXAMPLE}"


def quoted(expression: str) -> str:
    """Return an expression in quotes that it does not hold itself."""
    return f'"{expression}"' if "'" in expression else f"'{expression}'"


def called(expression: str) -> frozenset[str]:
    """Return the names that an expression calls as functions."""
    nodes = ast.walk(ast.parse(expression, mode="eval"))
    return frozenset(node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))


def voided(expression: str, state: State) -> str:
    """Say which step bound a function of the user's anew that the expression calls; empty where none did."""
    names = called(expression)
    for step in state.steps:
        for change in step.result.changes if step.result else ():
            if change.name in names and change.previous and change.how != "added":
                return rebound(change.name, step.number)
    return ""


def rebound(name: str, step: int) -> str:
    """Say that a step bound a function anew that the contract calls."""
    return f"step {step} changed {name}, which the contract calls, so that the contract is void"


def made(state: State) -> tuple[str, ...]:
    """Return the names that the run itself added."""
    changes = (change for step in state.steps for change in (step.result.changes if step.result else ()))
    return tuple(dict.fromkeys(change.name for change in changes if change.how == "added"))


# -- what is told


def hopeless(check: Check) -> str:
    """Say why an expression, evaluated before the first step, can never hold; empty where it may."""
    if check.outcome == "error" and check.value.startswith(NOBODY_IS_ASKED):
        return _WAITS.format(check.expression, "as a function that it calls does")
    if check.outcome != "no_bool":
        return ""
    return (
        f"quotes missing? --until {check.expression} is neither True nor False, but {check.value}; "
        f"type --until {quoted(f'({check.expression}) == ...')}, or bool(...) for its truth"
    )


def announcement(checks: Sequence[Check], *, first: bool, private: bool) -> str:
    """Tell the model, before it begins, what its finish will be held against."""
    if private:
        return f"{HEAD} It is evaluated when you finish; a finish that does not meet it is refused."
    listed = "\n".join(f"    {check.expression}" for check in checks)
    told = (
        f"{HEAD} When you finish, this is evaluated in the namespace, and has to be True; else the finish is refused. "
        f"Do not redefine a function that it calls.\n{listed}"
    )
    if first and (held := [check.expression for check in checks if check.held]):
        told += f"\nIt holds already before the first step, so it does not show that the goal is met: {', '.join(held)}"
    return told


def unmet(checks: Sequence[Check], *, private: bool) -> str:
    """Tell the model why its finish is refused: each expression that does not hold, with the values in it."""
    if private:
        return "Not finished: the person's condition does not hold."
    told = "\n".join(describe(check) for check in checks if not check.held)
    return f"Not finished: the person's condition does not hold.\n{mark(told, NAMESPACE)}"


def describe(check: Check) -> str:
    """Return an expression, what it yielded, and its parts with their values, as an assertion of pytest shows them."""
    lines = [f"    {check.expression}", f"    {check.told}"]
    lines += [f"      where {source} = {value}" for source, value in check.parts[:MOST_PARTS]]
    if check.left:
        lines.append(f"    {NOT_PUT_BACK.format(', '.join(check.left))}")
    return "\n".join(lines)


def reason(checks: Sequence[Check]) -> str:
    """Why a run ends without its goal, for a person."""
    first = next(check for check in checks if not check.held)
    return f"the contract {first.line}"
