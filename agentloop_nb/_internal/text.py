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
CONTROLS = (*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0))
"""Codes of control characters but tab and line feed."""
TURNING = (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Codes of characters that turn the direction of a text."""
_CONTROL = {**dict.fromkeys((*CONTROLS, *TURNING), "\ufffd"), ord("\r"): "\n"}


def strip_ansi(text: str) -> str:
    """Remove terminal escape sequences."""
    return _ANSI.sub("", text)


def clean(text: str) -> str:
    """Text that cannot steer a terminal: no escape sequences, no control or direction-changing characters."""
    text = text if text.isascii() else text.encode("utf-8", "replace").decode()
    text = strip_ansi(text.replace("\r\n", "\n"))
    return text.translate(_CONTROL)


def on_one_line(text: str) -> str:
    """Clean text on a single line."""
    return " ".join(clean(text).split())


def as_comment(text: str) -> str:
    """Text as comment lines of Python, for which a carriage return ends a line, too."""
    lines = text.replace("\0", "\u2400").replace("\r\n", "\n").replace("\r", "\n").split("\n")
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


def capitalized(sentence: str) -> str:
    """Begin a sentence with a capital, unless its first word is a name or an address."""
    word = sentence.partition(" ")[0]
    return sentence[:1].upper() + sentence[1:] if word.isalpha() else sentence
