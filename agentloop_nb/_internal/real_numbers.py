"""What counts as a number."""

from __future__ import annotations

from typing import Any, TypeGuard


def is_real(value: Any) -> TypeGuard[int | float]:
    """Whether a value is a number of Python's; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
