"""Markdown of exported cells: prose of the model and the web made harmless, and code that is shown but not run."""

from __future__ import annotations

import re

_CODE = re.compile(r"(```.*?```|~~~.*?~~~|``[^`]*``|`[^`\n]*`)", re.DOTALL)
_SCHEME = re.compile(r"\]\(\s*<?\s*(?!https?:|mailto:|#)[a-z][a-z0-9+.&#;-]*:", re.IGNORECASE)
_REMOTE_IMAGE = re.compile(r"!(\[[^\]]*\]\(\s*<?\s*(?:https?:)?//)", re.IGNORECASE)


def harmless(text: str) -> str:
    """Show HTML as text, drop links that are no web address, and turn remote pictures into links."""
    parts = _CODE.split(text)
    return "".join(part if index % 2 else _prose(part) for index, part in enumerate(parts))


def _prose(text: str) -> str:
    text = text.replace("<", "&lt;")
    text = _SCHEME.sub("](unsafe:", text)
    return _REMOTE_IMAGE.sub(r"\1", text)


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
