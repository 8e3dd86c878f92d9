"""What a live panel shows, and the smallest message that brings a reader from what was sent to what is so now."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

from agentloop_nb.notebook.panel.cards import Card
from agentloop_nb.notebook.panel.outputs import Block
from agentloop_nb.notebook.panel.run_header import Header

Delta = dict[str, Any]
"""`{op, seq, now, header: {changed fields}, cards: [{n, set, add, out, length}]}`; see `_card_delta`."""


class Board:
    """Header and cards as they are, and as they were last sent. Not thread-safe: the panel holds a lock."""

    def __init__(self) -> None:
        self._header: dict[str, Any] = {}
        self._cards: dict[int, dict[str, Any]] = {}
        self._sent_header: dict[str, Any] = {}
        self._sent: dict[int, dict[str, Any]] = {}
        self._dirty: set[int] = set()
        self.seq = 0
        """Number of the last delta taken."""

    def head(self, fields: Header | Mapping[str, Any]) -> None:
        """Set fields of the header."""
        self._header.update(fields)

    def put(self, number: int, fields: Card | Mapping[str, Any]) -> None:
        """Set fields of a card, opening it with its first."""
        self._cards.setdefault(number, {"n": number}).update(fields)
        self._dirty.add(number)

    def get(self, number: int) -> Card:
        """Return a card as it is now; an empty one if there is none."""
        return cast("Card", self._cards.get(number, {}))

    def take(self) -> Delta | None:
        """Return what changed since the last time, or None; from then on it counts as sent."""
        changed = _changes(self._sent_header, self._header)
        cards = [_card_delta(self._sent.get(n, {}), self._cards[n]) for n in sorted(self._dirty)]
        cards = [delta for delta in cards if len(delta) > 1]
        for number in self._dirty:
            self._sent[number] = dict(self._cards[number])
        self._dirty.clear()
        if not changed and not cards:
            return None
        self._sent_header.update(changed)
        self.seq += 1
        return {"op": "delta", "seq": self.seq, "now": round(time.time(), 2), "header": changed, "cards": cards}

    def snapshot(self) -> dict[str, Any]:
        """Everything that was sent, for a reader that knows nothing yet."""
        return {
            "seq": self.seq,
            "now": round(time.time(), 2),
            "header": dict(self._sent_header),
            "cards": [self._sent[number] for number in sorted(self._sent)],
        }


def _changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in new.items() if key not in old or old[key] != value}


def _card_delta(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """`set` replaces fields, `add` appends to texts, `out` patches blocks by index, `length` cuts their list."""
    delta: dict[str, Any] = {"n": new["n"]}
    changed = _changes(old, {key: value for key, value in new.items() if key not in ("n", "out")})
    grown = {key: value[len(old[key]) :] for key, value in changed.items() if _grew(old.get(key), value)}
    if grown:
        delta["add"] = grown
    if replaced := {key: value for key, value in changed.items() if key not in grown}:
        delta["set"] = replaced
    if patches := _block_deltas(old.get("out", []), new.get("out", [])):
        delta["out"] = patches
    if len(new.get("out", [])) < len(old.get("out", [])):
        delta["length"] = len(new["out"])
    if not old and len(delta) == 1:
        delta["set"] = {}
    return delta


def _grew(old: Any, new: Any) -> bool:
    return isinstance(old, str) and isinstance(new, str) and bool(old) and new.startswith(old)


def _block_deltas(old: list[Block], new: list[Block]) -> list[dict[str, Any]]:
    deltas = []
    for index, block in enumerate(new):
        before = old[index] if index < len(old) else None
        if before == block:
            continue
        if before is not None and _continues(before, block):
            delta = {"i": index, "more": block["head"][len(before["head"]) :]}
            deltas.append(delta | {"skipped": block["skipped"], "tail": block["tail"]})
        else:
            deltas.append({"i": index, "set": block})
    return deltas


def _continues(old: Block, new: Block) -> bool:
    same = old["kind"] == new["kind"] == "text" and old["name"] == new["name"]
    return same and new["head"][: len(old["head"])] == old["head"]
