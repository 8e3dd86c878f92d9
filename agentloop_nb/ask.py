"""Asking the model: one reply, over as many attempts as it takes, each one reserved, recorded and visible."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from decimal import Decimal

from agentloop_nb.agent.offer import offered
from agentloop_nb.errors import ContextOverflow, ModelFault, PermanentFault, TransientFault
from agentloop_nb.events import ModelCalled, ModelFailed, ModelReplied, ReplyStreamed, WaitStarted
from agentloop_nb.limits import InputBound, Reservation, reserve
from agentloop_nb.ports import Model, ModelReply, ModelRequest
from agentloop_nb.prompt import compaction, compose, overflow_compaction
from agentloop_nb.stream import Stream

LONGEST_WAIT = 300.0
"""Seconds a server may ask us to wait; for longer the run ends instead, to be resumed later."""


class GaveUp(Exception):
    """No reply is to be had; the message says why."""


@dataclass
class Asker:
    """Gets replies from a model for a run."""

    stream: Stream
    model: Model
    max_retries: int
    _bound: InputBound = field(default_factory=InputBound)

    async def reply(self, *, final: bool) -> ModelReply:
        """Ask once, retrying transport faults. Raises `GaveUp`, or `CostLimit` before a call that might not fit."""
        attempt = 1
        while True:
            request = self._request(final=final)
            reservation = reserve(self.stream.state, self.model, request, self._bound)
            request = request.model_copy(update={"max_tokens": reservation.max_tokens})
            try:
                return await self._attempt(request, reservation, attempt)
            except ContextOverflow as fault:
                self._failed(attempt, fault, reservation)
                self._compact(fault)
            except PermanentFault as fault:
                self._failed(attempt, fault, reservation)
                raise GaveUp(str(fault)) from fault
            except TransientFault as fault:
                wait = _delay(fault, attempt) if attempt <= self.max_retries else None
                self._failed(attempt, fault, reservation, wait)
                if wait is None:
                    raise GaveUp(f"no reply from the model in {attempt} attempts; the last: {fault}") from fault
                await self._wait(wait, str(fault))
                attempt += 1

    def _request(self, *, final: bool) -> ModelRequest:
        state = self.stream.state
        if (event := compaction(state, self.model)) is not None:
            self.stream.emit(event)
        messages = compose(state, max_retries=self.max_retries)
        return ModelRequest(messages=messages, final=final, only=offered(state), repairs=state.rejections)

    async def _attempt(self, request: ModelRequest, reservation: Reservation, attempt: int) -> ModelReply:
        step = self.stream.state.next_step
        self.stream.emit(
            ModelCalled(step=step, attempt=attempt, reserved=reservation.cost, max_tokens=reservation.max_tokens)
        )
        began = time.monotonic()
        try:
            reply = await self.model.reply(
                request, lambda delta: self.stream.progress(ReplyStreamed(step=step, delta=delta))
            )
        except asyncio.CancelledError:
            self.stream.emit(ModelFailed(step=step, attempt=attempt, error="stopped", cost=reservation.cost))
            raise
        self._bound.learn(request.messages, reply.usage)
        if reply.usage.estimated and self.stream.state.budget is not None:
            reply = reply.model_copy(update={"cost": reservation.cost})  # nobody reported it: count the worst case
        seconds = round(time.monotonic() - began, 3)
        self.stream.emit(ModelReplied(step=step, seconds=seconds, **dict(reply)))
        return reply

    def _failed(self, attempt: int, fault: ModelFault, reservation: Reservation, wait: float | None = None) -> None:
        cost = reservation.cost if fault.billed else Decimal(0)
        step = self.stream.state.next_step
        self.stream.emit(ModelFailed(step=step, attempt=attempt, error=str(fault), cost=cost, wait=wait))

    def _compact(self, fault: ContextOverflow) -> None:
        event = overflow_compaction(self.stream.state)
        if event is None:
            raise GaveUp(f"the prompt no longer fits into the model's context, even shortened: {fault}") from fault
        self.stream.emit(event)

    async def _wait(self, seconds: float, reason: str) -> None:
        self.stream.progress(WaitStarted(step=self.stream.state.next_step, seconds=seconds, reason=reason))
        await asyncio.sleep(seconds)


def _delay(fault: TransientFault, attempt: int) -> float | None:
    """Seconds until the next attempt: as the server asked, else doubling with jitter; None when it asked too much."""
    if fault.retry_after is not None:
        return fault.retry_after if fault.retry_after <= LONGEST_WAIT else None
    return float(min(8.0, 0.5 * 2 ** (attempt - 1)) * random.uniform(0.75, 1))  # noqa: S311 - jitter, no secret
