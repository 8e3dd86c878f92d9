"""Money, tokens and time in few characters."""

from __future__ import annotations

from decimal import Decimal


def dollars(amount: Decimal) -> str:
    """Dollars with as many decimals as it takes to see something: `$0`, `$0.0004`, `$1.25`."""
    if not amount:
        return "$0"
    return f"${amount:.2f}" if amount >= 1 or amount == round(amount, 2) else f"${amount:.4f}"


def cost(amount: Decimal | float, *, known: bool = True) -> str:
    """Return what was spent, with four decimals: `$0.0234`; says so when that is not all, or not known at all."""
    if known:
        return f"${amount:.4f}"
    return f"{cost(amount)} and more (a price is unknown)" if amount else "unknown (no price for this model)"


def exact(amount: Decimal) -> str:
    """All digits of an amount that is to be typed: `$0.05`."""
    return f"${amount.normalize():f}"


def count(number: int) -> str:
    """`950`, `12.3k`, `1.2M`."""
    if number < 1000:
        return str(number)
    return f"{number / 1000:.1f}k" if number < 1_000_000 else f"{number / 1_000_000:.1f}M"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 05 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
