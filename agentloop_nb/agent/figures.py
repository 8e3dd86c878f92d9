"""Figures of a text as a reader means them: rounded, in per cent, in thousands, with a unit, or as a date."""

from __future__ import annotations

import datetime as dt
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_GAP = "[, '\u202f\u00a0_]"
_NUMBER = rf"\d+(?:{_GAP}\d{{3}}(?!\d))*(?:[.,]\d+)?(?:[eE][-+]?\d+)?"
_FAMILIES: tuple[dict[str, float], ...] = (
    {"%": 1, "percent": 1, "per cent": 1, "percentage points": 1, "prozent": 1},
    {"thousand": 1e3, "k": 1e3, "million": 1e6, "millions": 1e6, "mio": 1e6, "m": 1e6, "billion": 1e9, "bn": 1e9},
    {"mm": 1e-3, "cm": 1e-2, "metres": 1, "meters": 1, "km": 1e3},
    {"mg": 1e-3, "g": 1, "kg": 1e3, "t": 1e6, "tonnes": 1e6},
    {"ms": 1e-3, "s": 1, "seconds": 1, "min": 60, "minutes": 60, "h": 3600, "hours": 3600, "days": 86400},
    {"bytes": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12},
    {"°c": 1, "°f": 1, "°": 1, "eur": 1, "usd": 1, "€": 1, "$": 1, "£": 1},
)
"""Units that a figure may be told in; those of a family are turned into each other."""
_UNITS = sorted({unit for family in _FAMILIES for unit in family}, key=len, reverse=True)
_FIGURE = re.compile(
    rf"(?<![\w.,/:-])[-+−]?(?P<sign>[$€£]?)(?P<number>{_NUMBER})"
    rf"(?:\s?(?P<unit>{'|'.join(map(re.escape, _UNITS))})(?!\w))?(?!\w|\.\d|:\d)",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(rf"(?<=\d){_GAP}(?=\d{{3}}(?!\d))")
_LIST_MARK = re.compile(r"^\s*(?:\d{1,2}[.)]|#{1,6} \d{1,2}\.?)\s", re.MULTILINE)
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_ABOUT = re.compile(
    r"(?:about|around|roughly|approximately|nearly|almost|over|more than|less than|~|≈|circa|etwa)\s*$", re.IGNORECASE
)
_NO_FIGURE = re.compile(
    r"(?:\b(?:version|release|v\.?|python|pandas|numpy|scipy|matplotlib|step|figure|fig\.|table|section|part|no\.)|#)"
    r"\s*$",
    re.IGNORECASE,
)
"""What stands before a number that names something."""
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_MONTH = "|".join(f"{name}|{name[:3]}" for name in _MONTHS)
_DAY = r"(?P<{0}>\d{{1,2}})(?:st|nd|rd|th|\.)?"
_DATE = re.compile(
    rf"(?<!\d)(?:(?P<y>\d{{4}})-(?P<m>\d\d)-(?P<d>\d\d)"
    rf"|{_DAY.format('d2')} (?P<m2>{_MONTH})\.?,? (?P<y2>\d{{4}})"
    rf"|(?P<m3>{_MONTH})\.? {_DAY.format('d3')},? (?P<y3>\d{{4}})"
    r"|(?P<d4>\d{1,2})[./](?P<m4>\d{1,2})[./](?P<y4>\d{4}))(?!\d)",
    re.IGNORECASE,
)
MOST_COUNTED = 12
"""Counts up to this are never checked: they are mostly words."""
SMALL = 3
YEARS = range(1900, 2101)


class Figure(NamedTuple):
    """A figure of a text: what it may mean, and how far from that what it was rounded from may lie."""

    text: str
    values: tuple[tuple[float, float], ...]
    """Each with half its last place, in the units of the text; two where a comma may part thousands or decimals."""
    scales: tuple[float, ...]
    """What its values may have been multiplied by, when they were told in another unit."""
    digits: int
    """Significant ones."""


def figures(text: str) -> list[Figure]:
    """List the figures of a summary that can be checked, each once, in order."""
    text = _DATE.sub(" ", _LIST_MARK.sub("", _CODE.sub("", text)))
    found = (_figure(match, text) for match in _FIGURE.finditer(text))
    return list({each.text: each for each in found if each is not None}.values())


def _figure(match: re.Match[str], text: str) -> Figure | None:
    number, unit = match["number"], (match["unit"] or match["sign"] or "").lower()
    before, after = text[max(match.start() - 20, 0) : match.start()], text[match.end() : match.end() + 12]
    readings = dict(_readings(number))
    if _NO_FIGURE.search(before) or not readings or (not unit and _is_count(number, next(iter(readings)), after)):
        return None
    about = _ABOUT.search(before) is not None
    values = tuple((value, _half(text, about=about) + value * 1e-15) for value, text in readings.items())
    told = match[0].strip().lstrip("+-−")
    return Figure(told, values, _scales(unit), len(re.sub(r"\D", "", number).lstrip("0")))


def _is_count(number: str, value: float, after: str) -> bool:
    """Whether a bare number is a small count, or a year."""
    whole = value.is_integer() and number.isdecimal()
    counted = value <= MOST_COUNTED and re.match(r"\s+[^\W\d_]", after) is not None
    return whole and (value <= SMALL or counted or (len(number) == 4 and int(value) in YEARS))


def _scales(unit: str) -> tuple[float, ...]:
    """Return what brings a value in this unit to those it may have been computed in."""
    if not unit:
        return (1.0,)
    family = next(each for each in _FAMILIES if unit in each)
    if unit in _FAMILIES[0]:
        return (1.0, 0.01)
    return tuple(dict.fromkeys([1.0, *(family[unit] / other for other in {1.0, *family.values()})]))


def _half(number: str, *, about: bool) -> float:
    """Half of the last place of a number, for what was rounded to it; of a rough one, that of its last digit but 0."""
    mantissa, _, exponent = number.lower().partition("e")
    whole, _, decimals = mantissa.partition(".")
    place = -len(decimals)
    if about and not decimals:
        place = len(whole) - len(whole.rstrip("0"))
    return float(10.0 ** (place + int(exponent or 0))) / 2 * (1 + 1e-9)


def _readings(number: str) -> Iterator[tuple[float, str]]:
    """Yield what a number may mean: in `1,234` the comma may part thousands or decimals."""
    for reading in dict.fromkeys([_SEPARATOR.sub("", number).replace(",", "."), number.replace(",", ".")]):
        try:
            yield float(reading), reading
        except ValueError:
            continue


def numbers(text: str) -> list[float]:
    """Every number of a text that was shown, sorted; the sign does not matter."""
    found = {value for match in re.finditer(rf"(?<![\w.]){_NUMBER}", text) for value, _ in _readings(match[0])}
    return sorted(found)


def matches(figure: Figure, known: Sequence[float]) -> bool:
    """Whether one of the sorted numbers is what a figure tells."""
    return any(
        _within(known, value * scale, slack * scale) for value, slack in figure.values for scale in figure.scales
    )


def _within(known: Sequence[float], value: float, slack: float) -> bool:
    index = bisect_left(known, value - slack)
    return index < len(known) and known[index] <= value + slack


def derived(known: Sequence[float]) -> list[float]:
    """Return the differences, sums, ratios and percent changes of each two numbers, sorted."""
    found = set()
    for one in known:
        for other in known:
            if one != other:
                found |= {one + other, abs(one - other)}
                found |= {one / other, abs(one - other) / abs(other) * 100, one / other * 100} if other else set()
    return sorted(found)


def dates(text: str) -> dict[str, set[dt.date]]:
    """Return the dates of a text as it writes them, with what each may mean."""
    found: dict[str, set[dt.date]] = {}
    for match in _DATE.finditer(text):
        parts = {key[0]: value for key, value in match.groupdict().items() if value}
        year, month, day = int(parts["y"]), _month(parts["m"]), int(parts["d"])
        ways = {(year, month, day), (year, day, month)} if match["y4"] and "/" in match[0] else {(year, month, day)}
        found[match[0]] = {date for way in ways if (date := _date(*way)) is not None}
    return found


def _month(text: str) -> int:
    if text.isdecimal():
        return int(text)
    return next(number for number, name in enumerate(_MONTHS, 1) if name.startswith(text.lower()[:3]))


def _date(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None
