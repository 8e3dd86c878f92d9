"""What the steps of a run did to variables, kept so that it can be taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agentloop_nb.notebook.changes.watch import Record


@dataclass(frozen=True)
class Undone:
    """What taking steps back did, or would do."""

    steps: tuple[int, ...]
    """The steps taken back, latest first."""
    names: tuple[str, ...]
    """Variables put back."""
    lost: dict[str, str]
    """Variables that cannot be put back, with the reason."""


class History:
    """Records of steps, within a bound of bytes; of the oldest ones the copies are given up first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._records: list[Record] = []
        self._sizes: dict[int, int] = {}
        """Bytes a record keeps alive, by its identity."""

    @property
    def room(self) -> int:
        """Bytes the copies of the next step may take."""
        return self._limit

    def add(self, record: Record) -> None:
        """Keep what a step did."""
        self._records.append(record)
        self._sizes[id(record)] = record.size()
        excess = sum(self._sizes.values()) - self._limit
        for each in self._records:
            if excess <= 0:
                break
            excess -= self._sizes.pop(id(each), 0)
            each.forget()

    def plan(self, first: int) -> Undone:
        """Say what taking back step `first` and all later ones would do."""
        records = self._from(first)
        names = {name for record in records for name in record.names if not name.startswith("_")}
        lost = {name: why for record in records for name, why in record.lost.items()}
        return Undone(tuple(record.step for record in records), tuple(sorted(names - lost.keys())), lost)

    def undo(self, first: int, namespace: dict[str, Any]) -> Undone:
        """Take back step `first` and all later ones, latest first."""
        plan = self.plan(first)
        failed = [name for record in self._from(first) for name in record.restore(namespace)]
        self._records = [record for record in self._records if record.step < first]
        self._sizes = {id(record): self._sizes[id(record)] for record in self._records if id(record) in self._sizes}
        lost = plan.lost | {name: "it refused its former value" for name in failed if name not in plan.lost}
        return Undone(plan.steps, tuple(name for name in plan.names if name not in lost), lost)

    def restore(self, name: str, namespace: dict[str, Any]) -> bool:
        """Give one name the value it had before the first step that touched it; False when no whole copy is kept."""
        touched = [record for record in reversed(self._records) if name in record.names and name not in record.added]
        whole = bool(touched)
        for record in touched:  # an older binding gives back an object that later steps did not harm
            whole = name not in record.lost and (whole or name in record.bound)
        for record in touched if whole else ():
            record.restore_name(name, namespace)
        return whole

    def _from(self, first: int) -> list[Record]:
        return [record for record in reversed(self._records) if record.step >= first]
