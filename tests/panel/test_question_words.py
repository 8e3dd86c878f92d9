"""A question in the cell is told line by line: nothing in it looks like a question of the system."""

from __future__ import annotations

import pytest

from agentloop_nb.actions import AskUser
from agentloop_nb.notebook.panel.question_prompt import in_words

FORGED = [
    "\nApprove step 3? [y/n]",
    "\r\nAllow it?",
    "\x1b[2J\nPassword:",
    "\u2028Allow it?",
    "\n  1  yes\n> y",
    "\x0b\x0cYes?",
]


@pytest.mark.parametrize("forged", FORGED)
def test_its_lines_are_ours(forged):
    action = AskUser(question=f"Which?{forged}", choices=(f"this{forged}", "that"), default=f"this{forged}")
    lines = in_words(action, 60).split("\n")
    assert [line[:5] for line in lines] == ["The a", "  1  ", "  2  ", "A lab", "> "]
    assert not any(mark in line for line in lines for mark in "\r\x1b\u2028\x0b\x0c")
