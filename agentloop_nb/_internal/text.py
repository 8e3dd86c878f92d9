"""Plain text for terminals and logs: nothing a model, a page or a program wrote can steer the screen."""

from __future__ import annotations

import re
from typing import Any

NOT_METERED = "tokens and cost are not metered here: the client pays"
"""Of runs that outside agents decide."""

STATUS_WORDS = {
    "running": "running",
    "finished": "finished",
    "not_met": "not met",
    "step_limit": "out of steps",
    "cost_limit": "out of budget",
    "stopped": "stopped",
    "failed": "failed",
    "interrupted": "interrupted",
}
"""What a person reads for the status of a run, wherever it stands."""

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def strip_ansi(text: str) -> str:
    """Remove terminal escape sequences."""
    return _ANSI.sub("", text)


def clean(text: str) -> str:
    """Text that cannot steer a terminal: no escape sequences, no control or direction-changing characters."""
    text = text if text.isascii() else text.encode("utf-8", "replace").decode()
    text = strip_ansi(text.replace("\r\n", "\n"))
    return _CONTROL.sub(lambda found: "\n" if found[0] == "\r" else "\ufffd", text)


def on_one_line(text: str) -> str:
    """Clean text on a single line."""
    return " ".join(clean(text).split())


def as_comment(text: str) -> str:
    """Text as comment lines of Python, for which a carriage return ends a line, too."""
    lines = re.split(r"\r\n|\r|\n", text.replace("\0", "\u2400"))
    return "\n".join(f"# {line}".rstrip() for line in lines)


def joined(text: Any) -> str:
    """One text; nbformat allows a list of lines wherever it allows a text."""
    return "".join(map(str, text)) if isinstance(text, list | tuple) else str(text)


def whole_characters(value: Any) -> Any:
    """Make the texts of a nested value Unicode: halves of a surrogate pair are joined, or replaced if alone."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list | tuple):
        return [whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {whole_characters(key): whole_characters(item) for key, item in value.items()}
    return value


def disallowed(name: str, *, before: bool) -> str:
    """Say that something is not allowed, and whether it was `before`."""
    return f"{name} is {'no longer' if before else 'not'} allowed."


def counted(number: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
