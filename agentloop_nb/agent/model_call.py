"""Asking the model: one reply, over as many attempts as it takes, each one reserved, recorded and visible."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from decimal import Decimal

from agentloop_nb._internal.backoff import backoff
from agentloop_nb.actions.wait_or_stop import WHILE_IT_RUNS
from agentloop_nb.agent.budget import InputBound, Reservation, own_ledger, reserve, share_of
from agentloop_nb.agent.compaction import compaction, in_vain, overflow_compaction
from agentloop_nb.agent.context_window import Gauge, reply_bound
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.in_vain import is_at_a_loss
from agentloop_nb.agent.ledger import Ledger
from agentloop_nb.agent.offer import in_cells, of_cells, offered, usual
from agentloop_nb.agent.prompt import Transcript
from agentloop_nb.agent.shown_figures import shrink_figures
from agentloop_nb.errors import ContextOverflow, Hint, ModelFault, PermanentFault, TransientFault
from agentloop_nb.events import ModelCalled, ModelFailed, ModelReplied, ReplyStreamed, WaitStarted
from agentloop_nb.protocols import Measurable, Model, ModelReply, ModelRequest, Sized, Unprompted, WritesCells

LONGEST_WAIT = 300.0
"""Seconds a server may ask us to wait; for longer the run ends instead, to be resumed later."""
PLAIN = 3
"""Waits that are as short as the server asks for; later ones grow, in case it always says "at once"."""
LONGEST_RETRY, LONGEST_POLL = 8.0, 15.0
"""Seconds between two attempts: after a fault, and while a server is waited for."""


class GaveUp(Exception):
    """No reply is to be had; the message says why, `hints` what can be typed then."""

    def __init__(self, message: str, *hints: Hint) -> None:
        super().__init__(message)
        self.hints = hints


@dataclass
class ModelCaller:
    """Gets replies from a model for a run."""

    stream: Stream
    model: Model
    max_retries: int
    ledger: Ledger | None = None
    """A budget that the run shares with others; without it the run has its own."""
    _account: Ledger | None = None
    _bound: InputBound = field(default_factory=InputBound)
    _gauge: Gauge = field(default_factory=Gauge)
    _transcript: Transcript = field(init=False)
    _doublings: int = 0
    """Replies in a row that were thought out to their bound."""
    _is_full: bool = False
    """The last reply was cut off by the end of the context."""

    def __post_init__(self) -> None:
        self._transcript = Transcript(self.max_retries)
        model = self.model  # what it is able to do is asked once
        self._decides_by_itself = isinstance(model, Unprompted)
        self._sized = model if isinstance(model, Sized) else None
        self._measurable = model if isinstance(model, Measurable) else None

    async def reply(self, *, final: bool, only: tuple[str, ...] = ()) -> ModelReply:
        """Ask once, retrying transport faults. Raises `GaveUp`, or `CostLimit` before a call that might not fit."""
        attempt, waits = 1, Backoff(self.max_retries)
        while True:
            if self._measurable and not self._measurable.is_measured:  # a server that was loading can tell by now
                await asyncio.to_thread(self._measurable.measure)
            request = await self._next_request(final=final, only=only)
            reservation = await self._reserve(request)
            request = request.model_copy(update={"max_tokens": reservation.max_tokens})
            try:
                return await self._attempt(request, reservation, attempt)
            except ContextOverflow as fault:
                self._failed(attempt, fault, reservation)
                self._compact(fault)
            except PermanentFault as fault:
                self._failed(attempt, fault, reservation)
                raise GaveUp(str(fault), *fault.hints) from fault
            except TransientFault as fault:
                wait = waits.delay(fault)
                self._failed(attempt, fault, reservation, wait)
                if wait is None:
                    raise GaveUp(f"no reply from the model in {attempt} attempts; the last: {fault}") from fault
                await self._wait(wait, str(fault))
                attempt += 1
            finally:  # whatever else happened: nobody knows what it cost
                self.account.settle(reservation.hold, None)

    @property
    def account(self) -> Ledger:
        """What the run spends from; opened at the first call, when its limits are known."""
        if self._account is None:
            state = self.stream.state
            self._account = own_ledger(state) if self.ledger is None else share_of(self.ledger, state)
        return self._account

    def beside(self, model: Model) -> ModelCaller:
        """Return a caller of another connection that spends from the same account; it retries nothing."""
        return ModelCaller(self.stream, model, 0, self.ledger, self.account)

    async def _reserve(self, request: ModelRequest) -> Reservation:
        """Reserve the worst case of the next attempt; others may have to give back first."""
        step = self.stream.state.next_step
        told = WaitStarted(step=step, seconds=0, reason="other runs hold what is left of the budget")
        try:
            return await reserve(
                self.account,
                self.stream.state,
                self.model,
                request,
                self._bound,
                on_wait=lambda: self.stream.progress(told),
            )
        except OSError as error:
            raise GaveUp(f"the budget cannot be kept: {error}") from error

    async def _next_request(self, *, final: bool, only: tuple[str, ...]) -> ModelRequest:
        if self._decides_by_itself:
            return ModelRequest(messages=(), final=final)
        await shrink_figures(self.stream.state)
        return self._request(final=final, only=only)

    def _request(self, *, final: bool, only: tuple[str, ...]) -> ModelRequest:
        """Compose the next request, shortened until it leaves room for a reply."""
        state = self.stream.state
        if self.is_small and (told := in_vain(state)) is not None:
            self.stream.emit(told)
        event = overflow_compaction(state) if self._is_full else compaction(state, self.model)
        self._is_full = False
        window = self.model.context_window
        names = only or offered(state, small=self.is_small)
        cells = self._writes_cells and in_cells(state, names)
        while True:
            if event is not None:
                self.stream.emit(event)
            messages = self._transcript.messages(state, cells=cells)
            if self._gauge.fits(messages, window) or (event := overflow_compaction(state)) is None:
                break
        tokens = self._gauge.tokens(messages)
        if self._gauge.is_hopeless(messages, window):
            raise GaveUp(_too_small(window, tokens))
        effort = state.settings.get("effort")
        longest = reply_bound(window, tokens, doublings=self._doublings, effort=effort)
        return ModelRequest(
            messages=messages,
            final=final,
            actions=WHILE_IT_RUNS if state.steps and state.steps[-1].is_looked_at else usual(state),
            only=of_cells(state, names) if cells and not final else names,
            cells=cells,
            copied=self.is_small and is_at_a_loss(state),
            repairs=state.rejections,
            max_tokens=longest,
        )

    @property
    def _writes_cells(self) -> bool:
        return isinstance(self.model, WritesCells) and self.model.writes_cells

    @property
    def is_small(self) -> bool:
        """Whether the model is known to be a small one."""
        return self._sized is not None and self._sized.is_small

    async def _attempt(self, request: ModelRequest, reservation: Reservation, attempt: int) -> ModelReply:
        step = self.stream.state.next_step
        bound, window = reservation.max_tokens, self.model.context_window
        self.stream.emit(
            ModelCalled(step=step, attempt=attempt, reserved=reservation.cost, max_tokens=bound, window=window)
        )
        began = time.monotonic()
        try:
            reply = await self.model.reply(
                request, lambda delta: self.stream.progress(ReplyStreamed(step=step, delta=delta))
            )
        except asyncio.CancelledError:
            self.stream.emit(ModelFailed(step=step, attempt=attempt, error="stopped", cost=reservation.cost))
            raise
        if self.account.is_limited:
            reply = self._bound.counted(reply, reservation)
        self._learn(request, reply)
        seconds = round(time.monotonic() - began, 3)
        step = self.stream.state.next_step  # steps may have been taken back while it was awaited
        self.stream.emit(ModelReplied(step=step, seconds=seconds, **dict(reply)))
        self.account.settle(reservation.hold, reply.cost)
        return reply

    def _learn(self, request: ModelRequest, reply: ModelReply) -> None:
        self._bound.learn(request.messages, reply.usage)
        self._gauge.learn(request.messages, reply.usage)
        self._is_full = reply.finish_reason == "context"
        unsaid = reply.finish_reason == "length" and not reply.text.strip()
        self._doublings = self._doublings + 1 if unsaid else 0

    def _failed(self, attempt: int, fault: ModelFault, reservation: Reservation, wait: float | None = None) -> None:
        cost = reservation.cost if fault.billed else Decimal(0)
        step = self.stream.state.next_step
        self.stream.emit(ModelFailed(step=step, attempt=attempt, error=str(fault), cost=cost, wait=wait))
        self.account.settle(reservation.hold, cost)

    def _compact(self, fault: ContextOverflow) -> None:
        event = overflow_compaction(self.stream.state)
        if event is None:
            window, messages = self.model.context_window, self._transcript.messages(self.stream.state)
            told = "" if window is None else f" ({_too_small(window, self._gauge.tokens(messages))})"
            raise GaveUp(
                f"the prompt no longer fits into the model's context, even shortened: {fault}{told}"
            ) from fault
        self.stream.emit(event)

    async def _wait(self, seconds: float, reason: str) -> None:
        self.stream.progress(WaitStarted(step=self.stream.state.next_step, seconds=seconds, reason=reason))
        await asyncio.sleep(seconds)


@dataclass
class Backoff:
    """The waits for one reply."""

    max_retries: int
    retries: int = 0
    """Attempts that were counted."""
    _polls: int = 0
    _since: float = 0.0
    """When the present wait for the server began, on time.monotonic()."""

    def delay(self, fault: TransientFault) -> float | None:
        """Return the seconds until the next attempt; None to give up. Waiting for a server spends no retry."""
        if fault.retry_after is not None and fault.retry_after > LONGEST_WAIT:
            return None
        if fault.patience is not None:
            return self._poll(fault, fault.patience)
        self.retries, self._polls = self.retries + 1, 0
        if self.retries > self.max_retries:
            return None
        return backoff(self.retries, LONGEST_RETRY) if fault.retry_after is None else fault.retry_after

    def _poll(self, fault: TransientFault, patience: float) -> float | None:
        if self._polls == 0:
            self._since = time.monotonic()
        self._polls += 1
        if time.monotonic() - self._since > patience:
            return None
        if fault.retry_after is None:
            return backoff(self._polls, LONGEST_POLL)
        least = backoff(self._polls - PLAIN, LONGEST_POLL) if self._polls > PLAIN else 0.0
        return max(fault.retry_after, least)


def _too_small(window: int | None, tokens: int) -> str:
    return (
        f"the model reads {window or 0:,} tokens, and the rules and the goal take about {tokens:,}: "
        "start its server with a larger context, or choose another model with -m"
    )
