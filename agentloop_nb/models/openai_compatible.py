"""Any server that speaks OpenAI's chat completions: one streamed attempt a reply, billed honestly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from agentloop_nb.errors import ModelFault, PermanentFault
from agentloop_nb.models.client import connect
from agentloop_nb.models.dialect import Dialect, Rung, dialect_of
from agentloop_nb.models.faults import Refusal, Server
from agentloop_nb.models.fold import Fold, is_object
from agentloop_nb.models.keys import without
from agentloop_nb.models.prices import Pricing, is_loopback
from agentloop_nb.models.usage import estimate, read_cost, read_usage
from agentloop_nb.ports import Delta, ModelReply, ModelRequest, Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream

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

    async def reply(self, request: ModelRequest, on_delta: Callable[[Delta], None]) -> ModelReply:
        """Answer, in one attempt that is billed at most once; refusals that cost nothing are asked differently."""
        client = await self._connected()
        dialect = self._dialect(request)
        max_tokens = request.max_tokens
        while True:
            body = dialect.body(
                request.messages,
                final=request.final,
                max_tokens=max_tokens,
                options=self._options(),
                only=request.only,
            )
            fold = Fold()
            try:
                async with asyncio.timeout(self._first) as clock:
                    await self._receive(client, body, fold, on_delta, clock)
            except TimeoutError:
                self._accept_without_end(fold)
            except _Refused as refused:
                room = self._room(refused.refusal, body.get(dialect.length))
                if room is None and not dialect.adapt(refused.refusal, body):
                    raise self._masked(self._fault(refused.refusal)) from None
                max_tokens = room or max_tokens
                continue
            except ModelFault as fault:
                raise self._masked(fault) from None
            return self._replied(request, fold)

    def _dialect(self, request: ModelRequest) -> Dialect:
        """What the server accepts; a format that it takes but does not follow is given up."""
        dialect = dialect_of(self.server.base_url, self.server.model)
        if request.repairs >= 2 and self._ignored >= 2:
            dialect.rung = Rung.PROMPTED
        return dialect

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"model": self.server.model, **self.extra}
        if self.temperature is not None:
            options["temperature"] = self.temperature
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
        async with aclosing(self._chunks(client, body)) as chunks:
            async for chunk in chunks:
                if (delta := fold.take(chunk)) is not None:
                    on_delta(delta)
                patience = self.patience.last if fold.finish_reason else self.patience.stall
                clock.reschedule(min(loop.time() + patience, deadline))
        if not fold.whole:
            raise self.server.garbled("the reply ended half-way" if fold.begun else "the reply was empty")

    async def _chunks(self, client: AsyncOpenAI, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the chunks of a streamed answer, or one whole answer where the server does not stream."""
        import openai

        stream: AsyncStream[object] | None = None
        try:
            stream = await _open(client, body)
            kind = stream.response.headers.get("content-type", "")
            if "event-stream" in kind:
                async for chunk in stream:
                    if isinstance(chunk, dict):
                        yield chunk
            else:
                yield self._whole(await stream.response.aread(), kind)
        except openai.APIStatusError as error:
            raise _Refused(Refusal.read(error.status_code, error.body, error.response.headers)) from None
        except openai.APIConnectionError as error:
            raise self.server.unreachable(error) from None
        except openai.APIError as error:  # an error event inside a stream
            raise self._broken_off(Refusal.read(500, error.body or error.message)) from None
        except (ModelFault, _Refused):
            raise
        except Exception as error:  # noqa: BLE001 - the SDK lets transport and parser errors of many kinds through
            raise self.server.unreachable(error) from None
        finally:
            if stream is not None:
                await stream.close()

    def _whole(self, payload: bytes, kind: str) -> dict[str, Any]:
        """Read an answer that is no stream."""
        try:
            answer = json.loads(payload)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            if "html" in kind or b"<html" in payload[:500].lower():
                raise PermanentFault(
                    f"{self.server.host} answered with a web page, not as a model server: "
                    f"check the base URL {self.server.base_url}; it usually ends in /v1"
                )
            raise self.server.garbled("the answer is not JSON")
        if "choices" not in answer:
            raise _Refused(Refusal.read(400, answer))
        return answer

    def _broken_off(self, refusal: Refusal) -> ModelFault:
        """Map an error that came inside a stream, after the answer had begun well."""
        status = int(refusal.code) if refusal.code.isdigit() else refusal.status
        fault = self.server.refused(replace(refusal, status=status))
        fault.billed = True
        return fault

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

    def _replied(self, request: ModelRequest, fold: Fold) -> ModelReply:
        reported = read_usage(fold.usage)
        usage = reported or estimate(request.messages, fold.written)
        cost = self._cost(usage, read_cost(fold.usage))
        self._ignored = 0 if is_object(fold.text) or fold.finish_reason == "length" else self._ignored + 1
        return ModelReply(
            text=fold.text or fold.refusal,
            usage=usage,
            cost=cost,
            finish_reason="refusal" if fold.refusal and not fold.text else fold.finish_reason or "stop",
            reasoning=fold.reasoning,
            model=fold.model,
        )

    def _cost(self, usage: Usage, charged: Decimal | None) -> Decimal | None:
        """What the server says it charged, else the price; a server dearer than its price list raises later quotes."""
        quoted = self.quote(usage)
        if charged is not None and quoted and charged > quoted:
            self._dearer *= charged / quoted
        return quoted if charged is None else charged

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


class _Refused(Exception):
    """The server answered with an error; nothing was billed unless it says otherwise."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


async def _open(client: AsyncOpenAI, body: dict[str, Any]) -> AsyncStream[object]:
    """Post a ready-made body: the SDK's own `create` walks every message of it, which grows with the transcript."""
    from openai import AsyncStream

    return await client.post(
        "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=AsyncStream[object]
    )
