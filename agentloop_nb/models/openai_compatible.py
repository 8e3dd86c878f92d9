"""Any server that speaks OpenAI's chat completions: one streamed attempt a reply, billed honestly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb._internal.thoughts import decision_in
from agentloop_nb.errors import ModelFault
from agentloop_nb.models import probe
from agentloop_nb.models.client import connect
from agentloop_nb.models.dialect import Dialect, Rung, dialect_of
from agentloop_nb.models.exchange import Refused, exchange
from agentloop_nb.models.faults import Server
from agentloop_nb.models.keys import without
from agentloop_nb.models.prices import Pricing, is_loopback
from agentloop_nb.models.refusal import Refusal
from agentloop_nb.models.reply_assembler import Fold
from agentloop_nb.models.usage import plausible, read_cost, read_usage
from agentloop_nb.protocols import Delta, ModelReply, ModelRequest, Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI

LOCAL, AFTER_CUT = 0.2, 0.8
"""Temperature of a local model, where nobody set one: a low one keeps small models to the point; after a reply that
ran on without end a higher one leads out of it."""
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


LOCAL_PATIENCE = Patience(first=60.0)
"""Trying again costs nothing on this machine, and finds the model loaded and the prompt half read."""


@dataclass
class OpenAICompatible:
    """A model behind chat completions. One instance serves one run, in one event loop."""

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
    _measured: bool = False
    _reports_progress: bool = False
    """The server tells how much of a prompt it has read."""
    _answered: bool = False
    """The server was there before."""
    _cut: bool = False
    """The last reply had no end of its own."""
    _silences: int = 0
    """Attempts that brought nothing at all in time."""
    _ignored: int = 0
    """Replies in a row that did not follow the format asked for."""
    _client: AsyncOpenAI | None = field(default=None, repr=False)

    @property
    def context_window(self) -> int | None:
        """In tokens: what the server told, else what is listed."""
        return self.window or self.pricing.context_window

    @property
    def local(self) -> bool:
        """The server runs on this machine, and costs nothing."""
        return is_loopback(self.server.base_url) and self.quote(Usage(input=1_000_000, output=1_000_000)) == 0

    def quote(self, usage: Usage) -> Decimal | None:
        """Price a usage in US dollars, no lower than the server was seen to charge; None when the price is unknown."""
        listed = self.pricing.quote(usage)
        return None if listed is None else listed * self._dearer

    def measure(self) -> None:
        """Ask the server for the window, once: where it is near, or where no list tells. Blocks for a few seconds."""
        if self._measured or IN_BROWSER or not (is_loopback(self.server.base_url) or self.context_window is None):
            return
        answers = probe.ask(self.server, self.key)
        self._measured, self._reports_progress = answers.reached, answers.llama_server
        self.window = answers.window or self.window

    async def reply(self, request: ModelRequest, on_delta: Callable[[Delta], None]) -> ModelReply:
        """Answer, in one attempt that is billed at most once; refusals that cost nothing are asked differently."""
        client = await self._connected()
        dialect = self._dialect(request)
        max_tokens = request.max_tokens
        while True:
            body = dialect.body(
                request.messages,
                final=request.final,
                actions=request.actions,
                max_tokens=max_tokens,
                options=self._options(),
            )
            bound, fold = body.get(dialect.length), Fold()
            try:
                async with asyncio.timeout(self._first) as clock:
                    await self._receive(client, body, fold, on_delta, clock)
            except TimeoutError:
                self._accept_without_end(fold)
            except Refused as refused:
                self._answered = True
                if refused.refusal.generated:  # it was made, if not in the form asked for: the loop reads it
                    fold.take({"choices": [{"text": refused.refusal.generated, "finish_reason": "stop"}]})
                    return self._replied(request, fold, bound)
                room = self._room(refused.refusal, bound)
                if room is None and not dialect.adapt(refused.refusal, body):
                    raise self._masked(self._fault(refused.refusal)) from None
                max_tokens = room or max_tokens
                continue
            except ModelFault as fault:
                raise self._masked(fault) from None
            return self._replied(request, fold, bound)

    def _dialect(self, request: ModelRequest) -> Dialect:
        """What the server accepts; a format that it takes but does not follow is given up."""
        dialect = dialect_of(self.server.base_url, self.server.model)
        if request.repairs >= 2 and self._ignored >= 2:
            dialect.rung = Rung.PROMPTED
        return dialect

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"model": self.server.model, **self.extra}
        if self._reports_progress:
            options["return_progress"] = True
        if self.temperature is not None:
            options["temperature"] = self.temperature
        elif self.local or self.pricing.free:
            options["temperature"] = AFTER_CUT if self._cut else LOCAL
        return options

    async def _receive(
        self,
        client: AsyncOpenAI,
        body: dict[str, Any],
        fold: Fold,
        on_delta: Callable[[Delta], None],
        clock: asyncio.Timeout,
    ) -> None:
        """Send a request and fold the answer in, pushing the clock on as pieces come."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.patience.total
        bound = body.get("max_tokens") or body.get("max_completion_tokens")
        chunks = exchange(client, self.server, "/chat/completions", body, answered=self._answered)
        async with aclosing(chunks):
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

    def _patience(self, fold: Fold) -> float:
        """Signs of life before the first piece (a prompt that is being read, a queue) start the wait for it anew."""
        return self.patience.stall if fold.pieces else max(self._first, self.patience.stall)

    def _fault(self, refusal: Refusal) -> ModelFault:
        if refusal.is_overflow and refusal.window:
            self.window = refusal.window
        return self.server.refused(refusal)

    def _room(self, refusal: Refusal, asked: int | None) -> int | None:
        """The reply length that fits, where prompt and reply are counted together and only the reply is too long."""
        if asked is None or not refusal.is_overflow or refusal.window is None or refusal.prompt is None:
            return None
        room = refusal.window - refusal.prompt
        return room if LEAST_REPLY <= room < asked else None

    @property
    def _first(self) -> float:
        return self.patience.first * float(2 ** min(self._silences, 3))

    def _accept_without_end(self, fold: Fold) -> None:
        """After a silence: a reply that is whole but for its usage is good; anything less is a stall."""
        if fold.whole:
            return
        if fold.begun:
            raise self.server.silent(self.patience.stall)
        waited, self._silences = self._first, self._silences + 1
        raise self.server.silent(waited)

    def _replied(self, request: ModelRequest, fold: Fold, bound: int | None) -> ModelReply:
        reported = read_usage(fold.usage)
        refused = reported is not None and not fold.pieces  # a refusal is not always counted
        usage = reported if reported and refused else plausible(reported, request.messages, fold.written)
        cost = self._cost(usage, reported or usage, read_cost(fold.usage))
        ending = "refusal" if fold.refusal and not fold.text else fold.finish_reason or "stop"
        if ending == "length" and self._is_full(usage, bound):
            ending = "context"
        self._cut = ending in ("length", "context", "repetition")
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
        """What the server says it charged, else the price; a server dearer than its price list raises later quotes."""
        if charged is None:
            return self.quote(usage)
        quoted = self.quote(reported)
        if quoted and charged > quoted:
            self._dearer *= charged / quoted
        return charged

    def _masked(self, fault: ModelFault) -> ModelFault:
        fault.args = (without(self.key, str(fault)),)
        return fault

    async def _connected(self) -> AsyncOpenAI:
        """The client, made at the first call; in a thread, because importing the SDK takes half a second."""
        if self._client is None:
            self._client = await asyncio.to_thread(connect, self.server, self.key, self.patience.connect)
        return self._client

    async def close(self) -> None:
        """Release connections."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()
