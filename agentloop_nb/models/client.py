"""The HTTP client of one server, which is told nothing that belongs to another."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import SecretStr

from agentloop_nb import __version__
from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.models import azure
from agentloop_nb.models.faults import Server
from agentloop_nb.models.prices import is_loopback

if TYPE_CHECKING:
    import httpx2

_ACCOUNT = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}


def connect(server: Server, headers: Mapping[str, str], seconds: float = 10.0) -> httpx2.AsyncClient:
    """Make a client that waits as long as an answer takes, and `seconds` for a connection; it follows no redirect.

    Without TLS a new connection costs next to nothing, and every call gets one: small servers close idle connections
    at the very moment the next request is sent (seen with llama-server). A server on this machine is reached past any
    proxy.
    """
    import httpx2

    if IN_BROWSER:  # which knows better about connections and certificates than we can say
        warnings.filterwarnings("ignore", "The following transport option")
    secure, near = server.base_url.startswith("https:"), is_loopback(server.base_url)
    address, version = azure.split(server.base_url)
    closing = {} if secure else {"Connection": "close"}
    return httpx2.AsyncClient(
        base_url=address,
        params={"api-version": version} if version else None,
        headers={"User-Agent": f"agentloop_nb/{__version__}", **headers, **closing},
        timeout=httpx2.Timeout(None, connect=seconds),
        trust_env=not near,
        follow_redirects=False,
        verify=secure or not near,  # else no store of certificates is loaded
    )


def credentials(server: Server, key: SecretStr | None) -> dict[str, str]:
    """Return the headers that say who asks: the key (on Azure in its own header) and, to OpenAI, whose account."""
    headers = _account() if server.provider == "openai" else {}
    if key is None:
        return headers
    secret = key.get_secret_value()
    if azure.is_azure(server.base_url):  # a key as bearer would be taken for somebody's login there
        return headers | {azure.KEY_HEADER: secret}
    return headers | {"Authorization": f"Bearer {secret}"}


def _account() -> dict[str, str]:
    """Return what OpenAI's own variables add to a request."""
    lines = [line.partition(":") for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines()]
    custom = {name.strip(): value.strip() for name, colon, value in lines if colon and name.strip()}
    return custom | {header: os.environ[name] for name, header in _ACCOUNT.items() if os.environ.get(name)}
