"""What a run needs from the cells that the user ran before it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from agentloop_nb._internal.ipython_syntax import inside_strings, parsed, to_python
from agentloop_nb.events import RunStarted
from agentloop_nb.export.dependencies import names_of
from agentloop_nb.export.slicing import Piece
from agentloop_nb.own_actions.source import undeclared

_OURS = re.compile(r"^\s*(?:%|%%)(?:agent|load_ext\s+agentloop_nb|reload_ext\s+agentloop_nb|config\s+AgentMagics)\b")
_MOVES = re.compile(r"^(?:%cd\b|cd\s|(?:os\.)?chdir\(.*\)\s*(?:#.*)?$)")
"""A move into another folder: the notebook lies where the run took place."""
_MINE = "agentloop_nb"


def before(started: RunStarted) -> Iterator[Piece]:
    """Yield what ran before a run, fit to be brought along: without this package, imports in cells of their own."""
    known = {each.index: each for each in started.ran}
    for index, source in enumerate(started.cells):
        ran = known.get(index)
        kept = clean(source, moves=ran is not None and ran.step > 0)
        if not kept:
            continue
        if ran is None or not (ran.step or ran.failed):
            yield from (Piece(part, cell=index) for part in apart(kept))
            continue
        yield Piece(
            kept,
            changed=frozenset(ran.changed),
            reads=frozenset(ran.reads),
            writes=frozenset(ran.writes),
            failed=ran.failed,
            cell=index,
        )


def apart(source: str) -> list[str]:
    """Part a cell into its imports and the rest, in order, so that an import does not bring the rest along."""
    tree = None if source.startswith("%%") else parsed(to_python(source)[0])
    if tree is None or len(tree.body) < 2:
        return [source]
    lines, parts = source.split("\n"), list[list[str]]()
    last, end, before = None, 0, 0
    for node in tree.body:
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]) - 1
        if first < end:  # two statements on one line
            return [source]
        if last is None or _is_import(node) != last:
            parts.append([])
        end = node.end_lineno or node.lineno
        parts[-1] += lines[before:end]  # with the comments above it
        last, before = _is_import(node), end
    parts[-1] += lines[before:]
    return ["\n".join(part).strip("\n") for part in parts]


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    """Put parts of one cell together again that are all there."""
    found: list[Piece] = []
    for piece in pieces:
        if found and piece.cell is not None and found[-1].cell == piece.cell:
            found[-1] = replace(found[-1], source=f"{found[-1].source}\n{piece.source}")
        else:
            found.append(piece)
    return found


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def clean(source: str, *, moves: bool = False) -> str:
    """Take our magics and everything that needs this package out of a cell; what is left may be empty.

    Moves into another folder go, too, unless `moves`.
    """
    lines = undeclared(source.strip("\n")).split("\n")
    if re.match(r"%%agent\b", lines[0]):
        return ""
    inside = inside_strings("\n".join(lines))
    lines = [line for number, line in enumerate(lines) if number in inside or not _is_ours(line, moves=moves)]
    if _MINE in source:
        lines = _without_us(lines)
    return "\n".join(lines).strip("\n")


def _is_ours(line: str, *, moves: bool) -> bool:
    return bool(_OURS.match(line) or (not moves and _MOVES.match(line)))


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
