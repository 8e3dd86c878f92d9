"""What of the user's data an address or a search would carry: names and figures, plain, encoded or reversed."""

from __future__ import annotations

import base64
import codecs
import re
from collections.abc import Iterator
from urllib.parse import unquote_plus

MANY = 1_000
"""More names than any request carries: names are not looked for."""
_WORD = re.compile(r"[^\W_][\w.,+@-]*\w")
_YEAR = re.compile(r"(19|20)\d\d")
_NAME = 4
"""Letters of the shortest word that counts as a name."""


def carried_words(text: str, data: str, known: str, *, names: int, figures: int) -> str:
    """Return what a request carries of `data` and what is not `known`, else nothing.

    `names` words of letters make a finding, or one word with a digit that has `figures` characters.
    """
    there = set(_words(data))
    found: dict[str, None] = {}
    for variant in _variants(text):
        for word in _words(variant):
            if word in there and word not in known and not _YEAR.fullmatch(word):
                if any(character.isdigit() for character in word):
                    if len(word) >= figures:
                        return word[:40]
                elif len(word) >= _NAME:
                    found[word] = None
    return " ".join(found)[:40] if len(found) >= names else ""


def _words(text: str) -> Iterator[str]:
    """Words in lower case, and figures without what groups their digits."""
    for match in _WORD.finditer(text.lower()):
        word = match[0]
        yield word
        yield word.replace(",", "")
        yield from re.split(r"[-_.,@+]", word)


def _variants(text: str) -> Iterator[str]:
    """Yield a text, and what it says when it is decoded or read backwards."""
    plain = f"{text} {unquote_plus(text)}"
    pieces = [plain, " ".join(_decodings(plain))]
    yield from pieces
    yield from (piece[::-1] for piece in pieces)
    yield codecs.decode(plain, "rot13")
    yield re.sub(r"(?<=\b\w)[-._/ ](?=\w\b)", "", plain)


def _decodings(text: str) -> Iterator[str]:
    """Yield what parts of a text say when they are base64, base32 or hexadecimal."""
    for word in re.findall(r"[A-Za-z0-9+/_-]{6,}={0,6}", text):
        for piece in dict.fromkeys([word, *re.split(r"[/_-]", word), word[::-1]]):
            for decode in _DECODERS:
                try:
                    yield decode(piece).decode()
                except ValueError:
                    continue


_DECODERS = (
    lambda item: base64.b64decode(item + "=" * (-len(item) % 4)),
    lambda item: base64.urlsafe_b64decode(item + "=" * (-len(item) % 4)),
    lambda item: base64.b32decode(item.upper() + "=" * (-len(item) % 8)),
    bytes.fromhex,
)
