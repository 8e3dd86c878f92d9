"""A client of the official SDK, made to keep what belongs to one server from every other."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

from pydantic import SecretStr

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.models import azure
from agentloop_nb.models.faults import Server
from agentloop_nb.models.prices import is_loopback

if TYPE_CHECKING:
    from openai import AsyncOpenAI

NO_KEY = "none"
"""Sent where a server needs no key, because the SDK wants one."""


def connect(server: Server, key: SecretStr | None, seconds: float = 10.0) -> AsyncOpenAI:
    """Make a client that neither retries nor tells a server what belongs to OpenAI (organization, custom headers).

    Without TLS a new connection costs next to nothing, and every call gets one: small servers close idle connections
    at the very moment the next request is sent (seen with llama-server).
    """
    import openai

    secure = server.base_url.startswith("https:")
    headers = {} if secure else {"Connection": "close"}
    if server.provider != "openai":
        headers |= _blank_custom_headers(key)
    http_client = None
    address, version = azure.split(server.base_url)
    if azure.is_azure(server.base_url) and key is not None:
        headers[azure.KEY_HEADER] = key.get_secret_value()
    if IN_BROWSER:  # which knows better about connections and certificates than we can say
        warnings.filterwarnings("ignore", "The following transport option")
    if is_loopback(server.base_url):  # no proxy, no redirect to elsewhere, and no certificate store to load
        http_client = openai.DefaultAsyncHttpxClient(trust_env=False, follow_redirects=False, verify=secure)
    client = openai.AsyncOpenAI(
        api_key=key.get_secret_value() if key else NO_KEY,
        base_url=address,
        default_query={"api-version": version} if version else None,
        max_retries=0,
        timeout=openai.Timeout(None, connect=seconds),
        default_headers=headers,
        http_client=http_client,
    )
    if server.provider != "openai":
        client.organization = client.project = None
    return client


def _blank_custom_headers(key: SecretStr | None) -> dict[str, str]:
    """Override what the SDK would read from OPENAI_CUSTOM_HEADERS and send to any server."""
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines()
    names = {line.partition(":")[0].strip().lower() for line in lines if ":" in line}
    headers = dict.fromkeys(names - {"authorization"}, "")
    if "authorization" in names:
        headers["Authorization"] = f"Bearer {key.get_secret_value() if key else NO_KEY}"
    return headers
