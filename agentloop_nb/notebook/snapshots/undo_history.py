"""What the steps of a run did to variables, kept so that it can be taken back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agentloop_nb.notebook.snapshots.settings import FOR_GOOD, put_back
from agentloop_nb.notebook.snapshots.step_record import CHANGED_SINCE, Record
from agentloop_nb.protocols import Undone


class History:
    """Records of steps, within a bound of bytes; of the oldest ones the copies are given up first."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """Bytes that copies may take: those of the next step, and what is kept of all steps when it is over."""
        self.size = 0
        """Bytes that copies take: kept up, since a run may have thousands of steps."""
        self._records: list[Record] = []

    def add(self, record: Record) -> list[int]:
        """Keep what a step did; returns the steps whose copies were given up for it."""
        self._records.append(record)
        self.size += record.size
        return self.shrink(self.limit)

    def shrink(self, limit: int) -> list[int]:
        """Give copies up, the oldest first, until they take `limit` bytes; returns the steps whose copies they were."""
        given_up = []
        for each in self._records:
            if self.size <= limit:
                break
            if each.size:
                self.size -= each.size
                each.forget()
                given_up.append(each.step)
        return given_up

    def plan(self, first: int, namespace: dict[str, Any]) -> Undone:
        """Say what taking back step `first` and all later ones would do."""
        records = self._from(first)
        lost: dict[str, str] = {}
        seen: set[str] = set()
        for record in records:
            lost |= record.lost | _named(record.newer(namespace) - seen)
            seen.update(record.names)
        if records:
            lost |= records[0].stale()
            lost |= {each.name: CHANGED_SINCE for each in records[0].settings if each.is_newer()}
        lost |= {each.name: FOR_GOOD for record in records for each in record.settings if each.is_for_good}
        return _undone(records, lost)

    def undo(self, first: int, namespace: dict[str, Any]) -> Undone:
        """Take back step `first` and all later ones, latest first. What the user has changed since stays as it is."""
        records = self._from(first)
        lost: dict[str, str] = {}
        newer: set[str] = set()
        put: list[str] = []
        for record in records:
            record.rebind(namespace, newer)
            lost |= record.refill()
            done, left = put_back(record.settings)
            put, lost = [*put, *done], lost | left
        self._records = [record for record in self._records if record.step < first]
        self.size = sum(record.size for record in self._records)
        return _undone(records, lost | _named(newer), put)

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


def _named(newer: set[str]) -> dict[str, str]:
    """Why names were left alone; the shell's own (`_`, `_i`) move with every cell."""
    return {name: CHANGED_SINCE for name in newer if not name.startswith("_")}


def _undone(records: Iterable[Record], lost: dict[str, str], settings: Iterable[str] = ()) -> Undone:
    names = {name for record in records for name in record.names if not name.startswith("_")} | set(settings)
    steps = tuple(record.step for record in records)
    return Undone(steps=steps, names=tuple(sorted(names - lost.keys())), lost=lost)
