"""What a function of the user's brought, as source that makes it again."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from agentloop_nb.protocols import Output

LARGEST = 100_000
"""Characters of a value that a record keeps as source."""


def plain_value(outputs: Sequence[Output]) -> str:
    """Return the value that a call showed last, as source; empty where that is no plain value."""
    shown = only_value(outputs)
    text = str(shown[-1].get("data", {}).get("text/plain", "")) if shown else ""
    return text if is_plain(text) else ""


def only_value(outputs: Sequence[Output]) -> tuple[Output, ...]:
    """Return what a call showed as its value, without what it printed."""
    return tuple(output for output in outputs if output["output_type"] == "execute_result")


def is_plain(text: str) -> bool:
    """Whether a text is the source of a plain value, whole: a record may be anybody's, and a long value is cut."""
    if not text or len(text) > LARGEST:
        return False
    try:
        tree = ast.parse(text, mode="eval")
        ast.literal_eval(tree)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    return not any(isinstance(node, ast.Constant) and node.value is ... for node in ast.walk(tree))
