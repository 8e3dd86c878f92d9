"""Figures that a step made, as pictures for a model that can see: few, small, and of a bounded price."""

from __future__ import annotations

import base64
import io
from collections import OrderedDict
from collections.abc import Iterable, Iterator

from agentloop_nb.protocols import Image, Output

MOST = 2
"""Pictures of one step that are shown; the rest is told as text."""
LONGEST_SIDE = 768
"""Pixels; larger pictures are made smaller."""
LARGEST = 400_000
"""Characters of base64 beyond which a picture that cannot be made smaller is left out."""


CHARACTERS = 4_000
"""What a picture weighs beside text when a prompt is shortened: vision models bill about 1,000 tokens for it."""
MOST_TOLD = 16
"""Pictures of one request; beyond, older steps are told without theirs."""
KEPT = 64
"""Small pictures that are remembered, so that no picture is made smaller twice."""

_small: OrderedDict[tuple[int, int], tuple[str, str] | None] = OrderedDict()
"""By length and hash of the large one: keeping that alive would cost more than all small ones."""


def figures(outputs: Iterable[Output]) -> tuple[Image, ...]:
    """Return the last pictures among a step's outputs, downsized."""
    smaller = (_downsized(media_type, data) for media_type, data in _shown(outputs))
    return tuple(Image(media_type=media_type, base64=data) for media_type, data in filter(None, smaller))


def count(outputs: Iterable[Output]) -> int:
    """Return how many pictures `figures` may give, without looking at them."""
    return len(_shown(outputs))


def is_ready(outputs: Iterable[Output]) -> bool:
    """Tell whether the pictures have been made smaller, so that `figures` takes no time."""
    return all(_key(data) in _small for _, data in _shown(outputs))


def _shown(outputs: Iterable[Output]) -> list[tuple[str, str]]:
    rich = [output for output in outputs if "data" in output]  # most outputs are plain text
    return [picture for output in rich for picture in _pictures(output)][-MOST:] if rich else []


def _pictures(output: Output) -> Iterator[tuple[str, str]]:
    for media_type in ("image/png", "image/jpeg"):
        data = output.get("data", {}).get(media_type)
        if isinstance(data, str):
            yield media_type, data
            return


def _key(data: str) -> tuple[int, int]:
    return len(data), hash(data)


def _downsized(media_type: str, data: str) -> tuple[str, str] | None:
    key = _key(data)
    found = _small.pop(key) if key in _small else _shrunk(media_type, "".join(data.split()))
    _small[key] = found  # the newest last
    while len(_small) > KEPT:
        _small.popitem(last=False)
    return found


def _shrunk(media_type: str, data: str) -> tuple[str, str] | None:
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
