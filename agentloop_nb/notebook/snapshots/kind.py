"""What can be done with the mutable values of one kind: save one, compare it, and put it back in place."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from re import Pattern
from types import (
    ModuleType,
    NoneType,
)
from typing import Any

from agentloop_nb._internal.type_info import TypeSet

ATOMS = TypeSet(
    *(int, float, complex, bool, str, bytes, NoneType, range, slice, type(Ellipsis), type(NotImplemented)),
    *(Decimal, Fraction, Pattern, ModuleType),
)  # fmt: skip
"""Types of values that do not change, or whose changes are not looked at."""


@dataclass(frozen=True)
class Kind:
    """What can be done with values of one kind. `content` is what `save` returned."""

    save: Callable[[Any], Any]
    same: Callable[[Any, Any], bool]
    """Whether a value still is what its saved content says."""
    restore: Callable[[Any, Any], None]
    children: Callable[[Any], Iterable[Any]] = lambda _content: ()
    """Values inside a saved content that may change themselves."""
    size: Callable[[Any], int] = lambda _value: 64
    """Bytes that saving the value takes, about."""
    alive: Callable[[Any, Any], int] | None = None
    """Bytes that a saved content keeps alive beside its value, about; None: what saving took."""
    look: Callable[[Any], Any] | None = None
    """What a value looks like, in few bytes; None: see `likeness`."""

    def kept(self, value: Any, content: Any) -> int:
        """Bytes that a saved content keeps alive beside its value, about."""
        return self.size(content) if self.alive is None else self.alive(value, content)


def identical(one: Iterable[Any], other: Iterable[Any]) -> bool:
    """Compare items by identity; nothing of the user's is asked."""
    return all(map(operator.is_, one, other))
