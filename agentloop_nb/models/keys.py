"""API keys: from the environment, from .env, or asked for once; never in a setting, a record or a representation."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import SecretStr

from agentloop_nb.errors import Hint, UserError
from agentloop_nb.models.providers import PROVIDERS

_remembered: dict[str, SecretStr] = {}

_FAULTS = {
    "holds a line break": r"[\r\n\v\f\x85\u2028\u2029]",
    "has quotation marks around it": r"""\A["'`].*["'`]\Z|[\u2018-\u201f\u2039\u203a\xab\xbb]""",
    "holds an invisible character": r"[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]",
    "holds a blank": r"\s",
    "holds a character that no key has": r"[^\x21-\x7e]",
}
"""What goes wrong with a key on its way through mails, chats and editors."""


def remember(provider: str, key: str | SecretStr) -> None:
    """Keep a key for the life of the process (`%agent login`). Raises `UserError` for a provider that takes none."""
    takers = [name for name, known in PROVIDERS.items() if known.key]
    if provider not in takers:
        raise UserError(f"{provider!r} takes no key", Hint("login", f"takes one for {', '.join(takers)}"))
    given = SecretStr(key.strip()) if isinstance(key, str) else key
    check(given, f"the key for {PROVIDERS[provider].title}")
    _remembered[provider] = given


def check(key: SecretStr, what: str) -> None:
    """Refuse a key that no server can have given. Raises `UserError`, one line, without the key."""
    text = key.get_secret_value()
    fault = next((fault for fault, pattern in _FAULTS.items() if re.search(pattern, text)), None)
    if fault is not None:
        raise UserError(
            f"{what} {fault}: copy it again, only the key itself", Hint("login", "asks for it", only="notebook")
        )


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
