"""Who serves models: their addresses, the variables of their keys, and which of them run on this machine."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from agentloop_nb._internal.addresses import EVERYWHERE, LOOPBACK
from agentloop_nb.errors import UserError
from agentloop_nb.models import azure


@dataclass(frozen=True)
class Provider:
    """A place models are served at."""

    name: str
    title: str
    base_url: str
    key: str | None = None
    """The variable its key is read from; None: it needs none, and its calls are free."""
    start: str = ""
    """How a person starts it, for one that runs on their machine."""

    @property
    def free(self) -> bool:
        """Its calls cost nothing: it runs on the user's own machines."""
        return self.key is None


OPENAI = Provider("openai", "OpenAI", "https://api.openai.com/v1", "OPENAI_API_KEY")
PROVIDERS = {
    provider.name: provider
    for provider in (
        OPENAI,
        Provider("ollama", "Ollama", "http://127.0.0.1:11434/v1", start="ollama serve"),
        Provider("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
        Provider("lmstudio", "LM Studio", "http://127.0.0.1:1234/v1", start="lms server start"),
        Provider("vllm", "vLLM", "http://127.0.0.1:8000/v1", start="vllm serve MODEL"),
        Provider("gemini", "Gemini", "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
        Provider("anthropic", "Anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    )
}
_LLAMA_SERVER = "http://127.0.0.1:8080/v1"


def split(name: str) -> tuple[Provider | None, str]:
    """Split `provider:model`; a name without a known provider is a model by itself, colons and all (`qwen3:8b`)."""
    head, colon, rest = name.strip().partition(":")
    if (provider := PROVIDERS.get(head.lower())) is None:
        return None, name.strip()
    return provider, rest.strip() if colon else ""


def clean_address(base_url: str) -> str:
    """Check a base URL and cut what does not belong to it. Raises `UserError` without repeating a secret."""
    address, version = azure.split(base_url.strip())
    address = address.rstrip("/").removesuffix("/chat/completions")
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UserError("the base URL is malformed: --base-url http://127.0.0.1:11434/v1") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UserError("a base URL carries no key or password: set OPENAI_BASE_URL and OPENAI_API_KEY instead")
    if parts.scheme not in ("http", "https") or not host:
        raise UserError("the base URL must start with http:// or https:// and name a host: --base-url http://HOST/v1")
    return azure.join(address, version)


def anthropic_address(variables: Mapping[str, str]) -> str | None:
    """Where ANTHROPIC_BASE_URL says that the Messages API is; None when it says nothing. Raises `UserError`.

    The variable is usually written without the version that every path of the API begins with.
    """
    told = variables.get("ANTHROPIC_BASE_URL", "").strip()
    if not told:
        return None
    address = clean_address(told.rstrip("/").removesuffix("/messages"))
    return address if address.endswith("/v1") else f"{address}/v1"


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses are the same server, so that a key for one may go to the other."""
    return _origin(one) == _origin(other)


def _origin(address: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(address)
        return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", address, None


def local_models(base_url: str, seconds: float = 2.0) -> list[dict[str, Any]] | None:
    """Ask a server on this machine, past any proxy, which models it has; None when it is no model server."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{base_url}/models", timeout=seconds) as response:
            data = json.load(response).get("data")
    except (OSError, ValueError, AttributeError):
        return None
    return [model for model in data if isinstance(model, dict) and "id" in model] if isinstance(data, list) else None


def pick_model(provider: Provider, base_url: str) -> str:
    """Choose an installed model of a local provider: the first listed that can chat. Raises `UserError`."""
    models = local_models(base_url)
    if models is None:
        raise UserError(
            f"nothing answers at {base_url}: start it ({provider.start}), or name its address with --base-url"
        )
    names = [str(model["id"]) for model in models]
    able = [name for name in names if "embed" not in name.lower()]
    if not able:
        hint = "ollama pull qwen3" if provider.name == "ollama" else "load one there"
        raise UserError(f"{provider.title} has no model installed: {hint}, then go on")
    return able[0]


def ollama_address(variables: Mapping[str, str]) -> str | None:
    """Where OLLAMA_HOST says that Ollama listens; None when it says nothing. Raises `UserError` if it is malformed."""
    host = variables.get("OLLAMA_HOST", "").strip().rstrip("/")
    if not host:
        return None
    try:
        parts = urlsplit(host if "://" in host else f"http://{host}")
        port = parts.port or 11434
    except ValueError:
        raise UserError(f"OLLAMA_HOST is malformed: {host!r}; it is a host and a port, like 127.0.0.1:11434") from None
    name = LOOPBACK if parts.hostname in (None, EVERYWHERE) else parts.hostname
    return f"{parts.scheme}://{name}:{port}/v1"


def listening() -> list[str]:
    """Name the ways to reach model servers found on this machine, quickly: `-m ollama`."""
    ways = {provider.base_url: f"-m {provider.name}" for provider in PROVIDERS.values() if provider.free}
    ways[_LLAMA_SERVER] = f"--base-url {_LLAMA_SERVER}"
    with ThreadPoolExecutor(len(ways)) as pool:
        found = dict(zip(ways, pool.map(_answers, ways), strict=True))
    return [way for base_url, way in ways.items() if found[base_url]]


def _answers(base_url: str) -> bool:
    parts = urlsplit(base_url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=0.1).close()
    except OSError:
        return False
    return local_models(base_url, 0.2) is not None
