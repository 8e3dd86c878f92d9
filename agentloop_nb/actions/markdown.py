"""Markdown of exported cells: prose of the model and the web made harmless, and code that is shown but not run."""

from __future__ import annotations

import re

_CODE = re.compile(r"(```.*?```|~~~.*?~~~|``[^`]*``|`[^`\n]*`)", re.DOTALL)
_SCHEME = re.compile(r"\]\(\s*<?\s*(?!https?:|mailto:|#)(?=[a-z][a-z0-9+.&#;-]*:)", re.IGNORECASE)
_PICTURE = re.compile(r"!\[(?![\w ,.:;()'-]*\]\(\w[\w./-]*\))", re.ASCII)
"""The beginning of a picture, unless it plainly is a file of the folder."""
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def harmless(text: str) -> str:
    """Show HTML as text, drop links that are no web address, and turn pictures that are no plain files into links.

    What looks like code keeps its looks; since not all of that is code to every reader, signs that begin something else
    there are parted by a space of no width.
    """
    parts = _CODE.split(text)
    return "".join(_code(part) if index % 2 else _prose(part) for index, part in enumerate(parts))


def _prose(text: str) -> str:
    text = text.replace("<", "&lt;")
    text = _SCHEME.sub("](unsafe:", text)
    return _PICTURE.sub("[", text)


def _code(text: str) -> str:
    text = _TAG.sub("<\u200b", text)
    return text.replace("![", "!\u200b[").replace("](", "]\u200b(") if "](" in text or "][" in text else text


def link(text: str, address: str) -> str:
    """A link to a web address; of any other address only the text."""
    text = harmless(text.replace("[", "(").replace("]", ")"))
    if not re.match(r"https?://[^\s()<>]+$", address):
        return text
    return f"[{text}]({address})"


def fenced(code: str, language: str = "python") -> str:
    """Code that is only shown; the fence is longer than any inside it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code.strip()}\n{fence}"
