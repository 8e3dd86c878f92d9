"""Word lists."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """Return the words of a text, as the tables of this package are written."""
    return frozenset(text.split())
