"""Code as HTML in the colours of the notebook's editor, by inline styles."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from typing import Any

from agentloop_nb.notebook.panel.safe_text import escape

_COLOURS = (
    ("Comment", "c", "--jp-mirror-editor-comment-color", "#59636e", "#9198a1"),
    ("Keyword", "k", "--jp-mirror-editor-keyword-color", "#1a7f37", "#7ee787"),
    ("Operator.Word", "k", "--jp-mirror-editor-keyword-color", "#1a7f37", "#7ee787"),
    ("Literal.String", "s", "--jp-mirror-editor-string-color", "#b42318", "#ff9d95"),
    ("Literal.Number", "n", "--jp-mirror-editor-number-color", "#1a7f37", "#7ee787"),
    ("Name.Builtin", "b", "--jp-mirror-editor-builtin-color", "#1a7f37", "#7ee787"),
    ("Name.Function", "d", "--jp-mirror-editor-def-color", "#0550ae", "#79b8ff"),
    ("Name.Class", "d", "--jp-mirror-editor-def-color", "#0550ae", "#79b8ff"),
    ("Name.Decorator", "m", "--jp-mirror-editor-meta-color", "#8250df", "#d2a8ff"),
)
PALETTE = ";".join(
    dict.fromkeys(
        f"--agl-{key}:color-mix(in srgb, var({variable}, {hue}) 78%, currentColor)"
        for _, key, variable, hue, _ in _COLOURS
    )
)
"""The colours as properties of an element around the code, so that each token only names one of them."""
DARK = ";".join(dict.fromkeys(f"{variable}:{hue}" for _, _, variable, _, hue in _COLOURS))
"""The editor's colours on a dark page, where no notebook sets them."""
_MARKED = (
    "display:inline-block;width:100%;background:rgba(209,36,47,.16);border-inline-start:3px solid #d1242f;"
    "margin-inline-start:-3px"
)
PATIENCE = 0.25
"""Seconds one piece of code may take; the rest of it stays without colours."""
_LEXERS = {"python": "ipython3", "markdown": "markdown", "json": "json"}


def highlighted(code: str, lang: str, mark: int = 0) -> str:
    """Code as escaped, coloured HTML; line `mark` (from 1) is shown as the one that failed."""
    coloured = groupby(_tokens(code, lang), key=lambda token: _colour(str(token[0])))
    text = "".join(_piece(colour, "".join(value for _, value in tokens)) for colour, tokens in coloured)
    lines = text.removesuffix("\n").split("\n")
    if 0 < mark <= len(lines):
        lines[mark - 1] = f'<span style="{_MARKED}">{lines[mark - 1] or " "}</span>'
    return "\n".join(lines)


def _tokens(code: str, lang: str) -> Iterator[tuple[Any, str]]:
    """Tokens by their kind; what is left when the time is over comes as one: some code takes a lexer forever."""
    code = code.replace("\r\n", "\n").replace("\r", "\n")  # as lexers do
    deadline, done = time.monotonic() + PATIENCE, 0
    for kind, value in _lexer(_LEXERS.get(lang, "text")).get_tokens(code):
        yield kind, value
        done += len(value)
        if time.monotonic() > deadline:
            yield "", code[done:]
            return


@cache
def _lexer(name: str) -> Any:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(name, stripnl=False)
    except ClassNotFound:
        return get_lexer_by_name("python", stripnl=False)


def _piece(colour: str, value: str) -> str:
    """Colour a piece of code, line by line, so that a mark around a line never crosses a span."""
    if not colour:
        return escape(value)
    return "\n".join(f'<span style="{colour}">{escape(part)}</span>' if part else "" for part in value.split("\n"))


@cache
def _colour(kind: str) -> str:
    for prefix, key, *_ in _COLOURS:
        if kind.startswith("Token." + prefix):
            return f"color:var(--agl-{key})"
    return ""
