"""Which pieces of code a result depends on: a walk backwards over what each defines, changes and uses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from agentloop_nb.actions import Action, Query, ReadDocument, RunCode, WriteFile
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.export.dependencies import IGNORED, Names, names_of
from agentloop_nb.state import Step


@dataclass(frozen=True)
class Piece:
    """Code that ran, and what is known of its effects. Files are named relative to the working folder."""

    source: str
    names: Names = field(default_factory=Names)
    changed: frozenset[str] = frozenset()
    """Names that were seen to appear or change when it ran."""
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()


def pieces(earlier: Iterable[str], steps: Iterable[Step]) -> list[Piece]:
    """The user's earlier cells, then the steps of the run, each read in the light of those before it."""
    modules: dict[str, str] = {}
    found: list[Piece] = []
    for source in earlier:
        names = names_of(source, modules)
        modules |= names.modules
        found.append(Piece(source, names))
    for step in steps:
        piece = _of_step(step, modules)
        modules |= piece.names.modules
        found.append(piece)
    return found


def _of_step(step: Step, modules: dict[str, str]) -> Piece:
    action = step.decision.action if step.decision else None
    metadata = step.result.metadata if step.result else {}
    if isinstance(action, WriteFile):
        return Piece("", writes=frozenset({str((metadata.get("file") or {}).get("path", action.filename))}))
    if isinstance(action, Query | OwnAction):
        return _of_cell(action, step, modules)
    if isinstance(action, ReadDocument):
        return Piece("", reads=frozenset(map(str, metadata.get("read", ()))))
    if not isinstance(action, RunCode) or not step.started:
        return Piece("")
    return Piece(
        source=action.code,
        names=names_of(action.code, modules),
        changed=frozenset(change.name for change in (step.result.changes if step.result else ())),
        reads=frozenset(map(str, metadata.get("read", ()))),
        writes=frozenset(map(str, metadata.get("files", ()))),
    )


def _of_cell(action: Action, step: Step, modules: dict[str, str]) -> Piece:
    """The plain cell of a query or a call; the tables of a query stand inside its SQL, where Python sees no names."""
    if step.result is None or not step.result.success:
        return Piece("")
    found = step.result.metadata.get("query") or {}
    (cell,) = action.cells(step.result, step.number)
    if cell.cell_type != "code":
        return Piece("")
    names = names_of(cell.source, modules)
    return Piece(
        source=cell.source,
        names=replace(names, uses=names.uses | set(map(str, found.get("tables", ())))),
        changed=frozenset(change.name for change in step.result.changes),
        reads=frozenset(map(str, (*found.get("files", ()), *step.result.metadata.get("read", ())))),
    )


def depended_on(chain: Sequence[Piece], roots: Collection[int]) -> set[int]:
    """Return the indexes of the pieces that `roots` depend on, and the roots themselves."""
    modules: set[str] = set()
    while True:
        kept = _walk_back(chain, roots, modules)
        used = {name for index in kept for name in chain[index].names.uses if name.startswith("module:")}
        if used <= modules:
            return kept
        modules |= used  # options and seeds of a module matter to all that use what it made, to the end


def _walk_back(chain: Sequence[Piece], roots: Collection[int], modules: set[str]) -> set[int]:
    kept: set[int] = set()
    names: set[str] = set(modules)
    files: set[str] = set()
    for index in range(len(chain) - 1, -1, -1):
        piece = chain[index]
        made = piece.names.defines | piece.names.changes | piece.changed
        before_all_roots = index < max(roots, default=0)
        if index in roots or (before_all_roots and made & names) or piece.writes & files:
            kept.add(index)
            names = (names - piece.names.settles) | piece.names.uses
            files |= piece.reads
    return kept


def undefined(chain: Sequence[Piece], asking: Iterable[int]) -> list[str]:
    """Names that pieces use and no piece before them made, in the order they are asked for."""
    asking = set(asking)
    known: set[str] = set(IGNORED)
    missing: dict[str, None] = {}
    for index, piece in enumerate(chain):
        if index in asking:
            lacking = sorted(name for name in piece.names.uses - known if not name.startswith("module:"))
            missing |= dict.fromkeys(lacking)
        known |= piece.names.defines | piece.changed
    return list(missing)
