"""The answer of a tool as a value of Python: its kind in words, and the plain code that binds it to a name."""

from __future__ import annotations

import ast
import json
from pprint import pformat
from typing import Any

from agentloop_nb.protocols import ToolAnswer

LITERAL = 20_000
"""Characters of a value that is written as a literal; a longer one is written as JSON in a string."""
MOST_KEYS = 12


def value_of(answer: ToolAnswer) -> Any:
    """Return what a variable is bound to: the structured value, else parsed JSON, else the text."""
    return parsed(answer.text) if answer.structured is None else answer.structured


def binding(name: str, value: Any) -> str:
    """Write the code that gives a value its name: no server, no package but the standard library's."""
    literal = pformat(value, width=100, sort_dicts=False)
    if len(literal) <= LITERAL and _is_same(literal, value):
        return f"{name} = {literal}"
    return f"import json\n\n{name} = json.loads({json.dumps(value)!r})"


def kind_of(value: Any) -> str:
    """Tell the structure of a value without its content: `list of 3`, `dict with the keys a, b`."""
    if isinstance(value, dict):
        names = [str(key) for key in value if str(key).isidentifier() and len(str(key)) <= 40]
        more = f" and {len(value) - MOST_KEYS} more" if len(value) > MOST_KEYS else ""
        return f"dict with the keys {', '.join(names[:MOST_KEYS])}{more}" if names else f"dict of {len(value)}"
    if isinstance(value, list):
        return f"list of {len(value)}"
    return f"text of {len(value):,} characters" if isinstance(value, str) else type(value).__name__


def is_json(text: str) -> bool:
    """Whether a text is an object or a list of JSON."""
    return isinstance(parsed(text), dict | list)


def parsed(text: str) -> Any:
    """Read a text as JSON; what is none stays a text."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _is_same(literal: str, value: Any) -> bool:
    try:
        return bool(ast.literal_eval(literal) == value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
