"""Ids that are made up anew each time are no difference; what they name still is."""

from __future__ import annotations

import pytest

from agentloop_nb.verify.output_compare import same


def html(text: str, mime: str = "text/html") -> list[dict]:
    return [{"output_type": "display_data", "data": {mime: text}, "metadata": {}}]


STYLED = (
    "<style>#T_{0}_row0_col0 {{color: red;}}</style>"
    '<table id="T_{0}"><td id="T_{0}_row0_col0" class="data">{1}</td></table>'
)
ALIKE = [
    (STYLED.format("63d4a", 1), STYLED.format("a1b2c", 1)),
    (STYLED.format("12345", 1), STYLED.format("abcde", 1)),
    ('<div id="3f2504e0-4f89-11d3-9a0c-0305e82c3301"></div>', '<div id="9f2504e0-4f89-11d3-9a0c-0305e82c3302"></div>'),
    (
        '<svg><path id="m1f2a3b4c5d"/><use href="#m1f2a3b4c5d"/></svg>',
        '<svg><path id="m9c2a3b4c5e"/><use href="#m9c2a3b4c5e"/></svg>',
    ),
    (
        '<div id="altair-viz-0a1b2c3d4e5f60718293a4b5c6d7e8f9"></div>',
        '<div id="altair-viz-ffeeddccbbaa99887766554433221100"></div>',
    ),
    ('<script>{"model_id": "8d7f00aa11"}</script>', '<script>{"model_id": "1c7f00aa22"}</script>'),
]  # fmt: skip
DIFFERENT = [
    (STYLED.format("63d4a", 1), STYLED.format("63d4a", 2)),
    ('<a id="total">1</a>', '<a id="sum">1</a>'),
    ("<td>123456789</td>", "<td>123456780</td>"),
    ("<td>deadbeef01</td>", "<td>deadbeef02</td>"),
    ('<i id="aaaa1111bbbb"></i><u href="#aaaa1111bbbb">', '<i id="aaaa1111bbbb"></i><u href="#cccc1111dddd">'),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_random_ids_are_the_same(one, other):
    assert same(html(one), html(other))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_is_shown_is_compared(one, other):
    assert not same(html(one), html(other))


def test_plain_text_keeps_what_looks_like_an_id():
    assert not same(html("T_63d4a", "text/plain"), html("T_a1b2c", "text/plain"))
