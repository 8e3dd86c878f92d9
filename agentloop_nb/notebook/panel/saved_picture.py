"""Figures as they are saved with a notebook: with a palette, which looks the same in a third of the bytes.

An output of its own stays PNG, which every reader shows; inside HTML it is lossless WebP, which is smaller by a fifth.
The record and the exports keep the figure as it was drawn.
"""

from __future__ import annotations

import base64
import io
import math
import threading
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from agentloop_nb._internal.text import joined
from agentloop_nb.protocols import Output

if TYPE_CHECKING:
    from PIL.Image import Image

PNG, WEBP = "image/png", "image/webp"
SMALL = 6_000
"""Characters of base64 up to which a picture is kept as it is."""
MOST_PIXELS = 4_000_000
"""A larger picture is kept as it is, because it would take seconds."""
COLOURS = (32, 48, 64, 128, 256)
"""Sizes of palettes that are tried, the smaller first."""
PHOTO = 40_000
"""Colours from which on no palette is tried."""
ALIKE = 42.0
"""Signal to noise in decibels from which on nobody sees a difference."""
MARKS_ALIKE = 39.5
"""The same for marks on an even ground: where no surface is shaded, none can show bands."""
GROUND = 0.6
"""Share of its pixels from which on the colour used most is an even ground."""
FITTED = 5.0
"""Decibels that fitting a palette to its picture can add, at most."""
KEPT = 128
"""Pictures that are remembered, so that no picture is made smaller twice."""


class Kept(NamedTuple):
    """A picture as it is saved, in base64."""

    png: str
    webp: str
    """Empty where it cannot be made, or is not smaller."""


_kept: OrderedDict[tuple[int, int], Kept] = OrderedDict()
"""By length and hash of the picture as it was drawn."""
_lock = threading.Lock()


def saved(picture: str) -> str:
    """Return the picture (PNG in base64) with a palette, or as it is where that would be seen or saves nothing."""
    return _kept_as(picture).png


def saved_address(picture: str) -> str:
    """Return the `data:` address of the picture (PNG in base64), in the form that takes the least room."""
    png, webp = _kept_as(picture)
    return f"data:{WEBP};base64,{webp}" if webp else f"data:{PNG};base64,{png}"


def _kept_as(picture: str) -> Kept:
    if len(picture) <= SMALL:
        return Kept(picture, "")
    key = len(picture), hash(picture)
    with _lock:
        found = _kept.pop(key, None)
    found = found or _smaller(picture)
    with _lock:
        _kept[key] = found  # the newest last
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return found


def with_saved_picture(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data of an output, with its PNG as it is saved."""
    return {**data, PNG: saved(joined(data[PNG]))} if PNG in data else data


def prepare(outputs: Iterable[Output]) -> None:
    """Make the pictures of a step smaller now, so that nobody waits for it when the run is over."""
    for output in outputs:
        with_saved_picture(output.get("data") or {})


def _smaller(picture: str) -> Kept:
    """Return the same in fewer bytes, where there is a way."""
    try:
        from PIL import Image as Pillow
    except ImportError:
        return Kept(picture, "")
    with suppress(Exception):  # a broken picture fails in many ways, and is then kept as it is
        drawn = Pillow.open(io.BytesIO(base64.b64decode(picture)), formats=("PNG",))
        if drawn.width * drawn.height <= MOST_PIXELS and not getattr(drawn, "is_animated", False):
            reduced = _reduced(drawn)
            png = min(picture, _written(reduced, "PNG", optimize=True), key=len)
            return Kept(png, _webp(reduced, len(png)))
    return Kept(picture, "")


def _webp(picture: Image, most: int) -> str:
    """Return a picture as lossless WebP of fewer characters than `most`; empty where there is none."""
    if picture.mode not in ("RGB", "RGBA", "P", "L"):
        return ""
    with suppress(OSError, KeyError, AttributeError):  # some builds of Pillow know no WebP
        whole = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        made = _written(whole, "WEBP", lossless=True, exact=True, quality=100)  # here effort, not loss
        return made if len(made) < most else ""
    return ""


def _reduced(drawn: Image) -> Image:
    """Return the picture with as few colours as it can be shown in; itself where it is partly transparent."""
    if drawn.mode not in ("RGB", "RGBA") or (drawn.mode == "RGBA" and drawn.getextrema()[3] != (255, 255)):
        return drawn
    plain = drawn.convert("RGB")
    used = plain.getcolors(PHOTO) or ()
    if not used:
        return plain
    ground = max(count for count, _ in used) / (plain.width * plain.height)
    enough = MARKS_ALIKE if ground >= GROUND else ALIKE
    for colours in (len(used),) if len(used) <= COLOURS[-1] else COLOURS:
        if (made := _in_colours(plain, colours, enough)) is not None:
            return made
    return plain


def _in_colours(plain: Image, colours: int, enough: float) -> Image | None:
    """Return the picture in so many colours; None where that would be seen. A fitted palette takes longer to find."""
    rough = _decibels(plain, (made := plain.quantize(colours, dither=0)).convert("RGB"))
    if rough < enough and rough + FITTED >= enough:
        made = plain.quantize(colours, kmeans=2, dither=0)
        rough = _decibels(plain, made.convert("RGB"))
    return made if rough >= enough else None


def _decibels(one: Image, other: Image) -> float:
    """Return the peak signal-to-noise ratio of two pictures."""
    from PIL import ImageChops, ImageStat

    squares = ImageStat.Stat(ImageChops.difference(one, other)).sum2
    error = sum(squares) / (len(squares) * one.width * one.height)
    return 10 * math.log10(255**2 / error) if error else math.inf


def _written(picture: Image, form: str, **options: int) -> str:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return base64.b64encode(file.getvalue()).decode()
