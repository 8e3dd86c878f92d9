"""Figures that look like an address, a place, a path or a progress bar are figures: another one is another result."""

from __future__ import annotations

from typing import Any

import pytest

from agentloop_nb.verify.output_compare import same


def printed(text: str) -> list[dict[str, Any]]:
    return [{"output_type": "stream", "name": "stdout", "text": text}]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("best customer id=123456789\n", "best customer id=987654321\n"),
        ("(id=123456789, n=1)\n", "(id=123456780, n=1)\n"),
        ("a\r\nmean wait 0.31 min\n", "a\r\nmean wait 0.77 min\n"),
        ("50%\r100%\nmean wait 0.31 min\n", "50%\r100%\nmean wait 0.77 min\n"),
        ("(total 17, line 3)\n", "(total 18, line 3)\n"),
        ("total:17: Warning\n", "total:18: Warning\n"),
        ("rows of a table:17: ValueError\n", "rows of a table:18: ValueError\n"),
        ("found at 0x12\n", "found at 0x13\n"),
        ("/tmp/total=0.1\n", "/tmp/total=0.2\n"),
        ("/tmp/x,0.1\n", "/tmp/x,0.2\n"),
    ],
)
def test_other_figures_are_another_result(one: str, other: str) -> None:
    assert not same(printed(one), printed(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<A object at 0x7f00aa001122>\n", "<A object at 0x7f00bb003344>\n"),
        ("<Mock id=140000000000001>\n", "<Mock id=140000000000002>\n"),
        ("/tmp/ipykernel_1/2.py:3: UserWarning: x\n", "/tmp/ipykernel_9/8.py:3: UserWarning: x\n"),
        ("(<ipython-input-1-ab>, line 3)\n", "(<ipython-input-2-cd>, line 3)\n"),
        ("/tmp/tmpabcd1234/out.csv\n", "/tmp/tmpwxyz9876/out.csv\n"),
        ("0%\r 50% 0.3 s\r100% 1.2 s\n", "0%\r100% 1.9 s\n"),
        ("a\r\nb\n", "a\nb\n"),
    ],
)
def test_what_is_new_each_time_is_not(one: str, other: str) -> None:
    assert same(printed(one), printed(other))
