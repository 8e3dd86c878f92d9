"""Ask a server how much its model can read, before anything is sent to it."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from pydantic import SecretStr

from agentloop_nb.models import azure
from agentloop_nb.models.faults import Server
from agentloop_nb.models.json_values import mapping
from agentloop_nb.models.prices import is_loopback

SECONDS = 2.0
"""For each question; a server that is busy answers the first request, too."""
LOADING = 503
MOST_BYTES = 5_000_000
_LISTED = ("loaded_context_length", "max_model_len", "n_ctx", "context_length", "context_window", "max_context_length")
"""Where lists of models tell the window: LM Studio, vLLM, llama.cpp, OpenRouter and Together, Groq, LM Studio again."""
LARGEST = 100_000_000


@dataclass(frozen=True)
class Answers:
    """What a server told about itself."""

    window: int | None = None
    """Tokens that prompt and reply may take together."""
    llama_server: bool = False
    """It is llama.cpp's own server."""
    reached: bool = False
    """It answered at all."""
    parameters: int | None = None
    """How many the model has."""


def ask(server: Server, key: SecretStr | None) -> Answers:
    """Ask in the ways of llama.cpp, vLLM, LM Studio, Ollama and the hosted ones. Never raises."""
    if azure.is_azure(server.base_url):
        return Answers(reached=True)  # which lists no windows
    root = server.base_url.removesuffix("/v1")
    models = _get(f"{server.base_url}/models", key)
    if models is None:
        return Answers()
    entry = _entry(models, server.model)
    if server.provider == "ollama":
        return Answers(_ollama(root, server.model, key), reached=True)
    llama = entry.get("owned_by") == "llamacpp" or "n_ctx_train" in mapping(entry.get("meta"))
    window = _listed(mapping(entry.get("meta"))) or _listed(entry)
    if llama:
        props = mapping(_get(f"{root}/props", key))
        slot = mapping(props.get("default_generation_settings"))
        window = _tokens(slot.get("n_ctx")) or _tokens(props.get("n_ctx")) or window
    elif window is None and (server.provider == "lmstudio" or entry.get("owned_by") == "organization_owner"):
        window = _lmstudio(root, server.model, key)
    elif window is None and entry.get("owned_by") == "library":
        window = _ollama(root, server.model, key)
    size = mapping(entry.get("meta")).get("n_params")
    return Answers(window, llama, reached=True, parameters=size if isinstance(size, int) and size > 0 else None)


def loaded_by_ollama(answer: object, model: str) -> int | None:
    """Return the window that Ollama loaded a model with, from its `/api/ps`."""
    for loaded in _members(answer, "models"):
        if str(loaded.get("name")).removesuffix(":latest") == model.removesuffix(":latest"):
            return _tokens(loaded.get("context_length"))
    return None


def _ollama(root: str, model: str, key: SecretStr | None) -> int | None:
    """As loaded; else as its Modelfile says; else all that the model could have."""
    if (loaded := loaded_by_ollama(_get(f"{root}/api/ps", key), model)) is not None:
        return loaded
    shown = mapping(_get(f"{root}/api/show", key, {"model": model, "name": model}))
    said = re.search(r"\bnum_ctx\s+(\d+)", str(shown.get("parameters") or ""))
    if said:
        return _tokens(int(said[1]))
    lengths = (value for name, value in mapping(shown.get("model_info")).items() if name.endswith(".context_length"))
    return next(filter(None, map(_tokens, lengths)), None)


def _lmstudio(root: str, model: str, key: SecretStr | None) -> int | None:
    listed = _entry(_get(f"{root}/api/v0/models", key), model)
    return _listed(listed)


def _entry(answer: object, model: str) -> Mapping[str, Any]:
    """Return a model's entry in a list.

    The only one where there is no other, since local servers take any name for it.
    """
    entries = list(_members(answer, "data"))
    named = [entry for entry in entries if str(entry.get("id")).removeprefix("models/") == model]
    return named[0] if named else entries[0] if len(entries) == 1 else {}


def _members(answer: object, name: str) -> Iterator[Mapping[str, Any]]:
    members = mapping(answer).get(name)
    yield from (member for member in (members if isinstance(members, list) else ()) if isinstance(member, Mapping))


def _listed(entry: Mapping[str, Any]) -> int | None:
    return next(filter(None, (_tokens(entry.get(name)) for name in _LISTED)), None)


def _tokens(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST else None


def _get(address: str, key: SecretStr | None, body: object = None) -> Any:
    """Return the JSON of an address; nothing of one that tells none, None where nobody answers (yet).

    This machine is asked past any proxy.
    """
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key.get_secret_value()}"
    request = urllib.request.Request(address, data, headers)  # noqa: S310 - the base URL is http or https, as checked
    handlers = [urllib.request.ProxyHandler({})] if is_loopback(address) else []
    opener = urllib.request.build_opener(_NoRedirect(), *handlers)
    try:
        with opener.open(request, timeout=SECONDS) as response:
            return json.loads(response.read(MOST_BYTES))
    except urllib.error.HTTPError as error:
        return None if error.code == LOADING else {}
    except (ValueError, RecursionError):
        return {}
    except (OSError, HTTPException):
        return None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **options: Any) -> None:
        """Stay at the address that was given."""
