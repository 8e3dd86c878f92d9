"""From a model's name to a `Model`: who serves it, at which address, with which key, at what price."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from agentloop_nb._internal.paths import typed_path
from agentloop_nb.errors import Hint, ModelFault, UserError
from agentloop_nb.models import azure
from agentloop_nb.models.faults import Server
from agentloop_nb.models.keys import check, key_for, without
from agentloop_nb.models.prices import Pricing, is_loopback, read_price
from agentloop_nb.models.providers import (
    OPENAI,
    PROVIDERS,
    Provider,
    anthropic_address,
    clean_address,
    listening,
    ollama_address,
    pick_model,
    same_origin,
    split,
)
from agentloop_nb.protocols import Model
from agentloop_nb.settings import DEFAULT_MODEL, Settings
from agentloop_nb.settings.table import Effort

_OPENROUTER: dict[str, Any] = {"provider": {"require_parameters": True}, "usage": {"include": True}}
"""Only route to providers that honour the response format, and tell what a call cost."""


_CACHE_KEY = f"agentloop-{secrets.token_hex(8)}"
"""Tells OpenAI which requests are likely to share a beginning: those of one process, under a name without meaning."""

_BY_HAND = ("ollama", "lmstudio")
"""Applications on a desktop: where one does not run, nobody is about to start it."""


@dataclass(frozen=True)
class Target:
    """Where a model's name leads."""

    provider: Provider | None
    """None: some server at an address of the user's own."""
    model: str
    base_url: str
    key: SecretStr | None
    key_variable: str | None
    """The variable that would hold a key for this address; None when none of ours may go there."""
    speaks_messages: bool = False
    """Anthropic's Messages API is there, not chat completions."""

    def pricing(self, settings: Settings) -> Pricing:
        """Return what the model costs there."""
        free = self.provider is not None and self.provider.free
        return Pricing(self.model, self.base_url, settings.price, free=free)

    def server(self) -> Server:
        """Return the server, as messages speak of it."""
        name = self.provider.name if self.provider else ""
        start = self.provider.start if self.provider and self.provider.name in _BY_HAND else ""
        api = "Messages API" if self.speaks_messages else "chat completions"
        sends_key = self.key is not None
        return Server(self.base_url, self.model, name, self.key_variable, sends_key=sends_key, start=start, api=api)


def create(settings: Settings, variables: Mapping[str, str]) -> Model:
    """Make the model that the settings name. Raises `UserError`, one line, with the ways forward."""
    from agentloop_nb.models.ollama import Ollama
    from agentloop_nb.models.openai_compatible import OpenAICompatible
    from agentloop_nb.models.streamed_model import LOCAL_PATIENCE, Patience

    name = settings.model.strip()
    if name == "demo" or name.startswith("replay:"):
        return _replay(name)
    found = target(settings, variables)
    if settings.price:
        read_price(settings.price, found.model)
    named = name if name.partition(":")[2] or found.provider in (None, OPENAI) else f"{name}:{found.model}"
    common: dict[str, Any] = {
        "name": named,
        "server": found.server(),
        "pricing": found.pricing(settings),
        "key": found.key,
        "temperature": settings.temperature,
        "patience": LOCAL_PATIENCE if is_loopback(found.base_url) else Patience(),
    }
    model: Model
    if found.speaks_messages:
        from agentloop_nb.models.anthropic_messages import AnthropicMessages

        model = AnthropicMessages(**common, effort=settings.effort)
    else:
        kind = Ollama if found.provider and found.provider.name == "ollama" else OpenAICompatible
        model = kind(**common, extra=extra_parameters(found, settings.effort))
    return model if settings.cache is None else _cached(model, found, settings)


def extra_parameters(found: Target, effort: Effort | None) -> dict[str, Any]:
    """Return what one provider wants beside the common wire: routing, caching, and how much to think."""
    name = found.provider.name if found.provider else ""
    if name == "openrouter":
        extra = dict(_OPENROUTER)
        if found.model.startswith(("anthropic/", "~anthropic/")):
            extra["cache_control"] = {"type": "ephemeral"}
        return extra | ({"reasoning": {"effort": effort}} if effort else {})
    extra = {"prompt_cache_key": _CACHE_KEY} if name == "openai" else {}
    return extra | ({"reasoning_effort": effort} if effort else {})


def _cached(model: Model, found: Target, settings: Settings) -> Model:
    from agentloop_nb.models.cache import CachedModel, DecisionCache

    identity = {"base_url": found.base_url, "model": found.model, "temperature": settings.temperature}
    identity |= {"effort": settings.effort} if settings.effort else {}
    return CachedModel(model, DecisionCache(typed_path(str(settings.cache))), identity)


def target(settings: Settings, variables: Mapping[str, str]) -> Target:
    """Find out where a model's name leads. Raises `UserError`, one line, when a key or the model's name is missing."""
    found = _usable(settings, variables)
    if found.key is None and found.key_variable and found.provider and found.base_url == found.provider.base_url:
        raise _no_key(found.provider)
    if found.model:
        return found
    if found.provider is None or not found.provider.free:
        raise UserError(f"which model? -m {settings.model}:MODEL", Hint("models", "lists what there is"))
    model = pick_model(found.provider, found.base_url)
    return Target(found.provider, model, found.base_url, found.key, found.key_variable)


