"""The environment of this process, decoded once: all of it takes longer than most steps, and it hardly ever changes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

_known: tuple[dict[Any, Any], dict[str, str]] = ({}, {})
"""The variables as Python keeps them, and the same in words."""


def variables() -> Mapping[str, str]:
    """Return the variables as they are now. Values that have not changed are the same objects as before."""
    global _known  # noqa: PLW0603
    kept = getattr(os.environ, "_data", None)
    if type(kept) is not dict:
        return dict(os.environ)
    before, told = _known
    if kept != before:
        now = dict(kept)
        gone = {os.fsdecode(name) for name in before.keys() - now.keys()}
        fresh = {os.fsdecode(name): os.fsdecode(value) for name, value in now.items() - before.items()}
        told = {name: value for name, value in told.items() if name not in gone} | fresh
        _known = (now, told)
    return told
