"""Reads what figures show, as plain data. It runs in the process of the run, after that has ended."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

MOST = 10_000
"""Points of one line or bars of one axes that are read."""


def figures_as_data(namespace: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read the figures of a namespace and those open in pyplot: names, titles, labels, lines, bars and points."""
    if "matplotlib.figure" not in sys.modules:
        return []
    found = {id(figure): (f"figure {number}", figure) for number, figure in _open()}
    bound = [(name, value) for name, value in namespace.items() if not name.startswith("_")]
    for name, value in sorted(bound, key=lambda each: not _is_axes(each[1])):  # a figure's own name wins
        figure = _figure_of(value)
        if figure is not None:
            found[id(figure)] = (name, figure)
    return [_figure(name, figure) for name, figure in found.values()]


def _open() -> Iterator[tuple[int, Any]]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        for number in pyplot.get_fignums():
            yield number, pyplot.figure(number)


def _is_axes(value: Any) -> bool:
    return hasattr(value, "get_figure") and hasattr(value, "get_xlabel")


def _figure_of(value: Any) -> Any:
    from matplotlib.figure import Figure

    if isinstance(value, Figure):
        return value
    return value.get_figure() if _is_axes(value) and not isinstance(value, type) else None


def _figure(name: str, figure: Any) -> dict[str, Any]:
    title = getattr(figure, "_suptitle", None)
    axes = [_axes(each) for each in figure.get_axes()]
    return {"name": name, "title": title.get_text() if title is not None else "", "axes": axes}


def _axes(axes: Any) -> dict[str, Any]:
    legend = axes.get_legend()
    return {
        "title": axes.get_title(),
        "xlabel": axes.get_xlabel(),
        "ylabel": axes.get_ylabel(),
        "xscale": axes.get_xscale(),
        "yscale": axes.get_yscale(),
        "legend": [text.get_text() for text in legend.get_texts()] if legend else [],
        "lines": [_line(each) for each in axes.get_lines()],
        "bars": _bars(axes),
        "points": [_points(each) for each in axes.collections if hasattr(each, "get_offsets")],
    }


def _line(line: Any) -> dict[str, Any]:
    label = str(line.get_label())
    return {
        "label": "" if label.startswith("_") else label,
        "x": [_plain(each) for each in list(line.get_xdata())[:MOST]],
        "y": [_plain(each) for each in list(line.get_ydata())[:MOST]],
    }


def _bars(axes: Any) -> dict[str, float]:
    """Label -> length of the bars, standing or lying; without labels their places stand for them."""
    found: dict[str, float] = {}
    for container in axes.containers:
        if not hasattr(container, "patches"):
            continue
        lying = getattr(container, "orientation", "vertical") == "horizontal"
        for patch in list(container.patches)[:MOST]:
            place = patch.get_y() + patch.get_height() / 2 if lying else patch.get_x() + patch.get_width() / 2
            length = patch.get_width() if lying else patch.get_height()
            label = _label(axes.yaxis if lying else axes.xaxis, place)
            found[label] = found.get(label, 0.0) + float(length)
    return found


def _label(axis: Any, place: float) -> str:
    """Return what stands at a place of an axis."""
    ticks = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=False)
    near = [text.get_text() for where, text in ticks if abs(where - place) < 1e-6 and text.get_text()]
    return near[0] if near else f"{place:g}"


def _points(collection: Any) -> list[list[float]]:
    return [[float(x), float(y)] for x, y in collection.get_offsets()[:MOST]]


def _plain(value: Any) -> Any:
    """Return a number, or a text: of dates their day and time."""
    if isinstance(value, str | int | float):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value) if type(value).__name__.startswith("datetime64") else float(value)
