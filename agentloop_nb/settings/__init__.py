"""Settings: a table of rows, the options that are typed, and what both come to, imported at its first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentloop_nb.settings.resolved import DEFAULT_MODEL, ENVIRONMENT, KEPT, Settings, dotenv, environment, resolve

__all__ = ["DEFAULT_MODEL", "ENVIRONMENT", "KEPT", "Settings", "dotenv", "environment", "resolve"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agentloop_nb.settings import resolved

    return getattr(resolved, name)
