"""File names: which words are names of files, and which kinds of files are no text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

_FIGURE = "draw it in run_code and save it there: plt.savefig({name!r})"
_TABLE = "save the table in run_code: df.{method}({name!r})"
_LIBRARY = "make it in run_code by the library that reads such files"
HOW_TO_MAKE = {
    **dict.fromkeys(("png", "jpg", "jpeg", "gif", "webp", "tif", "tiff", "bmp", "pdf", "eps"), _FIGURE),
    **dict.fromkeys(("xlsx", "xls", "ods"), _TABLE.replace("{method}", "to_excel")),
    "parquet": _TABLE.replace("{method}", "to_parquet"),
    "feather": _TABLE.replace("{method}", "to_feather"),
    **dict.fromkeys(
        ("pkl", "pickle", "npy", "npz", "h5", "hdf5", "db", "sqlite", "joblib", "zip", "gz", "docx", "pptx", "wav"),
        _LIBRARY,
    ),
}
"""Kinds of files that no text makes, and how they are made."""
_TEXT = (
    "csv", "tsv", "txt", "json", "jsonl", "ndjson", "md", "html", "htm", "svg", "py", "ipynb", "yaml", "yml", "toml",
    "xml", "log", "tex", "ini", "cfg", "geojson", "sql", "rst", "dat", "bib",
)  # fmt: skip
KINDS = frozenset(_TEXT) | HOW_TO_MAKE.keys()
_NAME = re.compile(r"(?<![\w./:@~*?%-])\w[\w./-]*\.(\w{1,7})\b(?![\w/*(]|\?\w|\.\w)")

_GONE = re.compile(
    r"\b(?:not|no|none|never|cannot|can't|isn't|doesn't|without|missing|absent|fail\w*|delet\w*|remov\w*|renam\w*|mov(?:e|ed|ing))\b",
    re.IGNORECASE,
)
_OF_A_FILE = re.compile(r"\b(?:files?|exist\w*|found|find|there|present|available|open\w*)\b", re.IGNORECASE)
_MAKING = re.compile(
    r"\b(?:sav|writ|export|stor|creat|mak|generat|convert|produc|dump|sort|copy|merg|speicher|schreib|erstell|enregistr"
    r"|écri|guard|escrib|salv|scriv)",
    re.IGNORECASE,
)
MOST_READ = 200_000
"""Characters of a goal or an answer that are looked at."""
_INTO = r"\b(?:to|as|into|file|named|called|als|nach|sous|como|en|come)\s+[\"'`“„«]?"
_FROM = r"\b(?:from|in|of|load|read|open|convert|sort|plot|use|with|aus|von|lies|lade|de|dans|lire)\s+[\"'`“„«]?"


def how_to_make(name: str) -> str | None:
    """Say how a file is made that is no text; None for one that is, or that nothing is known of."""
    advice = HOW_TO_MAKE.get(PurePosixPath(name).suffix[1:].lower())
    return None if advice is None else advice.format(name=name)


def is_file_name(word: str) -> bool:
    """Whether a word looks like the name of a file: of a known kind, and no web address."""
    return bool(_NAME.fullmatch(word)) and word.rpartition(".")[2].lower() in KINDS


def named_in(text: str) -> Iterator[str]:
    """Yield the names of files in a text, in order, each once; addresses and attributes of code are none."""
    found = (match[0] for match in _NAME.finditer(text[:MOST_READ]) if match[1].lower() in KINDS)
    yield from dict.fromkeys(found)


def to_be_made(goal: str) -> list[str]:
    """List the files that a goal wants made: named after `to`, `as`, `file`, where it says to make something."""
    if says_gone(goal) or not _MAKING.search(goal[:MOST_READ]):
        return []
    return [name for name in named_in(goal) if re.search(rf"{_INTO}{re.escape(name)}", goal, re.IGNORECASE)]


def to_be_read(goal: str) -> list[str]:
    """List the files that a goal wants read: those it names, where it makes nothing, or says to take something from."""
    if says_gone(goal):
        return []
    names, making = [name for name in named_in(goal) if name not in to_be_made(goal)], _MAKING.search(goal[:MOST_READ])
    return [name for name in names if not making or re.search(rf"{_FROM}{re.escape(name)}", goal, re.IGNORECASE)]


def says_gone(text: str) -> bool:
    """Whether a text may rightly name a file that is not there; what stands in the names themselves says nothing."""
    return _GONE.search(_NAME.sub(" ", text[:MOST_READ])) is not None


def denies(text: str, names: list[str]) -> bool:
    """Whether a text says that one of these files, or a file at all, is not there."""
    return says_gone(text) and (any(name in text for name in names) or _OF_A_FILE.search(text[:MOST_READ]) is not None)
