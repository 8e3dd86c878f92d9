"""Vulgar fractions of a text, alone or after a whole number: `¾`, `2½`, `33⅓`, `1⁄3`."""

from __future__ import annotations

import re
import unicodedata

_SIGNS = "[¼-¾⅐-⅞]"
_GAP = "[ \u00a0\u2009\u202f]"
FRACTION = rf"(?:(?:\d{{1,9}}{_GAP}?)?{_SIGNS}|(?:\d{{1,9}}{_GAP})?\d{{1,4}}⁄\d{{1,4}})"
_SIGN = re.compile(rf"(?<=\d)(?={_SIGNS})")
_PARTS = re.compile(r"(?:(\d+)\s+)?(\d+)⁄(\d+)")
"""A fraction once its sign is taken apart: whole number, numerator, fraction slash, denominator."""


def fraction(number: str) -> float | None:
    """Return the value of a number with a fraction; None for any other."""
    parts = _PARTS.fullmatch(unicodedata.normalize("NFKC", _SIGN.sub(" ", number)))
    if parts is None or not int(parts[3]):
        return None
    return int(parts[1] or 0) + int(parts[2]) / int(parts[3])
