"""A model on a server: one streamed attempt a reply, billed honestly, whatever wire the server speaks."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, SecretStr

from agentloop_nb._internal.thoughts import decision_in
from agentloop_nb.errors import ModelFault
from agentloop_nb.models.cells import CellReader
from agentloop_nb.models.client import connect
from agentloop_nb.models.exchange import Read, Refused, exchange
from agentloop_nb.models.faults import Server
from agentloop_nb.models.keys import without
from agentloop_nb.models.prices import Pricing, is_loopback
from agentloop_nb.models.refusal import Refusal
from agentloop_nb.models.reply_assembler import ReplyAssembler
from agentloop_nb.models.size import SMALL_REPLY
from agentloop_nb.models.usage import plausible, read_cost, read_usage
from agentloop_nb.protocols import Delta, Message, ModelReply, ModelRequest, Usage

if TYPE_CHECKING:
    import httpx2

FULL = 8
"""Tokens of a window that may be left when it is full."""
LEAST_REPLY = 64
"""Tokens of room in a context below which a reply is not worth asking for."""


@dataclass(frozen=True)
class Patience:
    """How long an attempt waits, in seconds."""

    connect: float = 10.0
    first: float = 180.0
    """Until the first piece: a model may think in silence. Doubles with every silence, up to eightfold."""
    stall: float = 60.0
    """Between two pieces."""
    last: float = 5.0
    """For the usage, once the reply itself is whole."""
    total: float = 1800.0


LOCAL_PATIENCE = Patience(stall=180.0, total=7200.0)
"""A busy machine without a graphics card may be silent for minutes, and what it has read and written is lost if nobody
waits for it; a server that is gone breaks the connection."""


class Form(Protocol):
    """How one model on one server is asked; it learns from refusals."""

    def body(
        self,
        messages: Sequence[Message],
        *,
        final: bool,
        max_tokens: int | None,
        options: dict[str, Any],
        only: tuple[str, ...] = (),
        actions: tuple[type[BaseModel], ...] = (),
    ) -> dict[str, Any]:
        """Compose a request; `options` are sent as they are, unless they were refused."""

    def bound(self, body: dict[str, Any]) -> int | None:
        """Return the most tokens that a reply to this request may have."""

    def adapt(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        """Learn from a refusal of `body`; False when it names nothing that could be asked for differently."""


@dataclass
class StreamedModel(ABC):
    """A model behind a wire. One instance serves one run, in one event loop."""

    name: str
    server: Server
    pricing: Pricing
    key: SecretStr | None = None
    temperature: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    """Sent with every request: what one provider wants beside the common wire."""
    patience: Patience = Patience()
    window: int | None = None
    """The context window in tokens, where the server told it."""
    _dearer: Decimal = Decimal(1)
    """How many times its listed price the server was seen to charge."""
    _answered: bool = False
    """The server was there before."""
    _cut: bool = False
    """The last reply had no end of its own."""
    _too_long: bool = False
    """It was as long as it might be."""
    _silences: int = 0
    """Attempts that brought nothing at all in time."""
    _ignored: int = 0
    """Replies in a row that did not follow the format asked for."""
    _client: httpx2.AsyncClient | None = field(default=None, repr=False)

    @property
    def context_window(self) -> int | None:
        """In tokens: what the server told, else what is listed."""
        return self.window or self.pricing.context_window

    @cached_property
    def local(self) -> bool:
        """The server runs on this machine, and costs nothing: nothing times anything stays nothing."""
        million = Usage(input=1_000_000, output=1_000_000)
        return is_loopback(self.server.base_url) and self.pricing.quote(million) == 0

    def quote(self, usage: Usage) -> Decimal | None:
        """Price a usage in US dollars, no lower than the server was seen to charge; None when the price is unknown."""
        listed = self.pricing.quote(usage)
        return None if listed is None else listed * self._dearer

    async def reply(self, request: ModelRequest, on_delta: Callable[[Delta], None]) -> ModelReply:
        """Answer, in one attempt that is billed at most once; refusals that cost nothing are asked differently."""
        form = self._form(request)
        max_tokens = self._bound(request.max_tokens)
        while True:
            narrows = self._narrows(request)
            body = form.body(
                request.messages,
                final=request.final and narrows,
                only=request.only if narrows else (),
                actions=request.actions,
                max_tokens=max_tokens,
                options=self._options(request),
            )
            bound, fold = form.bound(body), self._assembler(request)
            try:
                async with asyncio.timeout(self._first) as clock:
                    await self._receive(body, bound, fold, on_delta, clock)
            except TimeoutError:
                self._accept_without_end(fold)
            except Refused as refused:
                self._answered = True
                if refused.refusal.generated:  # it was made, if not in the form asked for: the loop reads it
                    fold.take({"choices": [{"text": refused.refusal.generated, "finish_reason": "stop"}]})
                    return self._replied(request, fold, bound)
                room = self._room(refused.refusal, bound)
                if room is None and not form.adapt(refused.refusal, body):
                    raise self._masked(self._fault(refused.refusal)) from None
                max_tokens = room or max_tokens
                continue
            except ModelFault as fault:
                raise self._masked(fault) from None
            return self._replied(request, fold, bound)

    def _assembler(self, request: ModelRequest) -> ReplyAssembler:
        if self.is_small:
            return ReplyAssembler.of_a_small_model(CellReader(request.final) if request.cells else None)
        return ReplyAssembler()

    @property
    def is_small(self) -> bool:
        """Whether the model is a small one on this machine."""
        return False

    def _bound(self, asked: int | None) -> int | None:
        """Return the length of a reply in tokens.

        What ran on without end as long as it liked is no reply of a small model.
        """
        if not self.is_small:
            return asked
        longest = SMALL_REPLY * (2 if self._too_long else 1)
        return longest if asked is None else min(asked, longest)

    def _narrows(self, request: ModelRequest) -> bool:
        """Whether the schema is to allow no more than the actions that may be chosen.

        The schema stands before the transcript, so a change lets nothing of it be read from the cache. Where that is
        cheaper, the prompt's word for it is enough, until it was not.
        """
        plain, cached = (self.quote(Usage(input=1_000_000, cached=cached)) for cached in (0, 1_000_000))
        keeps = plain is not None and cached is not None and cached < plain
        return not keeps or request.repairs > 0

    async def _receive(
        self,
        body: dict[str, Any],
        bound: int | None,
        fold: ReplyAssembler,
        on_delta: Callable[[Delta], None],
        clock: asyncio.Timeout,
    ) -> None:
        """Send a request and fold the answer in, pushing the clock on as pieces come."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.patience.total
        path, read = self._way(body)
        answer = exchange(self._connected(), self.server, path, body, answered=self._answered, read=read)
        async with aclosing(answer) as chunks:
            async for chunk in chunks:
                self._answered = True
                if chunk is not None and (delta := fold.take(chunk)) is not None:
                    on_delta(delta)
                if fold.repeats or (bound and fold.is_longer_than(bound)):
                    fold.cut()
                    return
                patience = self.patience.last if fold.finish_reason else self._patience(fold)
                clock.reschedule(min(loop.time() + patience, deadline))
        if not fold.whole:
            raise self.server.garbled("the reply ended half-way" if fold.pieces else "the reply was empty")

    def _patience(self, fold: ReplyAssembler) -> float:
        """Signs of life before the first piece (a prompt that is being read, a queue) start the wait for it anew."""
        return self.patience.stall if fold.pieces else max(self._first, self.patience.stall)

    def _fault(self, refusal: Refusal) -> ModelFault:
        if refusal.is_overflow and refusal.window:
            self.window = refusal.window
        return self.server.refused(refusal)

    def _room(self, refusal: Refusal, asked: int | None) -> int | None:
        """Return the reply length that fits, where only the reply is too long for a window of both."""
        if asked is None or not refusal.is_overflow or refusal.window is None or refusal.prompt is None:
            return None
        room = refusal.window - refusal.prompt
        return room if LEAST_REPLY <= room < asked else None

    @property
    def _first(self) -> float:
        return self.patience.first * float(2 ** min(self._silences, 3))

    def _accept_without_end(self, fold: ReplyAssembler) -> None:
        """After a silence: a reply that is whole but for its usage is good; anything less is a stall."""
        if fold.whole:
            return
        if fold.begun:
            raise self.server.silent(self.patience.stall)
        waited, self._silences = self._first, self._silences + 1
        raise self.server.silent(waited)

    def _replied(self, request: ModelRequest, fold: ReplyAssembler, bound: int | None) -> ModelReply:
        reported = read_usage(fold.usage)
        refused = reported is not None and not fold.pieces  # a refusal is not always counted
        usage = reported if reported and refused else plausible(reported, request.messages, fold.written)
        cost = self._cost(usage, reported or usage, read_cost(fold.usage))
        ending = "refusal" if fold.refusal and not fold.text else fold.finish_reason or "stop"
        if ending == "length" and self._is_full(usage, bound):
            ending = "context"
        self._cut, self._too_long = ending in ("length", "context", "repetition"), ending == "length"
        self._ignored = 0 if self._cut or decision_in(fold.text) else self._ignored + 1
        return ModelReply(
            text=fold.text or fold.refusal,
            usage=usage,
            cost=cost,
            finish_reason=ending,
            reasoning=fold.reasoning,
            model=fold.model,
        )

    def _is_full(self, usage: Usage, bound: int | None) -> bool:
        """Whether a reply was cut because the context was full, not because it reached the length asked for."""
        window = self.context_window
        return window is not None and usage.total >= window - FULL and usage.output < (bound or window)

    def _cost(self, usage: Usage, reported: Usage, charged: Decimal | None) -> Decimal | None:
        """Return what the server says it charged, else the price.

        A server dearer than its price list raises later quotes.
        """
        if charged is None:
            return self.quote(usage)
        quoted = self.quote(reported)
        if quoted and charged > quoted:
            self._dearer *= charged / quoted
        return charged

    def _masked(self, fault: ModelFault) -> ModelFault:
        fault.args = (without(self.key, str(fault)),)
        return fault

    @abstractmethod
    def _form(self, request: ModelRequest) -> Form:
        """Return what the server accepts."""

    @abstractmethod
    def _options(self, request: ModelRequest) -> dict[str, Any]:
        """Return what is sent beside messages and format."""

    @abstractmethod
    def _way(self, body: dict[str, Any]) -> tuple[str, Read | None]:
        """Return where a request goes, and what turns its answer into chunks of chat completions."""

    @abstractmethod
    def _credentials(self) -> Mapping[str, str]:
        """Return the headers that say who asks."""

    def _connected(self) -> httpx2.AsyncClient:
        """Return the client, made at the first call."""
        if self._client is None:
            self._client = connect(self.server, self._credentials(), self.patience.connect)
        return self._client

    async def close(self) -> None:
        """Release connections."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()
