"""Kinds of values a setting takes: how each is read from text or Python, and what is expected of it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Kind:
    """A kind of value. `convert` raises `ValueError`, `TypeError` or `ArithmeticError` for a wrong one."""

    def __init__(self, name: str, convert: Callable[[Any], Any], expected: str) -> None:
        self.name = name
        """`text`, `texts`, `whole`, `number`, `dollars` or `switch`."""
        self.convert = convert
        self.expected = expected


def whole(least: int, unit: str = "", most: int | None = None) -> Kind:
    """Whole numbers from `least` on, up to `most`."""

    def convert(value: Any) -> int:
        number = float(value)
        if number != int(number) or number < least or (most is not None and number > most):
            raise ValueError
        return int(number)

    bounds = f"{least} or more" if most is None else f"{least} to {most}"
    return Kind("whole", convert, f"a whole number{f' of {unit}' if unit else ''}, {bounds}")


def one_of(*choices: str) -> Kind:
    """One of these words."""

    def convert(value: Any) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return Kind("text", convert, f"{', '.join(choices[:-1])} or {choices[-1]}")


_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def _switch(value: Any) -> bool:
    known = _WORDS.get(str(value).strip().lower())
    if known is None:
        raise ValueError
    return known


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _dollars(value: Any) -> Any:
    from decimal import Decimal

    amount = Decimal(str(value).strip().removeprefix("$"))
    if not amount.is_finite() or amount <= 0:
        raise ValueError
    return amount


def _temperature(value: Any) -> float:
    number = float(value)
    if not 0 <= number <= 2:
        raise ValueError
    return number


def _names(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part.strip() for part in parts if part.strip())


def _expressions(value: Any) -> tuple[str, ...]:
    """Expressions may hold commas, so that a text is one of them."""
    parts = (value,) if isinstance(value, str) else tuple(value)
    found = tuple(part.strip() for part in parts if part.strip())
    for part in found:
        try:
            ast.parse(part, mode="eval")
        except (SyntaxError, RecursionError, MemoryError):
            raise ValueError from None
    return found


def _cache(value: Any) -> str | None:
    """`1` means the usual place; `0` means off."""
    known = _WORDS.get(str(value).strip().lower())
    if known is None:
        return str(value)
    return str(Path(".agentloop") / "cache.sqlite") if known else None


TEXT = Kind("text", _text, "text")
SWITCH = Kind("switch", _switch, "1 or 0")
DOLLARS = Kind("dollars", _dollars, "a positive amount in US dollars")
TEMPERATURE = Kind("number", _temperature, "a number from 0 to 2")
NAMES = Kind("text", _names, "names with commas between")
EXPRESSIONS = Kind("texts", _expressions, "a Python expression in quotes, or a list of them")
CACHE = Kind("text", _cache, "1, 0 or a path")


def plain(value: Any) -> Any:
    """Return a value as JSON has it: an amount of money becomes text."""
    return value if isinstance(value, bool | int | float | str | tuple | None) else str(value)
