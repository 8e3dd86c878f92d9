"""A reply that repeats itself without end is noticed while it streams in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

LONGEST_UNIT = 300
"""Characters of a text that is looked for again and again."""
LEAST_TIMES = 4
LONG_ENOUGH = 2400
"""Characters of repeated words that nobody means; numbers and signs, as in a table of zeros, are let go further."""
LONG_ENOUGH_SIGNS = 8000
LOOK_EVERY = 400
"""Characters between two looks."""
SOON_EVERY = 16
"""The same for a small model."""
SOON, SOON_SIGNS = 110, 480
"""Characters of repeated words, and of signs, that are enough where a model is small: seldom does it mean them, and
on a slow machine each second of them counts."""
SOON_TIMES, SOON_TIMES_LONG = 5, 4
"""How often a small model may say the same; a text of more than 80 characters less often."""
_WORDS = re.compile(r"[^\W\d_]{2,}.*[^\W\d_]{2,}", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]{3,}")
CODE_BEGINS = re.compile(r'"name":\s*"run_code",\s*"code":\s*"')
_PRINT = re.compile(r"\\n(?: |\\t)*print\(")
"""The beginning of one more line that prints, as it stands in JSON."""
_OTHER_LINE = re.compile(r"\\n\s*[^\W\d]|\"\s*[,}]")
MOST_PRINTS = 10
"""Lines in a row that print, in one cell of a small model: it lists from memory, on and on."""
_DIGITS = re.compile(r"\d+")
COUNTED_TIMES, COUNTED = 6, range(60, 161)
"""A small model counts on and on: this often the same but for its numbers, of so many characters."""
_PROSE = re.compile(r"(?<!\})\}\}++(?:\\?\")?(?:[.,:;]|\\n)?\s*[^\W\d_]+ (?:[\w'`(-]+[,.;:)]{0,2} ){9}")
"""The marks that end a decision, and prose after them, all inside its code."""


@dataclass
class Repetition:
    """Looks at the end of what streams in."""

    small: bool = False
    """The model is small, and cut off sooner."""
    found: bool = False
    _tail: str = ""
    _looked: int = 0

    def feed(self, piece: str) -> None:
        """Take in a piece of the reply."""
        self._tail += piece
        self._looked += len(piece)
        if self._looked >= (SOON_EVERY if self.small else LOOK_EVERY) and not self.found:
            self._looked = 0
            self._tail = self._tail[-LONG_ENOUGH_SIGNS - LONGEST_UNIT :]
            self.found = _end(self._tail, small=self.small) is not None or (self.small and _runs_on(self._tail))


def _end(text: str, *, small: bool = False) -> tuple[int, int] | None:
    """Where the repetition that ends a text begins, and the length of what is repeated."""
    period = _short_period(text) if small else _period(text[-LEAST_TIMES * LONGEST_UNIT :])
    if period is None:
        return None
    start = _begin(text, period)
    unit = text[-period:]
    needed = LONG_ENOUGH if _WORDS.search(unit) else LONG_ENOUGH_SIGNS
    return (start, period) if small or len(text) - start >= needed else None


def _short_period(text: str) -> int | None:
    """Return the length of the shortest text that a small model ends with too often."""
    return next(
        (size for size in range(1, LONGEST_UNIT + 1) if text.endswith(text[-size:] * _allowed(text, size))), None
    )


def _allowed(text: str, size: int) -> int:
    least = SOON_TIMES if size <= 80 else SOON_TIMES_LONG
    unit = text[-size:]
    return max(least, -(-(SOON if unit.isdigit() or _WORD.search(unit * 2) else SOON_SIGNS) // size))


def _runs_on(text: str) -> bool:
    return _lists(text) or _counts(text) or before_prose(text) is not None


def _counts(text: str) -> bool:
    """Whether a text ends with the same again and again, but for its numbers."""
    tail = _DIGITS.sub("0", text[-COUNTED_TIMES * COUNTED.stop * 2 :])
    size = next((size for size in range(1, COUNTED.stop) if tail.endswith(tail[-size:] * COUNTED_TIMES)), 0)
    return size in COUNTED and "0" in tail[-size:] and _WORDS.search(tail[-size:]) is not None


def before_prose(text: str) -> str | None:
    """End a decision where prose was written into its code behind the marks that end it; None where none was."""
    begin = CODE_BEGINS.search(text)
    prose = _PROSE.search(text, begin.end()) if begin else None
    return f'{text[: prose.start()]}"}}}}' if prose else None


def _lists(text: str) -> bool:
    return text.count("print(") >= MOST_PRINTS - 1 and ended_after_prints(text) is not None


def ended_after_prints(text: str, least: int = MOST_PRINTS) -> str | None:
    """End a decision whose code goes on printing after the last whole line of it, so that this much is done.

    None where fewer lines print in a row.
    """
    begin = CODE_BEGINS.search(text)
    if begin is None:
        return None
    first, *lines = _before_each_print(f"\\n{text[begin.end() :]}")
    lines = lines[:-1]
    run = len(lines)
    while run and not _OTHER_LINE.search(lines[run - 1], lines[run - 1].index("print(")):
        run -= 1
    if len(lines) - run < least:
        return None
    kept = [line for index, line in enumerate(lines) if index < run or line not in lines[run:index]]
    code = "".join([first, *kept]).removeprefix("\\n")
    return f'{text[: begin.end()]}{code}"}}}}'


def _before_each_print(code: str) -> list[str]:
    """Part code before each line that prints."""
    starts = [0, *(match.start() for match in _PRINT.finditer(code)), len(code)]
    return [code[start:end] for start, end in pairwise(starts)]


def _period(tail: str) -> int | None:
    """Return the length of the shortest text that a tail consists of, again and again."""
    if len(tail) < LEAST_TIMES * LONGEST_UNIT:
        return None
    return next((size for size in range(1, LONGEST_UNIT + 1) if tail[size:] == tail[:-size]), None)


def _begin(text: str, period: int) -> int:
    """Where the text begins that has this period up to its end."""
    position = len(text) - period - 1
    while position >= 0 and text[position] == text[position + period]:
        position -= 1
    return position + 1


def shortened(text: str, *, small: bool = False) -> str:
    """Keep what is repeated at the end of a text once."""
    end = _end(text, small=small)
    return text if end is None else f"{text[: end[0] + end[1]]}…"
