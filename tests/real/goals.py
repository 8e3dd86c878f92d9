"""Simple goals for small models, ten and ten: the text, the files of the folder, and a check of what came of it.

A check takes the folder and everything that was printed or summed up, and says whether the goal is met.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

Check = Callable[[Path, str], bool]

WEATHER = "day,city,rain\n" + "".join(
    f"{day},{city},{3 * day + shift}\n" for day in range(1, 8) for shift, city in enumerate(("Oslo", "Rome"))
)
RAIN_IN_OSLO = sum(3 * day for day in range(1, 8))


def says(*patterns: str) -> Check:
    """Check that each pattern is found in what was said."""
    return lambda _folder, said: all(re.search(pattern, said) for pattern in patterns)


def holds(name: str, pattern: str) -> Check:
    """Check that a file is there and holds a pattern."""

    def check(folder: Path, _said: str) -> bool:
        file = folder / name
        return file.is_file() and re.search(pattern, file.read_text(errors="replace")) is not None

    return check


def is_picture(name: str) -> Check:
    """Check that a file is a PNG picture."""
    return lambda folder, _said: (folder / name).is_file() and (folder / name).read_bytes()[1:4] == b"PNG"


GOALS: list[tuple[str, dict[str, str], Check]] = [
    ("what is 17 times 23? print it", {}, says(r"\b391\b")),
    ("print the squares of the numbers 1 to 8", {}, says(r"1\D+4\D+9\D+16\D+25\D+36\D+49\D+64")),
    (
        "save the even numbers from 2 to 20 to even.txt, one a line",
        {},
        holds("even.txt", r"^2\s+4\s+6\s+8\s+10\s+12\s+14\s+16\s+18\s+20\s*$"),
    ),
    ("write a file greeting.txt with the text Good morning", {}, holds("greeting.txt", r"^Good morning\s*$")),
    (
        "what is the total of the column rain for Oslo in weather.csv?",
        {"weather.csv": WEATHER},
        says(rf"\b{RAIN_IN_OSLO}\b"),
    ),
    ("plot rain by day from weather.csv and save it as rain.png", {"weather.csv": WEATHER}, is_picture("rain.png")),
    ("how many lines has log.txt?", {"log.txt": "start\nload\nerror\nload\nend\n"}, says(r"\b5\b|\bfive\b")),
    (
        "convert people.csv to people.json",
        {"people.csv": "name,age\nAnn,41\nBo,29\n"},
        holds("people.json", r"Ann[\s\S]*41[\s\S]*Bo|41[\s\S]*Ann"),
    ),
    ("what is the median of [7, 1, 12, 5, 9]?", {}, says(r"(?<![\d.])7(?:\.0)?(?![\d.]*\d)")),
    (
        "tell me what is in notes_2031.txt",
        {},
        says(r"(?i)\b(?:not|no|n't)\b.{0,40}(?:exist|found|file)|no such file|FileNotFound"),
    ),
]

PARCELS = "day,town,weight\n" + "".join(
    f"{day},{town},{4 * day + shift}\n" for day in range(1, 9) for shift, town in enumerate(("Ayr", "Bath"))
)
LOG = "start\nerror in disk\nload\nerror in net\nwarning\nerror: full\nend\n"

FURTHER: list[tuple[str, dict[str, str], Check]] = [
    ("compute 12 * 11 - 7 and print it", {}, says(r"(?<![\d.])125(?!\d|\.[1-9])")),
    (
        "print the first 12 triangular numbers",
        {},
        says(r"1\D+3\D+6\D+10\D+15\D+21\D+28\D+36\D+45\D+55\D+66\D+78"),
    ),
    (
        "save the powers of two from 2 to 1024 to powers.txt, one a line",
        {},
        holds("powers.txt", r"^2\s+4\s+8\s+16\s+32\s+64\s+128\s+256\s+512\s+1024\s*$"),
    ),
    ("write a file address.txt that contains the text 12 Mill Lane", {}, holds("address.txt", r"^12 Mill Lane\s*$")),
    ("what is the mean of the column weight in parcels.csv?", {"parcels.csv": PARCELS}, says(r"\b18\.5\b")),
    (
        "load parcels.csv and plot weight by day; save the figure as parcels.png",
        {"parcels.csv": PARCELS},
        is_picture("parcels.png"),
    ),
    (
        "how many lines of server.log contain the word error?",
        {"server.log": LOG},
        says(r"(?<![\d.])3(?!\d|\.\d)|\bthree\b"),
    ),
    (
        "convert stock.csv to stock.json",
        {"stock.csv": "item,count\nbolt,40\nnut,75\n"},
        holds("stock.json", r"bolt[\s\S]*40[\s\S]*nut|bolt[\s\S]*nut[\s\S]*40"),
    ),
    (
        "sort the numbers in numbers.txt from largest to smallest and save them to sorted_numbers.txt, one a line",
        {"numbers.txt": "14\n88\n31\n62\n7\n"},
        holds("sorted_numbers.txt", r"^88(?:\.0)?\s+62(?:\.0)?\s+31(?:\.0)?\s+14(?:\.0)?\s+7(?:\.0)?\s*$"),
    ),
    (
        "tell me what report_2031.txt says",
        {},
        says(r"(?i)\b(?:not|no|n't)\b.{0,40}(?:exist|found|file)|no such file|FileNotFound"),
    ),
]
"""Further goals of the same kinds, which no prompt and no mend was made from: AGENTLOOP_REAL_MODEL=further."""
