"""Durations of a text, told in several units or as on a clock, in seconds."""

from __future__ import annotations

import re

from agentloop_nb.agent.units import DURATIONS

_SHORT = {"d": "days", "m": "min"}
_HOURS, _MINUTES = r"hours?|hrs?|std\.?|stunden?|heures?|horas?|h", r"minutes?|minuten|mins?|min|m"
_PARTED = (
    rf"(?>\d{{1,4}} ?(?:days?|d|{_HOURS}|{_MINUTES}),? ?(?:and )?){{1,6}}"
    rf"\d{{1,2}}(?:\.\d{{1,9}})? ?(?:{_HOURS}|{_MINUTES}|seconds?|secs?|s)"
)
"""`1 h 30 min`, `2m30s`."""
_ON_A_CLOCK = (
    r"(?P<first>\d{1,3}):(?P<second>\d\d)(?::(?P<third>\d\d(?:\.\d{1,9})?))? ?"
    rf"(?:(?P<hours>{_HOURS})|{_MINUTES})"
)
"""`1:30 h`, `2:30 min`, `1:30:15 h`."""
_WITHIN = r"(?P<h>\d{1,3}) ?h ?(?P<m>\d\d)"
"""`1h30`."""
_DURATION = re.compile(rf"(?<![\w.,/:-])(?:{_PARTED}|{_ON_A_CLOCK}|{_WITHIN})(?!\w|[.,:]\d)", re.IGNORECASE)
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?([a-zé]+)", re.IGNORECASE)
_SHOWN = re.compile(r"(?:(\d{1,9}) days?,? \+?)?(?<![\d:.])(\d{1,4}):([0-5]\d)(?::([0-5]\d(?:\.\d{1,9})?))?(?![\d:])")


def durations(text: str) -> dict[str, tuple[float, float]]:
    """Return the durations of a text as it writes them: each in seconds, with its smallest unit."""
    return {match[0]: _seconds(match) for match in _DURATION.finditer(text)}


def without_durations(text: str) -> str:
    """Return the text with a space in the place of each duration."""
    return _DURATION.sub(" ", text)


def _seconds(match: re.Match[str]) -> tuple[float, float]:
    if match["m"]:
        return int(match["h"]) * 3600.0 + int(match["m"]) * 60, 60.0
    if match["first"]:
        parts = (match["first"], match["second"], match["third"])
        return _of_clock(*parts, hours=bool(match["hours"])), 60.0 if match["hours"] and not match["third"] else 1.0
    told = [(float(value), _unit(unit.lower())) for value, unit in _PART.findall(match[0])]
    return sum(value * unit for value, unit in told), told[-1][1]


def _unit(name: str) -> float:
    name = _SHORT.get(name, name)
    return DURATIONS.get(name, DURATIONS["h"] if name.startswith(("st", "h")) else 60.0)


def _of_clock(first: str, second: str, third: str | None, *, hours: bool) -> float:
    if third or hours:
        return int(first) * 3600.0 + int(second) * 60 + float(third or 0)
    return int(first) * 60.0 + int(second)


def clocks(text: str) -> list[float]:
    """Return every time that was shown as on a clock, in seconds, sorted: `1:30` may be hours or minutes."""
    found = set()
    for days, *parts in (match.groups() for match in _SHOWN.finditer(text)):
        found |= {int(days or 0) * 86400 + _of_clock(*parts, hours=hours) for hours in (True, False)}
    return sorted(found)
