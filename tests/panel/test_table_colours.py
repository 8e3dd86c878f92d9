"""A styled table keeps its colours on a card, and nothing else of its sheet."""

from __future__ import annotations

import pandas as pd
import pytest

from agentloop_nb.notebook.panel.outputs import block_of, sanitise
from agentloop_nb.notebook.panel.table_colours import safe_style, with_colours
from tests.panel import story

pytest.importorskip("jinja2")


def test_a_styled_table_keeps_the_colours_of_its_cells() -> None:
    table = pd.DataFrame({"a": [1, 2], "b": [3, 4]}).style.highlight_max(color="yellow").to_html()
    shown = block_of(story.shown(text_html=table))
    assert shown is not None
    assert shown["html"].count("background-color: yellow;color:#000") == 2
    assert "<style" not in shown["html"]
    assert "T_" not in shown["html"]


def test_letters_and_rows_named_together_are_styled_too() -> None:
    sheet = "#T_x_row0_col0, #T_x_row1_col0 {\n font-weight: bold;\n color: rgb(1, 2, 3);\n}"
    cells = '<td id="T_x_row0_col0" class="data">1</td><td id="T_x_row1_col0">2</td><td id="T_x_row2_col0">3</td>'
    shown = sanitise(f"<style>{sheet}</style><table><tr>{cells}</tr></table>")
    assert shown.count('style="font-weight: bold;color: rgb(1, 2, 3)"') == 2


@pytest.mark.parametrize(
    "style",
    [
        "background: url(https://example.org/x.png)",
        "background-color: url(x)",
        "background-image: none",
        "color: expression(alert(1))",
        "color: var(--secret)",
        "position: fixed",
        "display: none",
        'color: red"><script>',
        "color: #fff !important",
        "behavior: url(x)",
        "font-weight: 999999",
    ],
)
def test_what_is_no_plain_colour_is_left_out(style: str) -> None:
    assert safe_style(style) == ""
    assert "style=" not in sanitise(f"<table><tr><td style='{style}'>1</td></tr></table>")


@pytest.mark.parametrize("ground", ["yellow", "#ff0", "rgba(255, 255, 0, 0.5)"])
def test_letters_on_a_ground_of_their_own_can_be_read_in_the_dark(ground: str) -> None:
    assert safe_style(f"background-color: {ground};") == f"background-color: {ground};color:#000"
    assert safe_style("background-color: transparent") == "background-color: transparent"


def test_a_table_without_a_sheet_or_with_a_broken_one_is_as_it_was() -> None:
    for markup in ("<table><tr><td>1</td></tr></table>", "<style>{{{" + "#T_" * 9000 + "</style><table></table>"):
        assert with_colours(markup) == markup
