"""What would be printed, as text."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.console import Console, RenderableType


def printed(parts: Iterable[RenderableType], width: int) -> str:
    """Return the lines that parts take up on a screen of this width in characters, without blanks at their ends."""
    written = io.StringIO()
    console = Console(
        file=written,
        width=width,
        color_system=None,
        force_jupyter=False,  # or it is displayed in a notebook instead of being written
        markup=False,
        emoji=False,
        highlight=False,
    )
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())
