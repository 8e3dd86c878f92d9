"""Code whose quotes hold raw line breaks, as models write them that forget to escape a backslash in JSON."""

from __future__ import annotations

import ast

MOST_JOINED = 200
"""Line breaks that are mended in one cell."""


def mended(code: str) -> str:
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
