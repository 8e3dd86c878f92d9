"""API keys: from the environment, from .env, or asked for once; never in a setting, a record or a representation."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from agentloop_nb.errors import UserError
from agentloop_nb.models.providers import PROVIDERS

_remembered: dict[str, SecretStr] = {}


def remember(provider: str, key: str | SecretStr) -> None:
    """Keep a key for the life of the process (`%agent login`). Raises `UserError` for a provider that takes none."""
    takers = [name for name, known in PROVIDERS.items() if known.key]
    if provider not in takers:
        raise UserError(f"{provider!r} takes no key; %agent login takes one for {', '.join(takers)}")
    _remembered[provider] = SecretStr(key.strip()) if isinstance(key, str) else key


def key_for(provider: str, variables: Mapping[str, str]) -> SecretStr | None:
    """Return a provider's key: the one asked for, else its own variable; None when there is none, or none is needed."""
    if (key := _remembered.get(provider)) is not None:
        return key
    known = PROVIDERS.get(provider)
    value = variables.get(known.key, "").strip() if known and known.key else ""
    return SecretStr(value) if value else None


def without(key: SecretStr | None, text: str) -> str:
    """Take a key out of a message, in case a server repeats it."""
    secret = key.get_secret_value() if key else ""
    return text.replace(secret, "•••") if len(secret) >= 8 else text


def known_keys(variables: Mapping[str, str]) -> list[SecretStr]:
    """Return every key there is, so that it can be masked wherever text leaves the process."""
    keys = (key_for(provider, variables) for provider in PROVIDERS)
    return [key for key in keys if key is not None]
