"""Colours of a styled table on its cells: a sheet would be dropped with every other one."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SHEET = re.compile(r"<style\b[^>]*>([^<]{0,200000})</style\s*>", re.ASCII | re.IGNORECASE)
_CELL = re.compile(r"#(T_\w{1,80}_(?:row|level)\d+_(?:col|row)\d+)", re.ASCII)
_NAMED = re.compile(r'<(t[dh])\b([^<>]{0,300}?)\bid="(T_\w{1,120})"', re.ASCII)
_COLOUR = r"(?:#[0-9a-fA-F]{3,8}|[a-zA-Z]{3,24}|(?:rgb|hsl)a?\([\d.,%\s]{1,40}\))"
_PROPERTY = re.compile(
    rf"(?:(?:background-)?color:\s*{_COLOUR}|font-weight:\s*(?:bold|\d00)|font-style:\s*italic"
    r"|text-align:\s*(?:left|right|center|start|end))",
    re.ASCII,
)


def safe_style(style: str) -> str:
    """Return what a style says of colours and letters, and nothing that fetches, moves or hides."""
    kept = [part for each in style.split(";") if _PROPERTY.fullmatch(part := each.strip())]
    grounds = [part for part in kept if part.startswith("background-color") and "transparent" not in part]
    if grounds and not any(part.startswith("color") for part in kept):
        kept.append("color:#000")  # as in a light theme, which the ground was chosen for
    return ";".join(kept)


def with_colours(markup: str) -> str:
    """Write the colours that the sheets of a table give to its cells onto the cells themselves."""
    styles: dict[str, str] = {}
    for name, style in _styled(markup):
        styles[name] = ";".join(filter(None, (styles.get(name), style)))
    if not styles:
        return markup
    return _NAMED.sub(
        lambda found: f'<{found[1]}{found[2]}style="{styles[found[3]]}"' if found[3] in styles else found[0], markup
    )


def _styled(markup: str) -> Iterator[tuple[str, str]]:
    """Yield names of cells with what a sheet says of them."""
    for sheet in _SHEET.findall(markup):
        for rule in sheet.split("}"):
            selectors, _, body = rule.partition("{")
            style = safe_style(body)
            names = [found[1] for each in selectors.split(",") if (found := _CELL.fullmatch(each.strip()))]
            yield from ((name, style) for name in names if style)
