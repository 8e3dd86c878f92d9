"""The namespace before and after a step: what the step did to it."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from itertools import compress
from pathlib import Path
from types import ModuleType
from typing import Any

from agentloop_nb._internal.ipython_syntax import parsed
from agentloop_nb._internal.platform import thread_time
from agentloop_nb.notebook.kernel import value_facts
from agentloop_nb.notebook.snapshots.arrays import ARRAY
from agentloop_nb.notebook.snapshots.data_tables import copy_on_write
from agentloop_nb.notebook.snapshots.kind import ATOMS
from agentloop_nb.notebook.snapshots.reachable_names import Reach, reach
from agentloop_nb.notebook.snapshots.settings import Remembered
from agentloop_nb.notebook.snapshots.snapshot import Memory, Piece
from agentloop_nb.notebook.snapshots.step_record import GONE, TOO_LARGE, Record, same_atom, sampled
from agentloop_nb.protocols import Change

TOUCHED_TIME, WIDE_TIME, SAMPLE_TIME, WIDE_SAMPLE_TIME = 2.0, 0.25, 0.0002, 0.05
"""Seconds spent before a step on saving names it can touch, on the others if it can reach all, and on samples."""
SHELL_NAMES = frozenset({"In", "Out", "exit", "quit", "get_ipython", "open"})


class Watch:
    """Remembers a namespace before a step, and tells afterwards what became of it."""

    def __init__(self, namespace: dict[str, Any], source: str, *, room: int, folder: Path | None = None) -> None:
        """`source` is the step's transformed code; `room` are the bytes copies may take; it runs in `folder`."""
        self._namespace = namespace
        self._before = dict(namespace)
        self._changeable: list[tuple[str, Any]] | None = None
        tree = parsed(source)
        self._reach = self._aliases(reach(tree, namespace))
        self._memory = Memory(room)
        self._samples: dict[str, Any] = {}
        self._settings = Remembered.now(tree, namespace, folder or Path.cwd())
        now = thread_time()
        for name in self._reach.names:
            self._memory.add(self._before[name], now + TOUCHED_TIME)
        self._add_views()
        if self._reach.wide:
            for name in self._others():
                self._memory.add(self._before[name], now + WIDE_TIME)
        self._take_samples(WIDE_SAMPLE_TIME if self._reach.wide else SAMPLE_TIME)

    # -- before

    @property
    def _values(self) -> list[tuple[str, Any]]:
        """The watched names whose values can change, with these. Made once, and only where it is needed."""
        if self._changeable is None:
            changeable = [pair for pair in self._before.items() if type(pair[1]) not in ATOMS]
            self._changeable = [pair for pair in changeable if is_watched(*pair)]
        return self._changeable

    def _others(self) -> Iterator[str]:
        """Names of changeable values that the code does not mention, newest first."""
        for name, value in reversed(self._before.items()):
            if type(value) not in ATOMS and name not in self._reach.names and is_watched(name, value):
                yield name

    def _aliases(self, found: Reach) -> Reach:
        """Other names of the same objects can change, too."""
        touched = {id(self._before[name]) for name in found.names if type(self._before[name]) not in ATOMS}
        if not touched:
            return Reach(frozenset(), wide=found.wide)
        aliases = {name for name, value in self._values if id(value) in touched}
        watched = {name for name in found.names if is_watched(name, self._before[name])}
        return Reach(frozenset(watched | aliases), wide=found.wide)

    def _add_views(self) -> None:
        """Names that are held by something touched, or share memory with it."""
        pieces = self._memory.pieces
        if not pieces:
            return
        found = {name for name, value in self._values if id(value) in pieces}.union(self._reach.names)
        roots = {root for piece in pieces.values() for root in value_facts.memory_roots(piece.value)}
        # tables that copy on writing share memory with each other without harm
        apart = copy_on_write() and all(piece.kind is not ARRAY for piece in pieces.values())
        holders = value_facts.memory_holders(tables=not apart) if roots else ()
        for name, value in self._values:
            if (
                issubclass(type(value), holders)
                and not roots.isdisjoint(value_facts.memory_roots(value))
                and name not in found
            ):
                found.add(name)
                self._memory.add(value, thread_time() + TOUCHED_TIME)
        self._reach = Reach(frozenset(found), wide=self._reach.wide)

    def _take_samples(self, seconds: float) -> None:
        deadline = thread_time() + seconds
        for name in self._others():
            if thread_time() > deadline:
                break
            value = self._before[name]
            if id(value) not in self._memory.pieces:
                self._samples[name] = sampled(value)

    # -- after

    def finish(self, step: int, before_run: Iterable[str]) -> tuple[tuple[Change, ...], Record]:
        """Tell what changed. `before_run` are the user's names."""
        record = Record(step)
        get = self._namespace.get
        moved_names = self._moved()
        rebound = {name for name in moved_names if not same_atom(get(name, GONE), self._before[name])}
        record.bound = {name: self._before[name] for name in rebound}
        if len(self._namespace) != len(self._before) or any(name not in self._namespace for name in rebound):
            record.added = [name for name in self._namespace if name not in self._before]
        moved = self._memory.changed()
        record.pieces = list(moved.values())
        record.memory = self._memory
        mutated = dict(self._mutated(moved, rebound))
        record.mutated = {name: self._before[name] for name in mutated}
        record.lost = {name: "it was only sampled" for name, piece in mutated.items() if piece is None}
        record.lost |= {name: TOO_LARGE for name, piece in mutated.items() if piece and not piece.restorable}
        record.lost |= dict(self._opaque())
        record.names = tuple(sorted({*rebound, *record.added, *mutated}))
        record.settings = self._settings.moved()
        record.settle(self._namespace)
        return tuple(self._tell(rebound, record, mutated, frozenset(before_run))), record

    def _moved(self) -> list[str]:
        """Names that are bound to something else, or to nothing any more."""
        before, now = self._before, self._namespace
        if len(now) >= len(before) and all(map(operator.is_, before, now)):  # none was deleted: the order is the same
            return list(compress(before, map(operator.is_not, before.values(), now.values())))
        return [name for name, value in before.items() if now.get(name, GONE) is not value]

    def _mutated(self, moved: Mapping[int, Piece], rebound: set[str]) -> Iterator[tuple[str, Piece | None]]:
        """Names whose value changed in place, each with the piece that did; None: only a sample tells so."""
        if moved:
            for name, value in self._values:
                if name in rebound or id(value) not in self._memory.pieces:
                    continue
                if piece := next((moved[id(each)] for each in self._memory.met_in(value) if id(each) in moved), None):
                    yield name, piece
        for name, before in self._samples.items():
            if name not in rebound and sampled(self._before[name]) != before:
                yield name, None

    def _opaque(self) -> Iterator[tuple[str, str]]:
        """Names the code can touch that hold what cannot be saved."""
        for name in self._reach.names:
            if id(self._before[name]) in self._memory.partial:
                yield name, TOO_LARGE if self._memory.full else "it has too many parts to be saved whole"
        for name in self._reach.names if self._memory.opaque else ():
            for each in self._memory.met_in(self._before[name]):
                if id(each) in self._memory.opaque:
                    yield name, f"a {value_facts.type_name(each)} cannot be taken back"
                    break

    def _tell(
        self, rebound: set[str], record: Record, mutated: Mapping[str, Piece | None], before_run: frozenset[str]
    ) -> Iterator[Change]:
        for name in record.added:
            if is_watched(name, value := self._namespace[name]):
                yield Change(
                    name=name, how="added", type=value_facts.type_name(value), detail=value_facts.detail(value)
                )
        for name in filter(rebound.union(mutated).__contains__, self._before if rebound or mutated else ()):
            old = self._before[name]
            value = self._namespace.get(name, old)
            if not is_watched(name, value) and not is_watched(name, old):
                continue
            piece = mutated.get(name)
            yield Change(
                name=name,
                how="changed" if name in self._namespace else "deleted",
                type=value_facts.type_name(value),
                detail=value_facts.detail(value) if name in self._namespace else "",
                sampled=name in mutated and (piece is None or piece.sampled),
                previous=name in before_run,
                restorable=name not in record.lost,
            )


def is_watched(name: str, value: Any) -> bool:
    """Whether a name is one the user would call a variable: not private, not the shell's, no module."""
    return type(name) is str and name[:1] != "_" and name not in SHELL_NAMES and type(value) is not ModuleType
