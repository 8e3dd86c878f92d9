"""The code of a reply that was cut off because it said the same again and again: its whole statements, once each."""

from __future__ import annotations

import json
import re

from agentloop_nb._internal.ipython_syntax import parsed
from agentloop_nb.actions.mending import mended
from agentloop_nb.models.repeated_text import CODE_BEGINS

_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
"""An escape of JSON that was cut off in its middle."""
MOST_LEFT_OUT = 12
"""Lines at the end that may be no whole statement."""


def salvaged(reply: str) -> str | None:
    """Return the reply with its code up to the last whole statement, as one decision; None where there is none."""
    begin = CODE_BEGINS.search(reply)
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
        tree = parsed(whole)
        if tree is not None and tree.body:
            return f"{reply[: begin.end()]}{json.dumps(whole)[1:]}}}}}"
    return None
