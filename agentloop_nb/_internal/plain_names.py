"""Names of files that are short and of few words, so that they tell nobody what to do."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"\w[\w.()-]{0,59}/?")
_WORD = re.compile(r"[^\W\d_]+")
MOST_WORDS = 4
"""Words of a plain name, its suffix included."""


def is_plain(name: str) -> bool:
    """Whether a name may be told outside the marks around data."""
    return _PLAIN.fullmatch(name) is not None and len(_WORD.findall(name)) <= MOST_WORDS
