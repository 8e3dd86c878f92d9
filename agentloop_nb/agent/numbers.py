"""Figures of a text: whether another text shows them, rounding, units of thousand and per cent allowed."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

_NUMBER = re.compile(r"(?<![\w.,/-])[-+]?\d+(?:[, '\u202f\u00a0_]\d{3}(?!\d))*(?:[.,]\d+)?(?:[eE][-+]?\d+)?(?!\w|\.\d)")
_SEPARATOR = re.compile(r"(?<=\d)[, '\u202f\u00a0_](?=\d{3}(?!\d))")
_LIST_MARK = re.compile(r"^\s*\d{1,2}[.)]\s", re.MULTILINE)
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
SCALES = (1.0, 100.0, 0.01, 1e3, 1e-3, 1e6, 1e-6, 1e9, 1e-9)
"""A figure may be told in per cent, in thousands, in millions."""
MOST_READ = 400_000
"""Characters of what was shown that are looked through, the newest."""
SMALL = 3
"""Whole numbers up to this are mostly words: one of them, two files, in three ways."""


def unshown(summary: str, shown: str) -> list[str]:
    """List the figures of a summary that nothing shown accounts for, each once, in order."""
    told = _LIST_MARK.sub("", _CODE.sub("", summary))
    known = sorted({value for text in _figures(shown[-MOST_READ:]) for value in _values(text)})
    found = (text for text in _figures(told) if not any(_is_known(text, value, known) for value in _values(text)))
    return list(dict.fromkeys(found))


def _figures(text: str) -> Iterator[str]:
    return (match[0].lstrip("+-") for match in _NUMBER.finditer(text))


def _values(text: str) -> set[float]:
    """What a figure may mean: in `1,234` the comma may part thousands or decimals."""
    readings = {_SEPARATOR.sub("", text).replace(",", "."), text.replace(",", ".")}
    found = set()
    for reading in readings:
        try:
            found.add(float(reading))
        except ValueError:
            continue
    return found


def _is_known(text: str, value: float, known: list[float]) -> bool:
    if value.is_integer() and value <= SMALL:
        return True
    digits = len(re.split(r"[.,]", re.split("[eE]", text)[0])[-1]) if re.search(r"[.,]\d", text) else 0
    slack = 10.0**-digits * (1 + 1e-9) if digits else 0.5 + 1e-9
    slack = max(slack, value * 1e-9)
    return any(_within(known, value / scale, slack / scale) for scale in SCALES)


def _within(known: list[float], value: float, slack: float) -> bool:
    """Whether one of the sorted figures lies within the slack of a value."""
    index = bisect_left(known, value - slack)
    return index < len(known) and known[index] <= value + slack
