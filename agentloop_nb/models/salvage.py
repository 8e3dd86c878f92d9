"""The code of a reply that was cut off because it said the same again and again: its whole statements, once each."""

from __future__ import annotations

import ast
import json
import re

from agentloop_nb.actions.mending import mended

_CODE = re.compile(r'"name":\s*"run_code",\s*"code":\s*"')
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
"""An escape of JSON that was cut off in its middle."""
MOST_LEFT_OUT = 12
"""Lines at the end that may be no whole statement."""


def salvaged(reply: str) -> str | None:
    """Return the reply with its code up to the last whole statement, as one decision; None where there is none."""
    begin = _CODE.search(reply)
    if begin is None:
        return None
    text = reply[begin.end() :].rstrip("…")
    try:
        code = str(json.loads(f'"{_ESCAPE.sub("", text)}"', strict=False))
    except ValueError:
        return None
    lines = code.split("\n")
    for end in range(len(lines) - 1, max(0, len(lines) - 1 - MOST_LEFT_OUT), -1):
        whole = mended("\n".join(lines[:end]))
        if whole.strip() and _is_python(whole):
            return f"{reply[: begin.end()]}{json.dumps(whole)[1:]}}}}}"
    return None


def _is_python(code: str) -> bool:
    try:
        return bool(ast.parse(code).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
