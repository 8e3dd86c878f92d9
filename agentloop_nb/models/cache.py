"""The decision cache: a request asked before, in every respect that shapes its answer, is answered from a file."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from agentloop_nb.decision import parse
from agentloop_nb.errors import DecisionError, UserError
from agentloop_nb.models.schema import decision_schema
from agentloop_nb.protocols import Delta, Measurable, Model, ModelReply, ModelRequest, Sized, Usage, WritesCells
from agentloop_nb.safety.surroundings import without_surroundings

FORMAT = 1
log = logging.getLogger(__name__)


class DecisionCache:
    """An SQLite file of valid decisions. Losing it loses only money, so a damaged one never ends a run."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises `UserError` when that cannot be."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._open()) as file, file:
                file.execute("PRAGMA journal_mode=WAL")
                file.execute("CREATE TABLE IF NOT EXISTS decisions (key TEXT PRIMARY KEY, reply TEXT NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"cannot use {str(path)!r} as decision cache ({error}): name another file, AGENTLOOP_CACHE=PATH, "
                "or turn it off, AGENTLOOP_CACHE=0"
            ) from None

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=2)

    def get(self, key: str) -> ModelReply | None:
        """Return the reply kept under a key."""
        try:
            with closing(self._open()) as file:
                row = file.execute("SELECT reply FROM decisions WHERE key = ?", (key,)).fetchone()
            return ModelReply.model_validate_json(row[0]) if row else None
        except (sqlite3.Error, ValueError) as error:
            log.warning("the decision cache %s cannot be read: %s", self.path, error)
            return None

    def put(self, key: str, reply: ModelReply) -> None:
        """Keep a reply."""
        try:
            with closing(self._open()) as file, file:
                file.execute("INSERT OR REPLACE INTO decisions VALUES (?, ?)", (key, reply.model_dump_json()))
        except sqlite3.Error as error:
            log.warning("the decision cache %s cannot be written: %s", self.path, error)


@dataclass
class CachedModel:
    """A model that does not ask twice. `identity` is what shapes an answer beside the request: address, model."""

    model: Model
    cache: DecisionCache
    identity: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the model behind."""
        return self.model.name

    @property
    def context_window(self) -> int | None:
        """Of the model behind."""
        return self.model.context_window

    @property
    def local(self) -> bool:
        """Whether the model behind is local."""
        return self.model.local

    @property
    def is_small(self) -> bool:
        """Whether the model behind is small."""
        return isinstance(self.model, Sized) and self.model.is_small

    @property
    def writes_cells(self) -> bool:
        """Whether the model behind is asked for code as it is."""
        return isinstance(self.model, WritesCells) and self.model.writes_cells

    @property
    def is_measured(self) -> bool:
        """Whether nothing is left to ask of the model behind."""
        return not isinstance(self.model, Measurable) or self.model.is_measured

    def measure(self) -> None:
        """Ask for the window of the model behind."""
        if isinstance(self.model, Measurable):
            self.model.measure()

    def quote(self, usage: Usage) -> Decimal | None:
        """Price a usage as the model behind does; what is not kept must be paid."""
        return self.model.quote(usage)

    async def reply(self, request: ModelRequest, on_delta: Callable[[Delta], None]) -> ModelReply:
        """Answer from the file for nothing, `saved` telling what it cost then; else ask, and keep valid decisions."""
        key = self._key(request)
        if (kept := self.cache.get(key)) is not None:
            on_delta(Delta(text=kept.text, reasoning=kept.reasoning))
            free = {"usage": Usage(), "cost": Decimal(0), "saved": kept.cost or Decimal(0)}
            return kept.model_copy(update=free)
        reply = await self.model.reply(request, on_delta)
        if _is_decision(reply, request):
            self.cache.put(key, reply)
        return reply

    def _key(self, request: ModelRequest) -> str:
        """`max_tokens` shapes no decision that fits into it, so it is left out: budgets differ between runs."""
        asked: dict[str, Any] = {
            "format": FORMAT,
            "identity": dict(self.identity),
            "schema": decision_schema(final=request.final, only=request.only, actions=request.actions),
            **request.model_dump(mode="json", exclude={"max_tokens"}),
        }
        for message in asked["messages"]:
            message["content"] = without_surroundings(message["content"])
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    async def close(self) -> None:
        """Close the model behind."""
        await self.model.close()


def _is_decision(reply: ModelReply, request: ModelRequest) -> bool:
    try:
        parse(reply.text, final=request.final, actions=request.actions)
    except DecisionError:
        return False
    return reply.finish_reason == "stop"
