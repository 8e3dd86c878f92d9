"""What a run leaves in the notebook's file is small, and looks as it did: bounds in bytes, never in seconds."""

from __future__ import annotations

import base64
import io
import json
import re
from functools import cache

import matplotlib.figure
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageChops, PngImagePlugin

from agentloop_nb.notebook.panel.html import plain_text, static_html
from agentloop_nb.notebook.panel.native_outputs import final_outputs
from agentloop_nb.notebook.panel.saved_picture import SMALL, prepare, saved, saved_address, with_saved_picture
from agentloop_nb.state import State
from tests.panel import story
from tests.panel.test_finished import answered, ran
from tests.panel.test_static import stripped

BOUND = 498_000
"""Bytes that 50 steps with 16 figures and 16 tables may take in a notebook: what 0.1.0 took."""
random = np.random.default_rng(7)


@cache
def drawn(kind: str, number: int = 0) -> str:
    """A figure as matplotlib draws it in a cell, once."""
    figure = matplotlib.figure.Figure()
    ax = figure.subplots()
    if kind == "lines":
        for name in ("North", "South", "East", "West"):
            ax.plot(random.normal(9, 20, 300).cumsum(), label=name)
        ax.legend()
    elif kind == "bars":
        ax.bar(range(12), random.random(12))
    elif kind == "points":
        ax.scatter(random.random(300), random.random(300), c=random.random(300), alpha=0.5)
    elif kind == "histogram":
        ax.hist([random.normal(size=2000), random.normal(1, size=2000)], 40, alpha=0.5)
    elif kind == "heat":
        ax.imshow(random.random((30, 30)))
    ax.set(title=f"Amounts until month {number}", xlabel="row", ylabel="amount")
    return png(figure)


def png(figure: matplotlib.figure.Figure, **options: object) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight", **options)
    return base64.b64encode(file.getvalue()).decode()


def encoded(picture: Image.Image, **options: object) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return base64.b64encode(file.getvalue()).decode()


def looked_at(picture: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture)))


