"""The outside agent as a `Model`: its tool calls are the decisions of a run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from agentloop_nb.errors import UserError
from agentloop_nb.protocols import Delta, Image, ModelReply, ModelRequest, Usage
from agentloop_nb.state import OUTSIDE, awaited

MOST_WAITING = 32
"""Calls that may wait for their turn."""


@dataclass(frozen=True)
class Answer:
    """What a client is told of a call."""

    text: str
    told: dict[str, Any] | None = None
    """The structured part; only steps have one."""
    images: tuple[Image, ...] = ()
    failed: bool = False


@dataclass(eq=False)
class Call:
    """One tool call that is a step. Made and used on the server's loop."""

    name: str
    arguments: dict[str, Any]
    client: str
    """Who calls: `claude-code 3.1, through MCP`."""
    progress: Callable[[str], None]
    answer: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client has cancelled it."""
    waited: float = 0.0
    """Seconds it waited for the person's cells."""
    at_work: bool = False
    """Its code runs."""

    def decision(self) -> str:
        """Return the call in the shape in which a model decides."""
        action = {name: value for name, value in self.arguments.items() if name != "why"}
        return json.dumps({"reasoning": self.arguments["why"], "action": {"name": self.name, **action}})


class OutsideModel:
    """A model whose replies are tool calls. The loop does not learn the difference."""

    name = OUTSIDE
    context_window = None
    local = True
    knows_the_run = True

    def __init__(self) -> None:
        self._calls: asyncio.Queue[Call] = asyncio.Queue()
        self.current: Call | None = None
        """The call whose step is under way."""
        self._client = ""
        """Who asked for something last."""
        self._tell: Callable[[Delta], None] | None = None
        """Takes word of who is waited for."""

    @property
    def is_deciding(self) -> bool:
        """Whether a step of a client's is under way."""
        return self.current is not None and not self.current.answer.done()

    @property
    def is_at_work(self) -> bool:
        """Whether a client's code runs."""
        return self.current is not None and self.current.at_work and self.is_deciding

    def put(self, call: Call) -> None:
        """Have a call decided on after those before it. Raises `UserError` when too many wait."""
        if self._calls.qsize() >= MOST_WAITING:
            raise UserError(f"{MOST_WAITING} calls are waiting already; call again when they are answered")
        self._calls.put_nowait(call)

    def greet(self, client: str) -> None:
        """Have it shown who is there, if nobody else's call is under way."""
        if client != self._client and self._tell is not None:
            self._tell(Delta(status=awaited(client)))
        self._client = client

    def quote(self, usage: Usage) -> Decimal:
        return Decimal(0)

    async def reply(self, request: ModelRequest, on_delta: Callable[[Delta], None]) -> ModelReply:
        """Wait for the next call."""
        self.current, self._tell = None, on_delta
        try:
            while self.current is None or self.current.gone.is_set():
                self.current = await self._calls.get()
        finally:
            self._tell = None
        text = self.current.decision()
        return ModelReply(text=text, usage=Usage(), cost=Decimal(0), model=self.current.client)

    def refuse_waiting(self, why: str) -> None:
        """Answer all calls that no step will be made of."""
        waiting = [self.current] if self.current else []
        while not self._calls.empty():
            waiting.append(self._calls.get_nowait())
        for call in waiting:
            if not call.answer.done():
                call.answer.set_result(Answer(why, no_step(why), failed=True))

    async def close(self) -> None:
        """Close nothing: the client pays for its own model and closes it."""


def no_step(why: str, *, step: int | None = None, steps_left: int = 0) -> dict[str, Any]:
    """Return the structured answer of a call that came to no result."""
    nothing: dict[str, Any] = {"changes": [], "files": [], "seconds": 0.0, "waited": 0.0}
    return {"step": step, "ok": False, "output": why, "error": why[:2000], **nothing, "steps_left": steps_left}
