"""What the figures of a step show, in words, for models that cannot see them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MOST_AXES = 6
"""Axes of one figure that are described."""
MOST_PARTS = 8
"""Lines of one axes that are described one by one."""


@contextmanager
def noticed(shell: Any, told: list[str]) -> Iterator[None]:
    """Describe every matplotlib figure that is displayed meanwhile, a line each, into `told`."""
    formatter = shell.display_formatter.mimebundle_formatter
    name = ("matplotlib.figure", "Figure")

    def describe(figure: Any, **_: Any) -> None:
        try:
            told.append(description(figure))
        except Exception:  # a figure may be of any subclass; it is shown all the same
            told.append("a figure")

    before = formatter.deferred_printers.get(name)
    formatter.for_type_by_name(*name, describe)
    try:
        yield
    finally:
        formatter.deferred_printers.pop(name, None)
        for cls in [cls for cls, printer in formatter.type_printers.items() if printer is describe]:
            del formatter.type_printers[cls]
        if before is not None:
            formatter.deferred_printers[name] = before


def description(figure: Any) -> str:
    """`figure with 1 axes: 'Sales' (x: month, y: amount) with a line of 12 points`."""
    axes = figure.get_axes()
    parts = [_axes(each) for each in axes[:MOST_AXES]]
    more = f"; and {len(axes) - MOST_AXES} more" if len(axes) > MOST_AXES else ""
    return f"figure with {len(axes)} axes: " + "; ".join(parts) + more


def _axes(axes: Any) -> str:
    labels = [f"{name}: {text}" for name, text in (("x", axes.get_xlabel()), ("y", axes.get_ylabel())) if text]
    head = f"{axes.get_title() or 'untitled'!r}" + (f" ({', '.join(labels)})" if labels else "")
    return f"{head} with {', '.join(_drawn(axes)) or 'nothing drawn'}"


def _drawn(axes: Any) -> Iterator[str]:
    lines = axes.get_lines()
    for line in lines[:MOST_PARTS]:
        label = line.get_label()
        yield f"a line of {len(line.get_xdata())} points" + ("" if str(label).startswith("_") else f" ({label})")
    if len(lines) > MOST_PARTS:
        yield f"{len(lines) - MOST_PARTS} more lines"
    for parts, what in ((axes.patches, "bars or patches"), (axes.collections, "collections"), (axes.images, "images")):
        if len(parts):
            yield f"{len(parts)} {what}"
