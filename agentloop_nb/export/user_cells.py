"""What a run needs from the cells that the user ran before it."""

from __future__ import annotations

import ast
import re

from agentloop_nb.export.dependencies import names_of, parsed, to_python
from agentloop_nb.own_actions.source import undeclared

_OURS = re.compile(r"^\s*(?:%|%%)(?:agent|load_ext\s+agentloop_nb|reload_ext\s+agentloop_nb|config\s+AgentMagics)\b")
_MINE = "agentloop_nb"


def clean(source: str) -> str:
    """Take our magics and everything that needs this package out of a cell; what is left may be empty."""
    lines = undeclared(source.strip("\n")).split("\n")
    if re.match(r"%%agent\b", lines[0]):
        return ""
    lines = [line for line in lines if not _OURS.match(line)]
    if _MINE in source:
        lines = _without_us(lines)
    return "\n".join(lines).strip("\n")


def _without_us(lines: list[str]) -> list[str]:
    """Drop the statements that import this package, and those that use what they made."""
    python, _ = to_python("\n".join(lines))
    tree = parsed(python)
    if tree is None:
        return lines
    tainted: set[str] = set()
    dropped: set[int] = set()
    for statement in tree.body:
        names = names_of(ast.unparse(statement))
        if _MINE in names.imports or names.uses & tainted:
            tainted |= names.defines
            dropped |= set(range(statement.lineno - 1, statement.end_lineno or statement.lineno))
    return [line for number, line in enumerate(lines) if number not in dropped]
