"""The user's own cells so far: what the model is told of them, and what an export may bring along."""

from __future__ import annotations

import re
from typing import Any

_OURS = re.compile(r"\s*(?:%agent\b|%(?:re)?load_ext\s+agentloop_nb\b).*")


def user_cells(shell: Any) -> tuple[str, ...]:
    """Return the sources of the cells that ran before the present one, oldest first, cleaned of our own magics."""
    before = list(shell.history_manager.input_hist_raw)[1:-1]
    return tuple(filter(None, map(_cleaned, before)))


def _cleaned(source: str) -> str:
    if re.match(r"\s*%%agent\b", source):
        return ""
    lines = [line for line in source.splitlines() if not _OURS.fullmatch(line)]
    return "\n".join(lines).strip("\n")
