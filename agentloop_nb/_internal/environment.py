"""The environment of this process, decoded once: all of it takes longer than most steps, and it hardly ever changes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any


class _Decoded:
    """The variables as Python keeps them, and the same in words."""

    def __init__(self) -> None:
        self._known: tuple[dict[Any, Any], dict[str, str]] = ({}, {})

    def now(self, kept: dict[Any, Any]) -> dict[str, str]:
        """Return the variables in words; only what has changed is decoded."""
        before, told = self._known
        if kept != before:
            now = dict(kept)
            gone = {os.fsdecode(name) for name in before.keys() - now.keys()}
            fresh = {os.fsdecode(name): os.fsdecode(value) for name, value in now.items() - before.items()}
            told = {name: value for name, value in told.items() if name not in gone} | fresh
            self._known = (now, told)
        return told


_DECODED = _Decoded()


def variables() -> Mapping[str, str]:
    """Return the variables as they are now. Values that have not changed are the same objects as before."""
    kept = getattr(os.environ, "_data", None)
    return _DECODED.now(kept) if type(kept) is dict else dict(os.environ)
