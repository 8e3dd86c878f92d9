"""One request and its answer: chunks as they come, errors as what they are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agentloop_nb.errors import ModelFault, PermanentFault, TransientFault
from agentloop_nb.models.faults import Server
from agentloop_nb.models.refusal import Refusal
from agentloop_nb.models.sse import NotJson, chunks

if TYPE_CHECKING:
    import httpx2

Chunk = dict[str, Any]
Read = Callable[[Chunk], Chunk | None]
"""Turns an event of another API into a chunk of chat completions; None is a mere sign of life."""

_ERROR_WORDS = ("detail", "error_msg", "errorMessage", "msg", "errors")
LISTING = 15.0
"""Seconds to wait for a list of models."""
TRAILING = 0.5
"""Seconds in which a server has to end the body of a reply that is over."""
MOST_ERROR_BYTES = 1_000_000


class Refused(Exception):
    """The server answered with an error before it began to reply; nothing was billed unless it says otherwise."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


async def exchange(
    client: httpx2.AsyncClient,
    server: Server,
    path: str,
    body: dict[str, Any],
    *,
    answered: bool = False,
    read: Read | None = None,
) -> AsyncGenerator[Chunk | None, None]:
    """Post a body and yield the chunks of the answer; None is a sign of life. Raises `Refused` or a `ModelFault`.

    `answered` says that the server was there before; `read` turns what another API sends into chunks.
    """
    try:
        async with client.stream("POST", path, json=body) as response:
            await _accept(response)
            content = response.aiter_bytes()
            answer = receive(content, server, response.headers, read)
            async with aclosing(answer) as pieces:
                async for chunk in pieces:
                    yield chunk
            if response.request.headers.get("connection") != "close":
                await _read_out(content)
    except (ModelFault, Refused):
        raise
    except Exception as error:  # noqa: BLE001 - transports and parsers raise errors of many kinds
        raise server.unreachable(error, answered=answered) from None


async def get_json(client: httpx2.AsyncClient, server: Server, path: str, seconds: float, **parameters: str) -> object:
    """Get an answer: what its JSON says, else its text. Raises a `ModelFault`."""
    try:
        response = await client.get(path, params=parameters, timeout=seconds)
    except Exception as error:  # noqa: BLE001 - transports and parsers raise errors of many kinds
        raise server.unreachable(error) from None
    answer = _as_json(response.text)
    if not response.is_success:
        raise server.refused(Refusal.read(response.status_code, answer, response.headers))
    return answer


async def _accept(response: httpx2.Response) -> None:
    """Raise `Refused` for an error answer, JSON or not."""
    if response.is_success:
        return
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > MOST_ERROR_BYTES:
            break
    text = content.decode(errors="replace")
    raise Refused(Refusal.read(response.status_code, _as_json(text), response.headers))


def _as_json(text: str) -> Any:
    """Return the JSON that a text is, else the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


async def _read_out(content: AsyncIterable[bytes]) -> None:
    """Read what follows the end of a reply: only a body that was read whole leaves its connection to the next call."""
    with suppress(Exception):  # the reply is whole, whatever happens now
        async with asyncio.timeout(TRAILING):
            async for _ in content:
                pass


async def receive(
    content: AsyncIterable[bytes], server: Server, headers: Mapping[str, str], read: Read | None = None
) -> AsyncGenerator[Chunk | None, None]:
    """Yield the chunks of an answer's body; an error among them is raised as `Refused` or, later on, a `ModelFault`."""
    begun = False
    streamed = "event-stream" in headers.get("content-type", "")
    try:
        async for raw in chunks(content):
            chunk = raw if raw is None or read is None else read(raw)
            if chunk is not None and (error := error_in(chunk)) is not None:
                raise _refused(server, Refusal.inside(error, 500 if begun or streamed else 400), begun=begun)
            begun = begun or chunk is not None
            yield chunk
    except NotJson as error:
        raise _no_answer(server, error.text) from None


def error_in(chunk: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the error that a chunk carries instead of a piece of the reply, in the form of an error answer's body."""
    if chunk.get("error"):
        return chunk
    choices = chunk.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(first, dict) and first.get("error"):
        return first
    if "choices" in chunk or "usage" in chunk:
        return None
    told = chunk.get("object") == "error" or isinstance(chunk.get("message"), str)
    return chunk if told or any(chunk.get(word) for word in _ERROR_WORDS) else None


def _refused(server: Server, refusal: Refusal, *, begun: bool) -> Exception:
    """Return an error inside the answer.

    Once the reply had begun it was billed, and no other way of asking is tried.
    """
    if not begun:
        return Refused(refusal)
    fault = server.refused(replace(refusal, headers={}))
    fault.billed = True
    if isinstance(fault, TransientFault):  # it was up, so tries are counted: each of them is paid for
        fault.patience = None
    return fault


def _no_answer(server: Server, text: str) -> ModelFault:
    refusal = Refusal.read(200, text)
    if not refusal.is_page:
        return server.garbled("the answer is not JSON")
    title = f" ({refusal.message})" if refusal.message else ""
    return PermanentFault(
        f"{server.host} answered with a web page{title}, not as a model server: "
        f"check the base URL {server.base_url}; it usually ends in /v1"
    )
