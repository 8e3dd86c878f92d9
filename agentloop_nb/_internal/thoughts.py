"""Tell a model's decision from the thoughts that it wrote around it, in any of the forms that models use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MOST_TRIES = 500
"""Opening braces that are tried as the start of an object; more are no reply but noise."""

_NAMES = r"(?:[a-z]+:)?(?:think(?:ing)?|thoughts?|reasoning|reflection|analysis|scratchpad)"
_TAG = re.compile(
    rf"<(?!<)(?:(?P<close>/)?{_NAMES}(?:\s[^<>]*)?>|\|(?:begin|(?P<close4>end))_of_thought\|>)"
    r"|\[(?P<close2>/)?THINK\]"
    r"|◁(?P<close3>/)?think▷",
    re.IGNORECASE,
)
_CHANNEL = re.compile(r"(?:<\|channel\|?>|<channel\|>)\s*(\w+)?(.*?)(?:<\|message\|>|(?=\n)|\Z)", re.DOTALL)
_MARKS = r"(?:start|end|return|call|message|constrain|channel|(?:begin|end)_of_solution)"
_MARK = re.compile(rf"<\|{_MARKS}\|?>|<{_MARKS}\|>")
_LEADING = re.compile(rf"\A\s*(?:<({_NAMES})>.*?</\1>\s*|\[THINK\].*?\[/THINK\]\s*)+", re.DOTALL | re.IGNORECASE)
_DECODER = json.JSONDecoder(strict=False)


@dataclass(frozen=True)
class Found:
    """A JSON object inside a text, from `start` to `end`."""

    start: int
    end: int
    data: dict[str, Any]

    @property
    def is_decision(self) -> bool:
        """It has what makes a decision."""
        return "action" in self.data


def objects(text: str) -> Iterator[Found]:
    """Yield the JSON objects of a text that stand by themselves, in order; what is inside one is skipped."""
    position, tries = text.find("{"), 0
    while position >= 0 and tries < MOST_TRIES:
        tries += 1
        end = position + 1
        if not _is_member(text, position):
            try:
                data, end = _DECODER.raw_decode(text, position)
            except (ValueError, RecursionError):  # ValueError: also a number of more than 4300 digits
                pass
            else:
                yield Found(position, end, data)
        position = text.find("{", end)


def _is_member(text: str, position: int) -> bool:
    """Whether a brace opens a value inside something else, whose beginning was broken."""
    before = text[max(position - 20, 0) : position].rstrip()
    return before.endswith(('":', "\\"))


def decision_in(text: str) -> Found | None:
    """Find the decision of a reply: outside of thoughts before inside of them.

    Of several, the first where the reply begins with it (a model that goes on to imagine what comes of it), else the
    last (one that weighs before it decides).
    """
    found = [each for each in objects(text) if each.is_decision]
    if not found:
        return None
    said = _outside(text, found)
    chosen = said or found
    return chosen[0] if said and _leads(text, chosen[0]) else chosen[-1]


def _leads(text: str, first: Found) -> bool:
    """Whether nothing but marks stands before it."""
    before = _MARK.sub("", text[: first.start])
    return re.fullmatch(r"\s*(?:```\w*\s*)?", before) is not None


def _outside(text: str, found: list[Found]) -> list[Found]:
    """Those that no thought surrounds; a closing tag alone makes a thought of all before it."""
    channels = [mark for mark in _CHANNEL.finditer(text) if not _covered(mark.start(), found)]
    if channels:
        final = [mark.start() for mark in channels if mark[1] != "analysis" and mark[1] != "thought"]
        return [each for each in found if final and each.start > final[-1]]
    tags = [tag for tag in _TAG.finditer(text) if not _covered(tag.start(), found)]
    return [each for each in found if _depth(tags, each) == 0]


def _depth(tags: list[re.Match[str]], each: Found) -> int:
    """How many thoughts are open where an object begins; one that a later orphan closes counts."""
    depth = 0
    for tag in tags:
        closes = any(tag.groupdict().values())
        if tag.start() < each.start:
            depth = max(depth - 1, 0) if closes else depth + 1
        elif depth == 0:
            return int(closes)
        else:
            break
    return depth


def _covered(position: int, found: list[Found]) -> bool:
    return any(each.start <= position < each.end for each in found)


def split(text: str) -> tuple[str, str]:
    """Split a reply into the thoughts written into it, and the answer. Without any mark of thought, all is answer."""
    if text.lstrip().startswith("{") and is_object(text):
        return "", text
    if not (_TAG.search(text) or _MARK.search(text)):
        return "", text
    found = decision_in(text)
    if found is None:
        leading = _LEADING.match(text)
        rest = text[leading.end() :] if leading else text
        return _bare(leading[0]) if leading else "", rest
    around = f"{text[: found.start]} {text[found.end :]}"
    return _bare(around), text[found.start : found.end]


def _bare(text: str) -> str:
    """Thoughts without their marks."""
    without = _MARK.sub(" ", _TAG.sub(" ", _CHANNEL.sub(" ", text)))
    return without.replace("```json", "").replace("```", "").strip()


def is_object(text: str) -> bool:
    """Whether a text is one complete JSON object."""
    if not text.rstrip().endswith("}"):
        return False
    try:
        return isinstance(json.loads(text, strict=False), dict)
    except (ValueError, RecursionError):
        return False
