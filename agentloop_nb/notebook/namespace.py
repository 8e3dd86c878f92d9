"""The user's namespace as a model is told of it, and as it changes."""

from __future__ import annotations

from types import ModuleType
from typing import Any

_SHELL_NAMES = {"In", "Out", "exit", "quit", "get_ipython"}


def visible(shell: Any) -> dict[str, Any]:
    """Names a user would call variables: not private, not IPython's, no modules."""
    hidden = shell.user_ns_hidden
    return {
        name: value
        for name, value in list(shell.user_ns.items())
        if not name.startswith("_")
        and name not in _SHELL_NAMES
        and not isinstance(value, ModuleType)
        and not (name in hidden and hidden[name] is value)
    }


def describe(shell: Any, tokens: int, earlier: list[tuple[str, str]]) -> str:  # noqa: ARG001
    """Tell what the kernel holds within a budget of tokens."""
    lines = [f"- {name}: {type(value).__name__}" for name, value in visible(shell).items()]
    return "Variables:\n" + "\n".join(lines) if lines else "The namespace is empty."
