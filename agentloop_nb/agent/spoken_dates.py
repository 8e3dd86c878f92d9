"""Dates of a text in the notations and languages that people write them in, with or without day or year."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

_NAMES = (
    "january jan januar janvier enero ene janeiro gennaio januari",
    "february feb februar février fevrier febrero fevereiro febbraio februari",
    "march mar märz maerz mars marzo março marco maart",
    "april apr avril abril abr aprile",
    "may mai mayo maio maggio mei",
    "june jun juni juin junio junho giugno",
    "july jul juli juillet julio julho luglio",
    "august aug août aout agosto ago augustus",
    "september sep sept septembre septiembre setembro settembre",
    "october oct oktober okt octobre octubre outubro ottobre",
    "november nov novembre noviembre novembro",
    "december dec dezember dez décembre decembre diciembre dic dezembro dicembre",
)
_MONTHS = {name: number for number, names in enumerate(_NAMES, 1) for name in names.split()}
_BY_LETTER = {
    letter: sorted((name[1:] for name in _MONTHS if name[0] == letter), key=len, reverse=True)
    for letter in sorted({name[0] for name in _MONTHS})
}
_MONTH = "|".join(f"{letter}(?:{'|'.join(rest)})" for letter, rest in _BY_LETTER.items())
_DAY = r"(?P<{0}>\d{{1,2}})(?:st|nd|rd|th|er|º|ª|\.)?"
_OF = r" (?:of |de |d')?"
_DATE = re.compile(
    rf"(?<!\d)(?:(?=\d)(?:(?P<y>\d{{4}})[-/.](?P<m>\d\d)[-/.](?P<d>\d\d)"
    rf"|{_DAY.format('d2')}{_OF}(?P<m2>{_MONTH})\b\.?,?(?: de| of)? (?P<y2>\d{{4}})"
    r"|(?P<d4>\d{1,2})[./](?P<m4>\d{1,2})[./](?P<y4>\d{4}))"
    rf"|\b(?=[^\W\d_]{{3}})(?P<m3>{_MONTH})\.? {_DAY.format('d3')},? (?P<y3>\d{{4}}))(?!\d)",
    re.IGNORECASE,
)
_MONTH_ONLY = re.compile(
    r"(?<![\d-])(?P<y>\d{4})-(?P<m>\d\d)(?![-\d])"
    rf"|\b(?=[^\W\d_]{{3}})(?P<m2>{_MONTH})\b\.?(?: de| of)? (?P<y2>\d{{4}})(?!\d)",
    re.IGNORECASE,
)


class Day(NamedTuple):
    """A date, or a month of a year, whose day is 0."""

    year: int
    month: int
    day: int = 0


def without_dates(text: str) -> str:
    """Return the text with a space in the place of each date."""
    return _DATE.sub(" ", text)


def dates(text: str) -> dict[str, set[Day]]:
    """Return the dates of a text as it writes them, with what each may mean: nothing, if there is no such day."""
    found: dict[str, set[Day]] = {}
    for match in _DATE.finditer(text):
        parts = _parts(match)
        year, month, day = int(parts["y"]), _month(parts["m"]), int(parts["d"])
        ways = {(year, month, day), (year, day, month)} if match["y4"] and "/" in match[0] else {(year, month, day)}
        found[match[0]] = {Day(*way) for way in ways if _is_date(*way)}
    return found


def months(text: str) -> dict[str, set[Day]]:
    """Return the months of a year that a text names, as it writes them."""
    return {match[0]: {month} for match, month in _months(without_dates(text))}


def is_in(month: Collection[Day], known: Collection[Day]) -> bool:
    """Whether one of these months is named, or has a date in what is known."""
    return any((each.year, each.month) == (day.year, day.month) for each in month for day in known)


def _months(text: str) -> Iterator[tuple[re.Match[str], Day]]:
    for match in _MONTH_ONLY.finditer(text):
        parts = _parts(match)
        if 1 <= (month := _month(parts["m"])) <= 12:
            yield match, Day(int(parts["y"]), month)


def _parts(match: re.Match[str]) -> dict[str, str]:
    return {key[0]: value for key, value in match.groupdict().items() if value}


def _month(text: str) -> int:
    return int(text) if text.isdecimal() else _MONTHS[text.lower()]


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        dt.date(year, month, day)
    except ValueError:
        return False
    return True
