"""Files that hold a JSON object on each line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agentloop_nb.errors import UserError


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file. Raises `UserError`, which names the line that is none."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise UserError(f"{path}, line {number}, is no JSON object")
        found.append(value)
    return found