def fifty(figures: tuple[str, ...]) -> State:
    """Fifty steps: 16 figures of these kinds in turn, 16 tables, an answer."""
    table = pd.DataFrame(
        random.normal(50, 9, (6, 6)).round(2), columns=["North", "South", "East", "West", "Sum", "Mean"]
    )
    steps = []
    for step in range(1, 50):
        match step % 3:
            case 0:
                figure = drawn(figures[step // 3 % len(figures)], step // 9 % 3)
                output = story.shown(image_png=figure, text_plain="<Figure size 640x480>")
                code = f"fig, ax = plt.subplots()\nax.plot(df.amount.cumsum())\nax.set(title='Amounts until {step}')"
            case 1 if step < 48:
                output = story.shown(text_html=table.to_html(), text_plain=table.to_string())
                code = f"df[df.month == {step}].groupby('region')[['units', 'amount']].agg(['mean', 'sum']).round(2)"
            case _:
                output = story.text(f"rows above {step}: 12\n")
                code = f"left_{step} = int((df.amount > {step}).sum())\nprint('rows above {step}:', left_{step})"
        steps.append(ran(step, code, output, why=f"Look at part {step} of the sales, then compare it with the others."))
    return answered(50, "**North** leads; the figures show how it came about.", *steps)


@pytest.mark.parametrize("figures", [("lines", "points", "histogram"), ("lines", "points"), ("points",)])
def test_fifty_steps_with_sixteen_figures_and_tables_stay_under_the_bound(figures: tuple[str, ...]) -> None:
    state = fifty(figures)
    bundles = [{"text/html": static_html(state, natives=True), "text/plain": plain_text(state)}, *final_outputs(state)]
    size = len(json.dumps(bundles, ensure_ascii=False).encode())
    page = bundles[0]["text/html"]
    assert len(re.findall(r"<img ", page)) == 16
    assert len(re.findall(r"<table", page)) == 16
    assert size < BOUND
    words = stripped(page)
    assert all(f"{step}. Look at part {step} " in words for step in range(1, 50))


@pytest.mark.parametrize("kind", ["lines", "bars", "points", "histogram", "heat"])
def test_a_figure_is_saved_smaller_and_looks_the_same(kind: str) -> None:
    figure = drawn(kind)
    small = saved(figure)
    before, after = looked_at(figure).convert("RGB"), looked_at(small).convert("RGB")
    assert len(small) < 0.5 * len(figure)
    assert after.size == before.size
    assert looked_at(small).format == "PNG"
    apart = ImageChops.difference(before, after).convert("L").histogram()
    assert sum(apart[32:]) < 0.005 * before.width * before.height, "a few pixels at edges may differ"


@pytest.mark.parametrize("kind", ["lines", "points", "heat"])
def test_a_figure_inside_html_is_smaller_still_and_the_same_pixels(kind: str) -> None:
    small = saved(drawn(kind))
    head, _, inside = saved_address(drawn(kind)).partition(",")
    assert head == "data:image/webp;base64"
    assert len(inside) < len(small)
    assert looked_at(inside).convert("RGB").tobytes() == looked_at(small).convert("RGB").tobytes()


def test_without_webp_a_figure_inside_html_is_the_png(monkeypatch: pytest.MonkeyPatch) -> None:
    Image.init()
    monkeypatch.delitem(Image.SAVE, "WEBP")
    figure = drawn("bars", 99)
    assert saved_address(figure) == f"data:image/png;base64,{saved(figure)}"


def test_of_many_large_figures_the_newest_are_said_again_below() -> None:
    figures = [ran(step + 1, "draw()", story.shown(image_png=drawn("points", step))) for step in range(5)]
    state = answered(6, "All of it shows it.", *figures)
    *below, _ = final_outputs(state)
    page = static_html(state, natives=True)
    assert page.count("<img ") == 5
    assert 1 <= len(below) < 5
    assert below[-1]["image/png"] == saved(drawn("points", 4))
    assert page.count("if this page does not show it here, it is below") == len(below)
    assert "Figure of step 1; if this page does not show it here, it is in the notebook, at step 1" in page


def test_few_colours_are_kept_exactly() -> None:
    chosen = random.integers(0, 256, (200, 3), dtype=np.uint8)
    figure = encoded(Image.fromarray(chosen[random.integers(0, 200, (120, 160))]))
    assert len(saved(figure)) < len(figure)
    assert looked_at(saved(figure)).convert("RGB").tobytes() == looked_at(figure).convert("RGB").tobytes()


def photo() -> str:
    return encoded(Image.fromarray(random.integers(0, 256, (300, 300, 3), dtype=np.uint8)))


def transparent() -> str:
    figure = matplotlib.figure.Figure()
    figure.subplots().plot(random.normal(size=300).cumsum())
    return png(figure, transparent=True)


def moving() -> str:
    frames = [Image.fromarray(random.integers(0, 256, (80, 80, 3), dtype=np.uint8)) for _ in range(3)]
    return encoded(frames[0], save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("make", [photo, transparent])
def test_what_a_palette_would_spoil_keeps_every_pixel(make) -> None:
    picture = make()
    assert looked_at(saved(picture)).convert("RGBA").tobytes() == looked_at(picture).convert("RGBA").tobytes()


@pytest.mark.parametrize(
    "picture",
    [
        "",
        "A",
        "not base64 at all!" * 1000,
        base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 9000).decode(),
        base64.b64encode(b"GIF89a" + b"\0" * 9000).decode(),
        story.png(),
        "A" * SMALL,
    ],
)
def test_what_is_no_large_picture_is_kept_as_it_is(picture: str) -> None:
    assert saved(picture) == picture


def test_a_broken_or_moving_picture_is_kept_as_it_is() -> None:
    cut = drawn("lines")[:-4000]
    assert saved(cut) == cut
    frames = moving()
    assert saved(frames) == frames


def test_a_picture_too_large_to_look_at_is_kept_as_it_is() -> None:
    noted = PngImagePlugin.PngInfo()
    noted.add_text("note", "x" * 9000)
    picture = encoded(Image.new("RGB", (3000, 3000)), pnginfo=noted)
    assert saved(picture) == picture


def test_only_the_picture_of_an_output_changes() -> None:
    figure = drawn("lines")
    data = {"image/png": [figure[:100], figure[100:]], "text/plain": "<Figure>"}
    assert with_saved_picture(data) == {"image/png": saved(figure), "text/plain": "<Figure>"}
    assert with_saved_picture({"text/plain": "1"}) == {"text/plain": "1"}
    prepare([story.text("1"), {"output_type": "display_data", "data": data}, {"output_type": "error"}])
