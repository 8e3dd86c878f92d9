"""Which pieces of code a result depends on: a walk backwards over what each defines, changes and uses."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from agentloop_nb.actions import Action, Delegate, Query, ReadDocument, RunCode, UseTool, WriteFile
from agentloop_nb.actions.delegate import code_of
from agentloop_nb.actions.effects import Queried
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.export.dependencies import IGNORED, Names, names_of
from agentloop_nb.export.rewritten_files import rewritten
from agentloop_nb.step import Step


@dataclass(frozen=True)
class Piece:
    """Code that ran, and what is known of its effects. Files are named relative to the working folder."""

    source: str
    names: Names = field(default_factory=Names)
    changed: frozenset[str] = frozenset()
    """Names that were seen to appear or change when it ran."""
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    failed: bool = False
    """It ended with an error: what it would have done after that did not happen."""
    cell: int | None = None
    """The place of the cell that it is a part of, of those that ran before the run."""

    @property
    def made(self) -> set[str]:
        """Names that it defined or changed, or may have."""
        if not self.failed:
            return self.names.defines | self.names.changes | self.changed
        seen = {name for name in self.names.changes if name.startswith("module:")}
        return seen | self.changed if self.changed else seen | self.names.defines | self.names.changes

    @property
    def settles(self) -> set[str]:
        """Names whose former value does not matter once it has run."""
        return set() if self.failed else self.names.settles

    @property
    def settles_files(self) -> frozenset[str]:
        """Files whose former content does not matter once it has run."""
        if self.failed or not self.writes:
            return frozenset()
        return self.writes & rewritten(self.source) if self.source else self.writes  # `write_file` has no source


def pieces(earlier: Iterable[str | Piece], steps: Iterable[Step]) -> list[Piece]:
    """Return the user's earlier cells, then the steps of the run, each read in the light of those before it."""
    modules: dict[str, str] = {}
    found: list[Piece] = []
    for each in earlier:
        piece = Piece(each) if isinstance(each, str) else each
        if piece.names == Names():  # not read yet
            piece = replace(piece, names=names_of(piece.source, modules))
        modules |= piece.names.modules
        found.append(piece)
    for step in steps:
        piece = _of_step(step, modules)
        modules |= piece.names.modules
        found.append(piece)
    return found


_MAKES_FOLDERS = re.compile(r"\bmkdir\b|\bmakedirs\b")
_PATHS = re.compile(r"""["']([^"'\n]{1,300})["']""")


def _folders_made(source: str) -> set[str]:
    """Folders that code makes, as files that it writes; a colon sets them apart from these."""
    found = _PATHS.findall(source) if _MAKES_FOLDERS.search(source) else ()
    return {f"folder:{path.strip('/').removeprefix('./')}" for path in found}


def _folders_needed(source: str) -> set[str]:
    """Folders that the paths in code lie in."""
    paths = [path.removeprefix("./").split("/") for path in _PATHS.findall(source) if "/" in path]
    return {f"folder:{'/'.join(parts[:count])}" for parts in paths for count in range(1, len(parts))}


def _of_step(step: Step, modules: dict[str, str]) -> Piece:
    action = step.decision.action if step.decision else None
    if isinstance(action, WriteFile):
        return Piece("", writes=frozenset(step.effects.all_files or {action.filename}))
    if isinstance(action, Query | OwnAction | UseTool):
        return _of_cell(action, step, modules)
    if isinstance(action, Delegate) and step.result is not None:
        source = "\n".join(code_of(step.result, step.number))
        changed = frozenset(change.name for change in step.result.changes)
        return Piece(source, names_of(source, modules), changed, writes=frozenset(step.effects.all_files))
    if isinstance(action, ReadDocument):
        return Piece("", reads=frozenset(step.effects.files_read))
    if not isinstance(action, RunCode) or not step.started:
        return Piece("")
    return Piece(
        source=action.code,
        names=names_of(action.code, modules),
        changed=frozenset(change.name for change in (step.result.changes if step.result else ())),
        reads=frozenset(step.effects.files_read),
        writes=frozenset(step.effects.files_written),
        failed=step.result is not None and not step.result.success,
    )


def _of_cell(action: Action, step: Step, modules: dict[str, str]) -> Piece:
    """Return the plain cell of a query or a call.

    The tables of a query stand inside its SQL, where Python sees no names.
    """
    if step.result is None or not step.result.success:
        return Piece("")
    cell = next((each for each in action.cells(step.result, step.number) if each.cell_type == "code"), None)
    if cell is None:
        return Piece("")
    names, found = names_of(cell.source, modules), step.effects.query or Queried()
    return Piece(
        source=cell.source,
        names=replace(names, uses=names.uses | set(found.tables)),
        changed=frozenset(change.name for change in step.result.changes),
        reads=frozenset((*found.files, *step.effects.files_read)),
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
        before_all_roots = index < max(roots, default=0)
        writes = piece.writes | _folders_made(piece.source)
        if index in roots or (before_all_roots and piece.made & names) or writes & files:
            kept.add(index)
            names = (names - piece.settles) | piece.names.uses
            files = (files - piece.settles_files) | piece.reads | _folders_needed(piece.source)
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
