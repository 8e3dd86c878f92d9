"""No text of a stranger makes a pattern stall: twice the text costs about twice the processor time."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from agentloop_nb._internal.markup import harmless, plain
from agentloop_nb._internal.text import clean
from agentloop_nb.actions.output_text import final_lines, strip_ansi
from agentloop_nb.decision import _candidates
from agentloop_nb.notebook.panel.safe_text import clean as visible_text
from agentloop_nb.notebook.panel.safe_text import no_math
from agentloop_nb.safety.code_risks.ipython_cells import _ESCAPED
from agentloop_nb.safety.redaction import Masker
from agentloop_nb.safety.secret_files import values_in
from agentloop_nb.safety.secrets import secrets_in, shapes_in
from agentloop_nb.verify import diagnosis, output_compare

MASKER = Masker(["Tz9qLm4vXw8rKd2pYb6nabc"])
FUNCTIONS: dict[str, Callable[[str], object]] = {
    "harmless": harmless,
    "plain": plain,
    "mask": MASKER.mask,
    "secrets in a text": lambda text: secrets_in("name", text),
    "shapes": shapes_in,
    "values of a file": lambda text: list(values_in("a.yaml", text.encode())),
    "values of code": lambda text: list(values_in("a.py", text.encode())),
    "decision": _candidates,
    "terminal": clean,
    "panel": visible_text,
    "no mathematics": no_math,
    "colours": strip_ansi,
    "progress": final_lines,
    "kernel files": lambda text: output_compare._IPYKERNEL_FILE.sub("", text),
    "rates": lambda text: output_compare._RATE.sub("", text),
    "durations": lambda text: output_compare._DURATION.sub("", text),
    "temporary files": lambda text: output_compare._TEMPORARY.sub("", text),
    "warnings": lambda text: output_compare._WARNING_PLACE.sub("", text),
    "missing file": diagnosis._FILE.search,
    "escapes": _ESCAPED.match,
}
UNITS = [
    *("\\", " ", "\n", "[", "](", "![", "`", "1", "/", "<", "$", "a.", "a b/", "\r", "\x1b[", "\x1b]", "eyJ", "eyJa."),
    *("a://", "password=", "token: ", "-----BEGIN ", "sk-", "```\n", "- ", '"a": ', "Bearer ", "\u202e", "1.", "%"),
]
FLOOR = 0.05
"""Seconds of processor time below which nothing stalls."""


def cost(function: Callable[[str], object], text: str) -> float:
    begun = time.process_time()
    function(text)
    return time.process_time() - begun


@pytest.mark.parametrize("name", FUNCTIONS)
def test_twice_the_text_is_twice_the_work(name):
    function = FUNCTIONS[name]
    for unit in UNITS:
        for before, after in (("", ""), ("!true\n", "("), ("x = ", "\0")):
            small, large = (before + unit * (size // len(unit)) + after for size in (2_000, 4_000))
            spent = cost(function, large)
            if spent > FLOOR:  # rarely: measured again, the best of three each, against what a half costs
                spent = min(spent, *(cost(function, large) for _ in range(2)))
                half = min(cost(function, small) for _ in range(3))
                assert spent < 4 * max(half, FLOOR / 2), (unit, before, after, spent, half)
