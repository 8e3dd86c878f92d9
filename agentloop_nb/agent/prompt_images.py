"""Figures that a step made, as pictures for a model that can see: few, small, and of a bounded price."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator
from functools import lru_cache

from agentloop_nb.protocols import Image, Output

MOST = 2
"""Pictures of one step that are shown; the rest is told as text."""
LONGEST_SIDE = 768
"""Pixels; larger pictures are made smaller."""
LARGEST = 400_000
"""Characters of base64 beyond which a picture that cannot be made smaller is left out."""


def figures(outputs: Iterable[Output]) -> tuple[Image, ...]:
    """Return the last pictures among a step's outputs, downsized."""
    shown = [picture for output in outputs for picture in _pictures(output)]
    smaller = (_downsized(media_type, data) for media_type, data in shown[-MOST:])
    return tuple(Image(media_type=media_type, base64=data) for media_type, data in filter(None, smaller))


def _pictures(output: Output) -> Iterator[tuple[str, str]]:
    for media_type in ("image/png", "image/jpeg"):
        data = output.get("data", {}).get(media_type)
        if isinstance(data, str):
            yield media_type, "".join(data.split())
            return


@lru_cache(maxsize=32)
def _downsized(media_type: str, data: str) -> tuple[str, str] | None:
    """Fit a picture into `LONGEST_SIDE` where Pillow is installed; else keep it if it is small enough."""
    try:
        from PIL import Image as Pillow
    except ImportError:
        return (media_type, data) if len(data) <= LARGEST else None
    try:
        picture = Pillow.open(io.BytesIO(base64.b64decode(data)))
        if max(picture.size) <= LONGEST_SIDE and len(data) <= LARGEST:
            return media_type, data
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        kept = io.BytesIO()
        picture.convert("RGB").save(kept, "PNG", optimize=True)
    except (OSError, ValueError, Pillow.DecompressionBombError):
        return None
    smaller = base64.b64encode(kept.getvalue()).decode()
    return ("image/png", smaller) if len(smaller) <= LARGEST else None
