"""What one step did to the namespace, kept so that it can be taken back."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from agentloop_nb._internal.platform import thread_time
from agentloop_nb.notebook.kernel import value_facts
from agentloop_nb.notebook.snapshots.fingerprint import differs, likeness
from agentloop_nb.notebook.snapshots.kind import ATOMS
from agentloop_nb.notebook.snapshots.settings import Moved
from agentloop_nb.notebook.snapshots.snapshot import Memory, Piece, sample

LOOK_TIME = 0.25
"""CPU seconds after a step for looking at what it changed in place."""
TOO_LARGE = "it was too large to copy"
GIVEN_UP = "its copy was given up to save memory"
CHANGED_SINCE = "you have changed it since, and that stays"
MAX_KEPT = 1_000
"""Bytes of a plain value that is kept itself to know it again."""
REFUSED = "it refused its former value"
GONE = object()


@dataclass
class Record:
    """What has to be put back to take a step back. The values are the user's own objects."""

    step: int
    bound: dict[str, Any] = field(default_factory=dict)
    """Names that were bound to something else, or deleted, with their former value."""
    mutated: dict[str, Any] = field(default_factory=dict)
    """Names whose value changed in place, with that value."""
    added: list[str] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    names: tuple[str, ...] = ()
    """Every name the step changed, deleted or added."""
    memory: Memory = field(default_factory=lambda: Memory(0))
    """The pieces that changed, and what leads to them from the names."""
    size: int = 0
    """Bytes the record keeps alive, about."""
    lost: dict[str, str] = field(default_factory=dict)
    """Names whose change cannot be taken back, with the reason."""
    after: dict[str, Trace] = field(default_factory=dict)
    """What the names were when the step was over."""
    settings: list[Moved] = field(default_factory=list)
    """Settings of the process that the step changed: options, random states, the environment."""
    looks: dict[int, Any] = field(default_factory=dict)
    """What the pieces looked like then, by the identity of their value."""

    def settle(self, namespace: dict[str, Any]) -> None:
        """Note what the step left, and keep no more than taking it back needs."""
        self._look(namespace)
        kept = sum(map(self._kept_by_name, self.bound.values()))
        self.memory.keep((*self.bound.values(), *self.mutated.values()), {id(piece.value) for piece in self.pieces})
        self.size = kept + sum(piece.kept() for piece in self.memory.pieces.values())

    def _look(self, namespace: dict[str, Any]) -> None:
        """To tell later whether the user has changed something since."""
        self.after = {name: Trace(namespace.get(name, GONE)) for name in self.names}
        deadline = thread_time() + LOOK_TIME
        for piece in self.pieces:
            if piece.restorable:
                self.looks[id(piece.value)] = likeness(piece.value, piece.kind)
            if thread_time() > deadline:
                break

    def rebind(self, namespace: dict[str, Any], newer: set[str]) -> None:
        """Bind the names as they were, but those that somebody else has bound since; they join `newer`."""
        newer |= self.newer(namespace)
        for name in self.added:
            if name not in newer:
                namespace.pop(name, None)
        namespace.update({name: value for name, value in self.bound.items() if name not in newer})

    def newer(self, namespace: dict[str, Any]) -> set[str]:
        """Names that somebody else has bound to something else since; one deleted since has nothing to lose."""
        return {name for name, trace in self.after.items() if name in namespace and not trace.leads_to(namespace[name])}

    def stale(self) -> dict[str, str]:
        """Names with something inside that somebody else has changed in place since."""
        return dict.fromkeys(self._holders(set(self._stale())), CHANGED_SINCE)

    def _stale(self) -> Iterator[int]:
        for piece in self.pieces:
            ident = id(piece.value)
            if ident in self.looks and differs(piece.value, piece.kind, self.looks[ident]):
                yield ident

    def refill(self) -> dict[str, str]:
        """Put back what changed in place; returns the names with something inside that was not, with the reason."""
        stale = set(self._stale())  # before the first is put back: others may share its memory
        refused = {id(piece.value) for piece in self.pieces if id(piece.value) not in stale and not piece.restore()}
        found = dict.fromkeys(self._holders(refused), REFUSED) | dict.fromkeys(self._holders(stale), CHANGED_SINCE)
        return found | self.lost

    def _holders(self, idents: set[int]) -> Iterator[str]:
        for name, value in {**self.bound, **self.mutated}.items() if idents else ():
            if any(id(each) in idents for each in self.memory.met_in(value)):
                yield name

    def restore_name(self, name: str, namespace: dict[str, Any]) -> None:
        """Put one name back, with everything in its former value, whatever became of it since."""
        namespace[name] = value = self.bound[name] if name in self.bound else self.mutated[name]
        held = {id(each) for each in self.memory.met_in(value)}
        for piece in self.pieces:
            if id(piece.value) in held:
                piece.restore()

    def forget(self) -> None:
        """Give up what is kept, to save memory."""
        self.lost |= dict.fromkeys((name for name in self.names if name not in self.added), GIVEN_UP)
        self.bound, self.mutated, self.pieces, self.memory = {}, {}, [], Memory(0)
        self.after = {name: trace for name, trace in self.after.items() if name in self.added}
        self.looks, self.size = {}, 0

    def _kept_by_name(self, value: Any) -> int:
        kept = {id(each): each for each in (value, *self.memory.met_in(value))}
        return sum(map(value_facts.size, kept.values()))


class Trace:
    """Knows a value again without keeping it alive."""

    def __init__(self, value: Any) -> None:
        self._ident = id(value)
        self._kept = value if value is GONE or (type(value) in ATOMS and sys.getsizeof(value) <= MAX_KEPT) else None
        self._look: Any = None
        try:
            self._reference: Any = weakref.ref(value)
        except TypeError:
            self._reference = None
            self._look = sampled(value)

    def leads_to(self, value: Any) -> bool:
        """Whether a value is the one, or a plain one that cannot be told from it."""
        if self._reference is not None:
            return self._reference() is value
        if self._kept is not None:
            return self._kept is value or same_atom(value, self._kept)
        return id(value) == self._ident and sampled(value) == self._look  # an identity may have passed on to another


def sampled(value: Any) -> Any:
    """Return a brief look at any value; None where it fails."""
    try:
        return sample(value)
    except Exception:
        return None


def same_atom(now: Any, then: Any) -> bool:
    """Whether a name was bound again to a plain value that cannot be told from the former one."""
    return type(now) is type(then) and type(then) in ATOMS and not callable(then) and bool(now == then)
