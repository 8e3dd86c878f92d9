"""How large a model is, as far as its server or its name tells: a small one runs on without end more easily."""

from __future__ import annotations

import re

SMALL = 2e9
"""Parameters up to which a model counts as small."""
SMALL_REPLY = 320
"""Tokens that a small model may answer with; a decision takes it about sixty."""
_IN_NAME = re.compile(r"(?<![a-z0-9.])(\d{1,4}(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE)
_UNITS = {"b": 1e9, "m": 1e6}


def is_small(name: str, parameters: int | None = None) -> bool:
    """Whether a model has few parameters: by its server's word, else by a name such as `qwen2.5-coder:0.5b`."""
    size = parameters or max(
        (float(number) * _UNITS[unit.lower()] for number, unit in _IN_NAME.findall(name)), default=0
    )
    return 0 < size <= SMALL
