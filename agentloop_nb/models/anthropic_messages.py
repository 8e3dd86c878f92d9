"""Claude over Anthropic's own Messages API, whose prompt cache the compatible layer does not have."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.errors import ModelFault, UserError
from agentloop_nb.models.exchange import Refused, receive
from agentloop_nb.models.faults import Server
from agentloop_nb.models.keys import without
from agentloop_nb.models.messages_dialect import MessagesDialect, messages_dialect_of
from agentloop_nb.models.messages_events import MessagesReader
from agentloop_nb.models.prices import is_loopback
from agentloop_nb.models.refusal import Refusal
from agentloop_nb.models.streamed_model import StreamedModel
from agentloop_nb.protocols import ModelRequest
from agentloop_nb.settings.table import Effort

if TYPE_CHECKING:
    import httpx2

VERSION = "2023-06-01"
"""Of the API; it has been the newest one ever since."""
MOST_ERROR_BYTES = 1_000_000
MOST_PAGES = 20
"""Of a list of models."""
LISTING = 15.0
"""Seconds to wait for a list of models."""


@dataclass
class AnthropicMessages(StreamedModel):
    """A Claude model behind the Messages API."""

    effort: Effort | None = None
    _client: httpx2.AsyncClient | None = field(default=None, repr=False)

    def _form(self, request: ModelRequest) -> MessagesDialect:
        return messages_dialect_of(self.server.base_url, self.server.model, self.effort)

    def _options(self, request: ModelRequest) -> dict[str, Any]:
        options: dict[str, Any] = {"model": self.server.model, **self.extra}
        if self.temperature is not None:
            options["temperature"] = min(self.temperature, 1.0)
        return options

    async def _chunks(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any] | None, None]:
        client, address = self._connected(), f"{self.server.base_url}/messages"
        try:
            async with client.stream("POST", address, json=body) as response:
                if not response.is_success:
                    raise Refused(await _refusal(response))  # noqa: TRY301 - closes the stream
                answer = receive(response.aiter_bytes(), self.server, response.headers, MessagesReader())
                async with aclosing(answer) as chunks:
                    async for chunk in chunks:
                        yield chunk
        except (ModelFault, Refused):
            raise
        except Exception as error:  # noqa: BLE001 - transports raise errors of many kinds
            raise self.server.unreachable(error, answered=self._answered) from None

    def _connected(self) -> httpx2.AsyncClient:
        """Return the client, made at the first call."""
        if self._client is None:
            self._client = connect(self.server, self.key, self.patience.connect)
        return self._client

    async def close(self) -> None:
        """Release connections."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()


def connect(server: Server, key: SecretStr | None, seconds: float = 10.0) -> httpx2.AsyncClient:
    """Make a client that waits as long as an answer takes; this machine is reached past any proxy."""
    import httpx2

    near = is_loopback(server.base_url)
    headers = {"anthropic-version": VERSION}
    if key is not None:
        headers["x-api-key"] = key.get_secret_value()
    if IN_BROWSER:
        headers["anthropic-dangerous-direct-browser-access"] = "true"
    if not server.base_url.startswith("https:"):
        headers["Connection"] = "close"
    timeout = httpx2.Timeout(None, connect=seconds)
    return httpx2.AsyncClient(headers=headers, timeout=timeout, trust_env=not near, follow_redirects=False)


async def list_models(server: Server, key: SecretStr | None) -> list[str]:
    """Ask which models there are. Raises `UserError`, one line."""
    found: list[str] = []
    parameters: dict[str, str] = {"limit": "1000"}
    async with connect(server, key) as client:
        for _ in range(MOST_PAGES):
            page = await _page_of_models(client, server, key, parameters)
            found += [str(model["id"]) for model in page["data"] if isinstance(model, dict) and "id" in model]
            if not page.get("has_more") or not page.get("last_id"):
                break
            parameters["after_id"] = str(page["last_id"])
    return sorted(set(found))


async def _page_of_models(
    client: httpx2.AsyncClient, server: Server, key: SecretStr | None, parameters: dict[str, str]
) -> dict[str, Any]:
    import httpx2

    try:
        response = await client.get(f"{server.base_url}/models", params=parameters, timeout=LISTING)
    except httpx2.TransportError as error:
        raise UserError(str(server.unreachable(error))) from None
    answer = _as_json(response.text)
    if not response.is_success:
        refused = server.refused(Refusal.read(response.status_code, answer, response.headers))
        raise UserError(without(key, str(refused)))
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        raise UserError(f"{server.host} does not list models at {server.base_url}; check ANTHROPIC_BASE_URL")
    return answer


async def _refusal(response: httpx2.Response) -> Refusal:
    """Read an error answer, JSON or not."""
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > MOST_ERROR_BYTES:
            break
    text = content.decode(errors="replace")
    return Refusal.read(response.status_code, _as_json(text), response.headers)


def _as_json(text: str) -> Any:
    """Return the JSON that a text is, else the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