def _usable(settings: Settings, variables: Mapping[str, str]) -> Target:
    """Find out where a model's name leads, and whether name and key can be right. Raises `UserError`."""
    found = locate(settings, variables)
    head, colon, _ = found.model.partition(":")
    own = found.provider is not None and found.base_url == found.provider.base_url
    if found.provider is not None and own and colon and head in PROVIDERS.keys() - {found.provider.name}:
        raise UserError(f"{settings.model} names two providers: -m {found.model} or -m {found.provider.name}:MODEL")
    if colon and found.provider is OPENAI and own and head not in ("ft", "openai"):
        raise UserError(
            f"there is no provider {head!r}: -m PROVIDER:MODEL with {', '.join(PROVIDERS)}; a local {found.model} is "
            f"-m ollama:{found.model}; a server of your own needs --base-url http://HOST/v1"
        )
    if found.key is not None:
        check(found.key, found.key_variable or "the key")
    return found


def locate(settings: Settings, variables: Mapping[str, str]) -> Target:
    """Find out where a model's name leads, key or not; asks no server. A key goes only to the address it belongs to."""
    provider, model = split(settings.model)
    own_address = variables.get("OPENAI_BASE_URL")
    if provider in (None, OPENAI):
        base_url = clean_address(settings.base_url or OPENAI.base_url)
        belongs = same_origin(base_url, OPENAI.base_url) or (own_address and same_origin(base_url, own_address))
        key = key_for("openai", variables) if belongs else None
        known = OPENAI if belongs else None
        if not model or model == DEFAULT_MODEL:  # nobody named one
            model = azure.deployment(base_url) or DEFAULT_MODEL
        return Target(known, model, base_url, key, OPENAI.key if belongs else None)
    assert provider is not None
    explicit = settings.base_url if settings.base_url != own_address else None
    configured = _configured(provider, variables)
    base_url = clean_address(explicit or configured or provider.base_url)
    belongs = same_origin(base_url, provider.base_url) or (
        provider.key is not None and configured is not None and same_origin(base_url, configured)
    )
    key = key_for(provider.name, variables) if belongs else None
    native = provider.name == "anthropic" and (explicit is None or base_url == configured)
    return Target(provider, model, base_url, key, provider.key if belongs else None, speaks_messages=native)


def _configured(provider: Provider, variables: Mapping[str, str]) -> str | None:
    """Say where a provider's own variable says that it is."""
    match provider.name:
        case "ollama":
            return ollama_address(variables)
        case "anthropic":
            return anthropic_address(variables)
        case _:
            return None


def recorded_address(settings: Settings, variables: Mapping[str, str]) -> str | None:
    """Return the base URL that a record names: none where only OPENAI_BASE_URL is set and the provider has its own."""
    provider, _ = split(settings.model)
    elsewhere = provider not in (None, OPENAI) and settings.base_url == variables.get("OPENAI_BASE_URL")
    return None if elsewhere else settings.base_url


def pricing(name: str, settings: Settings, variables: Mapping[str, str]) -> Pricing:
    """Price list entry of any model by name, without asking for its key (`%agent cost --what-if MODEL`)."""
    from dataclasses import replace

    provider, _ = split(name)
    base_url = settings.base_url if provider is None else None
    return locate(replace(settings, model=name, base_url=base_url), variables).pricing(settings)


async def list_models(settings: Settings, variables: Mapping[str, str]) -> list[str]:
    """Ask the configured server which models it offers. Raises `UserError`, one line."""
    from agentloop_nb.models.client import connect, credentials
    from agentloop_nb.models.exchange import LISTING, get_json

    found = _usable(settings, variables)
    if found.speaks_messages:
        return await _list_claude(found)
    if found.key is None and found.key_variable and found.provider and not is_loopback(found.base_url):
        raise _no_key(found.provider)
    server = found.server()
    async with connect(server, credentials(server, found.key)) as client:
        try:
            answer = await get_json(client, server, "/models", LISTING)
        except ModelFault as fault:
            raise UserError(without(found.key, str(fault))) from None
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise UserError(f"{server.host} does not list models at {found.base_url}; the base URL usually ends in /v1")
    return sorted(str(model["id"]).removeprefix("models/") for model in data if isinstance(model, dict))


async def _list_claude(found: Target) -> list[str]:
    from agentloop_nb.models.anthropic_messages import list_models

    if found.key is None and found.key_variable and found.provider and not is_loopback(found.base_url):
        raise _no_key(found.provider)
    return await list_models(found.server(), found.key)


def _replay(name: str) -> Model:
    from agentloop_nb.models.replay import ReplayModel

    if name == "demo":
        folder = resources.files("agentloop_nb") / "demo"
        records = sorted(str(file) for file in folder.iterdir() if file.name.endswith(".jsonl"))
        model = ReplayModel.from_path(Path(records[0]), name=name)
        model.knows_changes = False  # run twice in a kernel, it finds its own variables there
        return model
    path = name.removeprefix("replay:").strip()
    if not path:
        raise UserError("which run? -m replay:PATH, where PATH is a journal (.jsonl) or an exported notebook (.ipynb)")
    return ReplayModel.from_path(path)


def _no_key(provider: Provider) -> UserError:
    found = listening()
    local = f"use the local server that was found ({' or '.join(found)})" if found else _NO_SERVER
    return UserError(
        f"no key for {provider.title}: set {provider.key}; {local}; or try -m demo without any",
        Hint("login", "asks for one", only="notebook"),
    )


_NO_SERVER = "start a local server and use -m ollama, lmstudio or vllm (none was found listening)"
