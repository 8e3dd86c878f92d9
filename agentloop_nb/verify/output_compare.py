"""Compares the outputs of a cell with those it had before."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from agentloop_nb._internal.markup import WIDGET_VIEW
from agentloop_nb._internal.text import joined, strip_ansi
from agentloop_nb.actions.output_text import final_lines

Json = dict[str, Any]
Flat = dict[str, list[Any]]

_ADDRESS = re.compile(r"\bat 0x(?:[0-9a-fA-F]{8,16}\b|[0-9a-fA-F]{1,16}(?=[^<>\n]{0,300}>))")
_ID = re.compile(r"(<[^<>\n]{0,300}?\bid=)\d{9,}(?=[^<>\n]{0,300}>)")
_WARNING_PLACE = re.compile(
    r"^(?:(?:[A-Za-z]:)?[^\s:][^:\n]{0,300}\.pyx?|<[^<>\n]{1,300}>):\d+: (?=\w*(?:Warning|Error)\b)", re.MULTILINE
)
_IPYKERNEL_FILE = re.compile(r"(?:/\S{0,300}?)?ipykernel_\d+/\d+\.py|<ipython-input-[^>]*>|\b\d+\.py\b(?=, line \d)")
_SYNTAX_PLACE = re.compile(r"\((?:<[^<>()\n]{1,300}>|[^()\s,]{0,300}?(?:\.py|cell)), (?=line \d+\))")
_TEMPORARY = re.compile(r"(?:<tmp>|/tmp|/var/folders/[^\s/]{1,300})/[^\s='\"(),;:]+")
_STYLER = re.compile(r"(?<![A-Za-z0-9])T_[0-9a-f]{5}(?=_|\b)")
_ATTRIBUTE_ID = re.compile(r"""(?<![\w-])(?:id|for|href|aria-\w+)=["']#?([\w:.-]+)["']""")
_RANDOM = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}"
    r"|(?=[a-z_-]{0,40}\d)(?=[\d_-]{0,40}[a-z])[0-9a-f]{8,}|(?<![\d.])\d{9,}(?![\d.])"
)
_MODEL_ID = re.compile(r"""(["']?model_id["']?\s*[:=]\s*["']?)[0-9a-zA-Z_-]+""")
_DURATION = re.compile(r"\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\s?(?:ns|µs|μs|us|ms|s|sec|secs|seconds|min|minutes|h)\b")
_RATE = re.compile(
    r"(?<!\d)\d+(?:\.\d+)?\s?(?:it|B|kB|MB|GB|k|M)/s|\d\d:\d\d(?::\d\d)?|\?it/s|(?<!\d)\d+(?:\.\d+)?s/it"
)
_PICTURES = ("image/png", "image/jpeg")
_MARKUP = ("text/html", "image/svg+xml")


def same(recorded: Iterable[Json], fresh: Iterable[Json], *, timed: bool = False, pictures: bool = True) -> bool:
    """Whether two lists of outputs tell the same, apart from addresses, temporary paths and progress bars.

    `timed` leaves out durations too; `pictures` compares figures byte by byte.
    """
    return _settled(recorded, timed=timed, pictures=pictures) == _settled(fresh, timed=timed, pictures=pictures)


def same_for_nbval(recorded: Iterable[Json], fresh: Iterable[Json]) -> bool:
    """Whether `pytest --nbval` without options would call two lists of outputs the same."""
    left, right = flat(recorded), flat(fresh)
    for each in (left, right):
        for key in (*_PICTURES, WIDGET_VIEW):
            each.pop(key, None)
    return left == right


def flat(outputs: Iterable[Json]) -> Flat:
    """Return what is compared, by kind: stream name, MIME type, error name and message; in order within each kind."""
    found: Flat = defaultdict(list)
    for output in outputs:
        match output["output_type"]:
            case "stream":
                name = output.get("name", "stdout")
                found[name] = ["".join(found[name]) + joined(output.get("text", ""))]
            case "error":
                found["ename"].append(output.get("ename"))
                found["evalue"].append(output.get("evalue"))
            case _:
                for mime, value in output.get("data", {}).items():
                    found[mime].append(value if mime.endswith("json") else joined(value))
    return dict(found)


def skeleton(outputs: Iterable[Json]) -> dict[str, list[int]]:
    """Return the shape of outputs: which kinds, and how many lines each has."""
    return {key: [str(value).count("\n") for value in values] for key, values in flat(outputs).items()}


def failed(outputs: Iterable[Json]) -> Json | None:
    """Return the error that a cell ended with, if it did."""
    return next((output for output in outputs if output["output_type"] == "error"), None)


def _settled(outputs: Iterable[Json], *, timed: bool, pictures: bool) -> Flat:
    found: Flat = {}
    for key, values in flat(outputs).items():
        if key == WIDGET_VIEW:
            continue
        if key in _PICTURES:
            found[key] = values if pictures else [True for _ in values]
        else:
            found[key] = [_settled_value(key, value, timed=timed) for value in values]
    return found


def _settled_value(mime: str, value: Any, *, timed: bool) -> Any:
    """Return an output without what is made up anew each time: addresses and ids."""
    if not isinstance(value, str):
        return json.loads(_without_ids(json.dumps(value, sort_keys=True))) if mime.endswith("json") else value
    return _plain(_without_ids(value, markup=mime in _MARKUP or "<" in value), timed=timed)


def _without_ids(text: str, *, markup: bool = False) -> str:
    """Name random ids by the order in which they appear, so that what refers to one still does."""
    text = _MODEL_ID.sub(r"\1id", text)
    if not markup:
        return text
    named = [part for each in _ATTRIBUTE_ID.findall(text) for part in _RANDOM.findall(each)]
    for number, name in enumerate(sorted({*_STYLER.findall(text), *named}, key=text.index)):
        text = text.replace(name, f"id{number}")
    return text


def _final(line: str, *, timed: bool) -> str:
    """Return what a line shows at last; of one that was written over, without durations and rates."""
    shown = final_lines(line)
    return _RATE.sub("…", _DURATION.sub("…", shown)) if timed or "\r" in line else shown


def _plain(text: str, *, timed: bool) -> str:
    lines = strip_ansi(text).replace("\r\n", "\n").split("\n")
    text = "\n".join(_final(line, timed=timed) for line in lines)
    for pattern, name in (
        (_ADDRESS, "at 0x…"),
        (_ID, r"\1…"),
        (_WARNING_PLACE, ""),
        (_IPYKERNEL_FILE, "cell"),
        (_SYNTAX_PLACE, "("),
        (_TEMPORARY, "<tmp>"),
    ):
        text = pattern.sub(name, text)
    return "\n".join(line.rstrip() for line in text.split("\n")).rstrip("\n")
