"""A key typed into a cell: never shown, tried with its server, and kept until the kernel ends."""

from __future__ import annotations

from getpass import getpass

from agentloop_nb.errors import UserError
from agentloop_nb.models import keys
from agentloop_nb.models.providers import PROVIDERS
from agentloop_nb.reports.queries import Place, models


def take_key(place: Place, word: str) -> str:
    """Ask for a provider's key and keep it; return what its server says of it. Raises `UserError`."""
    provider = (word or "openai").lower()
    takers = [name for name, known in PROVIDERS.items() if known.key]
    if provider not in takers:  # before anybody types a key in
        raise UserError(f"{provider!r} takes no key; %agent login takes one for {', '.join(takers)}")
    title = PROVIDERS[provider].title
    question = f"Key for {title} (not shown, kept until the kernel ends): "
    try:
        key = _colab_key(provider) or getpass(question)
    except (EOFError, NotImplementedError):
        raise UserError("nobody is there to type a key in; set it in the environment or in .env instead") from None
    if not key.strip():
        raise UserError("no key was given; type %agent login again")
    keys.remember(provider, key.strip())
    kept = f"The key for {title} is kept until this kernel ends; after a restart, type %agent login again."
    return f"{kept}\n{_tried(place, provider)}"


def _tried(place: Place, provider: str) -> str:
    """Ask the server for its models with the key: that costs nothing."""
    try:
        offered = len(models(place, [provider], {}).splitlines())
    except UserError as error:
        return f"It was tried: {error}"
    return f"It was tried: the server takes it, and offers {offered} models (%agent models {provider} lists them)."


def _colab_key(provider: str) -> str | None:
    """Return the key among Colab's user data, if this is Colab and it is there."""
    try:
        from google.colab import userdata
    except ImportError:
        return None
    try:
        return str(userdata.get(f"{provider.upper()}_API_KEY"))
    except Exception:  # noqa: BLE001 - not found, or access not granted: ask instead
        return None
