"""The scripts of this folder as a page gets them: each with what makes its elements."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def script(name: str) -> str:
    """Return a script, with `node.js` before it."""
    return "".join((_HERE / part).read_text(encoding="utf-8") for part in ("node.js", name))
