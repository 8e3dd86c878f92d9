"""Closed answers in a text: its numbers, `@name[value]`, and what stands after `Answer:`."""

from __future__ import annotations

import re

from agentloop_nb.evals.value_compare import TOLERANCE

_NUMBER = re.compile(r"[-−]?\d[\d,_ \u202f]*(?:\.\d+)?(?:[eE][-+]?\d+)?")
_NAME = re.compile(r"@(\w{1,80})\[")
_LONGEST_VALUE = 1_000
_FINAL = re.compile(r"(?:final )?answer\W{0,3}:\W{0,3}(.*)", re.IGNORECASE)


def named_answers(text: str) -> dict[str, str]:
    """Return the answers of the form `@name[value]`; of two with one name, the last."""
    ends = (part for line in text.split("\n") for part in line.split("]")[:-1])
    return dict(found for part in ends if (found := _at_end(part)))


def _at_end(part: str) -> tuple[str, str] | None:
    """Find the first `@name[value` that ends where the text ends; a pattern of both would try each value anew."""
    near = _NAME.finditer(part, max(0, len(part) - _LONGEST_VALUE - 82))
    return next(((name[1], part[name.end() :]) for name in near if len(part) - name.end() <= _LONGEST_VALUE), None)


def numbers(text: str) -> list[float]:
    """Return the numbers in a text, thousands marked or not."""
    found = (re.sub(r"[,_ \u202f]", "", each).replace("−", "-") for each in _NUMBER.findall(text))
    return [float(each) for each in found]


def final_answer(summary: str) -> str:
    """Return what stands after the last `Answer:`; else the last line."""
    told = [line.strip() for line in summary.splitlines() if line.strip()]
    for each in reversed(told):
        if found := _FINAL.search(each):
            return found[1].strip(" *`.")
    return told[-1].strip(" *`.") if told else ""


def same_answer(given: str, wanted: str) -> bool:
    """Whether two closed answers are the same: lists in any order, numbers to the digits wanted, texts by letters."""
    parts = [[plain_text(each) for each in re.split(r"[,;]", text.strip("[] "))] for text in (given, wanted)]
    if not _is_number(wanted) and len(parts[1]) > 1:
        pairs = zip(sorted(parts[0]), sorted(parts[1]), strict=False)
        return len(parts[0]) == len(parts[1]) and all(same_answer(one, other) for one, other in pairs)
    if _is_number(wanted):
        found = numbers(given)
        return bool(found) and abs(found[0] - numbers(wanted)[0]) <= max(_half_digit(wanted), 1e-9)
    return _letters(given) == _letters(wanted)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-−$€£]?\s?\d[\d,]*(?:\.\d+)?\s?%?", text.strip()) is not None


def _half_digit(text: str) -> float:
    """Half of the last place of a number with decimals; a whole one has to be met."""
    decimals = re.search(r"\.(\d+)", text)
    return 0.5 * 10.0 ** -len(decimals[1]) * 1.000001 if decimals else 0.0


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def plain_text(text: str) -> str:
    """Strip a text of case, emphasis and line breaks."""
    return " ".join(text.casefold().replace("**", "").replace("`", "").split())


def same_value(given: str | None, wanted: str) -> bool:
    """Whether a named answer is the one wanted, to the letter or as a number."""
    if given is None:
        return False
    try:
        return given.strip() == wanted.strip() or abs(float(given) - float(wanted)) < TOLERANCE
    except ValueError:
        return False
