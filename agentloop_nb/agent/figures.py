"""Figures of a text as a reader means them: rounded, in per cent, in thousands, or with a unit."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agentloop_nb.agent.durations import durations, without_durations
from agentloop_nb.agent.spoken_dates import without_dates
from agentloop_nb.agent.units import DURATIONS, POINTS, TIMES, UNITS, WORDS, scales_of, temperatures
from agentloop_nb.agent.vulgar_fractions import FRACTION, fraction

_GAP = "[, '’\u202f\u2009\u00a0_]"
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−", "0123456789--")
_TEN = r"(?:[eE][-+]?\d+|\s?[×x·*]\s?10(?:(?:\^|\*\*)[-−]?\d+|[⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+))"
_NUMBER = (
    rf"(?:{FRACTION}"
    r"|\d{1,3}(?:\.\d{3}){2,}(?!\d)(?:,\d+)?|\d{1,3}(?:\.\d{3})+,\d+"  # 1.234.567,89
    r"|\d{1,2}(?:,\d{2})+,\d{3}(?!\d)(?:\.\d+)?"  # 12,34,567.89, as in India
    rf"|(?:\d+(?:{_GAP}\d{{3}}(?!\d))*(?:[.,]\d+)?|\.\d+){_TEN}?)"
)
_UNIT = "|".join(map(re.escape, UNITS))
_FIGURE = re.compile(
    rf"(?:(?<![\w.,/:-])|(?<=\d-)(?=\d+[.,]\d))[-+−±]?(?P<sign>[$€£¥₹]?)(?P<number>{_NUMBER})"
    rf"(?:\s?(?P<unit>{_UNIT})(?!\w)|(?=\s?(?:[-–—]|to|and|bis|und|à|a)\s?{_NUMBER}\s?(?P<later>{_UNIT})(?!\w)))?"
    r"(?!\w|\.\d|:\d|/\d)",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(rf"(?<=\d){_GAP}(?=\d{{3}}(?!\d))|(?<=\d),(?=\d\d,)")
_DOTTED = re.compile(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?")
_LIST_MARK = re.compile(r"^[^\S\n]*(?:\d{1,2}[.)]|#{1,6} \d{1,2}\.?)\s", re.MULTILINE)
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_ABOUT = re.compile(
    r"(?:about|around|roughly|approximately|nearly|almost|over|more than|less than|~|≈|circa|ca\.|etwa|environ)\s*$",
    re.IGNORECASE,
)
_NO_FIGURE = re.compile(
    r"(?:\b(?:version|release|v\.?|python|pandas|numpy|scipy|matplotlib|iso|rfc|pep|step|figure|fig\.|table|section|part|no\.)|#)"
    r"\s*$",
    re.IGNORECASE,
)
"""What stands before a number that names something."""
LONGEST = 10_000
"""Characters of a summary that are looked through."""
MOST_COUNTED = 12
"""Counts up to this are never checked: they are mostly words."""
SMALL = 3
ABOUT_A_FRACTION = 0.05
"""How far from `about ⅓` what it stands for may lie."""
OF_A_WHOLE = (1.0, 100.0)
"""A fraction without a unit may tell a share, or a per cent."""
YEARS = range(1900, 2101)


class Figure(NamedTuple):
    """A figure of a text: what it may mean, and how far from that what it was rounded from may lie."""

    text: str
    values: tuple[tuple[float, float], ...]
    """Each with half its last place, in the units of the text; two where a sign may part thousands or decimals."""
    scales: tuple[float, ...]
    """What its values may have been multiplied by, when they were told in another unit."""
    digits: int
    """Significant ones."""
    points: bool = False
    """It tells the difference of two shares."""
    timed: bool = False
    """It tells a duration."""


def figures(text: str) -> list[Figure]:
    """List the figures of a summary that can be checked, each once, in order."""
    text = without_dates(_LIST_MARK.sub("", _CODE.sub("", text[:LONGEST])))
    made = [_duration(*each) for each in durations(text).items()]
    text = without_durations(text)
    found = (_figure(match, text) for match in _FIGURE.finditer(text))
    return list({each.text: each for each in (*found, *made) if each is not None}.values())


def _figure(match: re.Match[str], text: str) -> Figure | None:
    number, unit = match["number"], (match["unit"] or match["sign"] or "").lower()
    before, after = text[max(match.start() - 20, 0) : match.start()], text[match.end() : match.end() + 12]
    readings = dict(_readings(number, dotted=True))
    if unit in TIMES | WORDS:
        after = f" {unit.strip('-')}{after}"
    counted = not unit or unit in TIMES | WORDS
    if _NO_FIGURE.search(before) or not readings or (counted and _is_count(number, next(iter(readings)), after)):
        return None
    about, unit = _ABOUT.search(before) is not None, unit or (match["later"] or "").lower()
    part = fraction(number)
    least = ABOUT_A_FRACTION if about and part is not None else 0.0
    values = [(value, max(_half(text, about=about), least) + value * 1e-15) for value, text in readings.items()]
    sign = -1 if match[0].lstrip()[0] in "-−" else 1
    values += [each for value, half in values for each in temperatures(unit, sign * value, half)]
    told = match[0].strip().lstrip("+-−±")
    digits = len(re.sub(r"\D", "", number).lstrip("0"))
    scales = OF_A_WHOLE if part is not None and part < 1 and not unit else scales_of(unit)
    return Figure(told, tuple(values), scales, digits, unit in POINTS, unit in DURATIONS)


def _duration(text: str, told: tuple[float, float]) -> Figure:
    """Read a duration in several units; what is less than its smallest one may have been cut off."""
    total, last = told
    half = last / 2 * (1 - 1e-9)
    return Figure(text, ((total, half), (total + last / 2, half)), scales_of("s"), 4, timed=True)


def _is_count(number: str, value: float, after: str) -> bool:
    """Whether a bare number is a small count, or a year."""
    whole = value.is_integer() and number.isdecimal()
    counted = value <= MOST_COUNTED and re.match(r"\s+[^\W\d_]|\s×", after) is not None
    return whole and (value <= SMALL or counted or (len(number) == 4 and int(value) in YEARS))


def _half(number: str, *, about: bool) -> float:
    """Half of the last place of a number, for what was rounded to it; of a rough one, that of its last digit but 0."""
    mantissa, _, exponent = number.lower().partition("e")
    whole, _, decimals = mantissa.partition(".")
    place = -len(decimals)
    if about and not decimals:
        place = len(whole) - len(whole.rstrip("0"))
    return float(10.0 ** (place + int(exponent or 0))) / 2 * (1 + 1e-9)


def _readings(number: str, *, dotted: bool = False) -> Iterator[tuple[float, str]]:
    """Yield what a number may mean: in `1,234` the comma may part thousands or decimals; the dot only if `dotted`."""
    if (part := fraction(number)) is not None:
        yield float(f"{part:.3g}"), f"{part:.3f}"  # 33⅓ may have been shown as 33.3
        yield part, f"{part:.2f}"
        return
    number = re.sub(r"\s?[×x·*]\s?10(?:\^|\*\*)?", "e", number, flags=re.IGNORECASE).translate(_SUPERSCRIPTS)
    ways = [_SEPARATOR.sub("", number).replace(",", "."), number.replace(",", ".")]
    if _DOTTED.fullmatch(number) and number[0] != "0" and (dotted or number.count(".") > 1 or "," in number):
        ways.append(number.replace(".", "").replace(",", "."))
    for reading in dict.fromkeys(ways):
        try:
            yield float(reading), reading
        except ValueError:
            continue


def numbers(text: str) -> list[float]:
    """Return every number of a text that was shown, sorted; the sign does not matter."""
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
