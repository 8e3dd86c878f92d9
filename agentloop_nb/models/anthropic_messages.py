"""Claude over Anthropic's own Messages API, whose prompt cache the compatible layer does not have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.errors import ModelFault, UserError
from agentloop_nb.models.client import connect
from agentloop_nb.models.exchange import LISTING, Read, get_json
from agentloop_nb.models.faults import Server
from agentloop_nb.models.keys import without
from agentloop_nb.models.messages_dialect import MessagesDialect, messages_dialect_of
from agentloop_nb.models.messages_events import MessagesReader
from agentloop_nb.models.streamed_model import StreamedModel
from agentloop_nb.protocols import ModelRequest
from agentloop_nb.settings.table import Effort

if TYPE_CHECKING:
    import httpx2

VERSION = "2023-06-01"
"""Of the API; it has been the newest one ever since."""
MOST_PAGES = 20
"""Of a list of models."""


@dataclass
class AnthropicMessages(StreamedModel):
    """A Claude model behind the Messages API."""

    effort: Effort | None = None

    def _form(self, request: ModelRequest) -> MessagesDialect:
        return messages_dialect_of(self.server.base_url, self.server.model, self.effort)

    def _options(self, request: ModelRequest) -> dict[str, Any]:
        options: dict[str, Any] = {"model": self.server.model, **self.extra}
        if self.temperature is not None:
            options["temperature"] = min(self.temperature, 1.0)
        return options

    def _way(self, body: dict[str, Any]) -> tuple[str, Read | None]:
        return "/messages", MessagesReader()

    def _credentials(self) -> dict[str, str]:
        return credentials(self.key)


def credentials(key: SecretStr | None) -> dict[str, str]:
    """Return the headers that Anthropic asks for."""
    headers = {"anthropic-version": VERSION}
    if key is not None:
        headers["x-api-key"] = key.get_secret_value()
    if IN_BROWSER:
        headers["anthropic-dangerous-direct-browser-access"] = "true"
    return headers


async def list_models(server: Server, key: SecretStr | None) -> list[str]:
    """Ask which models there are. Raises `UserError`, one line."""
    found: list[str] = []
    parameters: dict[str, str] = {"limit": "1000"}
    async with connect(server, credentials(key)) as client:
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
    try:
        answer = await get_json(client, server, "/models", LISTING, **parameters)
    except ModelFault as fault:
        raise UserError(without(key, str(fault))) from None
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        raise UserError(f"{server.host} does not list models at {server.base_url}; check ANTHROPIC_BASE_URL")
    return answer
