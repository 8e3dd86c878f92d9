"""Code with slips of weak models in JSON: raw line breaks in quotes, closing marks, a last block not indented."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

_ECHO = re.compile(r"""["'}\]\s]{0,20}\}[.,\s]{0,5}(?:You are told|step \d{1,3}:)""")
"""Where a decision's end, and what a run says next, was written into its code."""
_ON_ONE_LINE = re.compile(r"(?m)^([ \t]*)((?:for|while|if|with)\b[^\n:]*:)[ \t]+(?=(?:for|while|if|with|try|def)\b)")
"""A block whose body, a block itself, stands on the same line."""
_CLOSING = re.compile(r"""["'}\]\s]{0,20}\}\s*\Z""")
MOST_NESTED = 5
"""Blocks inside one another whose indentation is mended."""
MOST_JOINED = 200
"""Line breaks that are mended in one cell."""


def mended(code: str) -> str:
    """Put right what keeps code from compiling, where there is one way only to do it; else leave it as it is."""
    if _compiles(code):
        return code
    found = (mend(each) for each in _without_closing(code) for mend in (str, _joined, _indented, _apart))
    return next(filter(_compiles, found), code)


def _without_closing(code: str) -> Iterator[str]:
    """The code, and the code without more and more of the closing marks of JSON that were written into its end."""
    yield code
    if echo := _ECHO.search(code):
        yield code[: echo.start()].rstrip()
    if marks := _CLOSING.search(code):
        yield from (code[:end].rstrip() for end in range(len(code) - 1, marks.start() - 1, -1))


def _apart(code: str, deeper: int = MOST_NESTED) -> str:
    """Give each block on the line of the block around it a line of its own, indented."""
    apart = _ON_ONE_LINE.sub(r"\1\2\n\1    ", code)
    return apart if apart == code or not deeper else _apart(apart, deeper - 1)


def _indented(code: str, deeper: int = MOST_NESTED) -> str:
    """Indent the end of the code below the line that asks for a block, if that end is one statement."""
    line = _not_indented(code)
    if line is None or line < 2 or not deeper:
        return code
    lines = code.split("\n")
    head, rest = lines[: line - 1], _indented("\n".join(lines[line - 1 :]), deeper - 1)
    above = head[-1]
    if above[:1].isspace() or not above.rstrip().endswith(":") or not _is_one_statement(rest):
        return code
    return "\n".join([*head, *(f"    {each}" if each.strip() else each for each in rest.split("\n"))])


def _not_indented(code: str) -> int | None:
    """The line that should be indented, if that is why the code does not compile."""
    try:
        ast.parse(code)
    except IndentationError as error:
        return error.lineno if str(error.msg).startswith("expected an indented block") else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return None


def _is_one_statement(code: str) -> bool:
    try:
        return '"""' not in code and "'''" not in code and len(ast.parse(code).body) == 1
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _joined(code: str) -> str:
    r"""Write line breaks inside plain quotes as `\n`, if that alone makes the code compile."""
    lines, joined = code.split("\n"), 0
    while (line := _unterminated("\n".join(lines))) is not None:
        if line >= len(lines) or joined >= MOST_JOINED:
            return code
        lines[line - 1 : line + 1] = [f"{lines[line - 1]}\\n{lines[line]}"]
        joined += 1
    return "\n".join(lines) if joined and _compiles("\n".join(lines)) else code


def _unterminated(code: str) -> int | None:
    """The line of a string that is not closed on it, if that is why the code does not compile."""
    try:
        ast.parse(code)
    except SyntaxError as error:
        told = str(error.msg)
        plain = told.startswith("unterminated") and "string literal" in told and "triple" not in told
        return error.lineno if plain else None
    except (ValueError, RecursionError, MemoryError):
        return None
    return None


def _compiles(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
