"""No regular expression of the package stalls, and no function that runs some: found by the package's own source.

A few texts each here; `AGENTLOOP_FUZZ=1000000 pytest -s tests/safety/test_patterns.py` tries a million of each, and
tells what took longest, also of a megabyte.
"""

from __future__ import annotations

import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from agentloop_nb.models import cells
from agentloop_nb.models.dialect import lowered
from agentloop_nb.models.refusal import Refusal
from agentloop_nb.notebook.panel.outputs import _INDENTED
from agentloop_nb.safety.code_risks import ipython_cells
from agentloop_nb.safety.code_risks.command_lines import commands
from agentloop_nb.safety.code_risks.shell_evaluation import evaluates_data
from agentloop_nb.safety.provenance import split
from tests.safety.fuzz.patterns import (
    MEGABYTE,
    UNITS,
    Use,
    attacks,
    cost,
    grows_faster,
    let_through,
    short_texts,
    uses,
)
from tests.safety.test_stalls import FUNCTIONS

MANY = int(os.environ.get("AGENTLOOP_FUZZ", "0"))
pytestmark = [pytest.mark.timeout(0)] if MANY else []
FLOOR = 0.03
"""Seconds of processor time below which nothing stalls."""
ATTACKS = (5, 15, 24)
"""Seeds of texts on which the patterns that stall do so for long, so that a busy machine changes nothing."""


def stalls(use: Use, seed: int, size: int) -> bool:
    def make(length: int) -> str:
        return next(attacks(use.pattern, random.Random(seed), length))

    return grows_faster(use.run, make, size, FLOOR)


def test_patterns_are_found() -> None:
    found = uses()
    assert len(found) > 300
    assert {"sub", "search", "match", "fullmatch"} <= {use.method for use in found}


def test_no_pattern_stalls() -> None:
    slow = {use.name for use in uses() for seed in range(4) if stalls(use, seed, 16_000)}
    assert not slow


def slow_on_short_texts(use: Use) -> bool:
    texts = islice(attacks(use.pattern, random.Random(7), 1_000), 20)
    return any(cost(use.run, text) > 0.1 and cost(use.run, text, 3) > 0.1 for text in texts)


def test_no_pattern_is_slow_on_any_of_many_short_texts() -> None:
    assert not [use.name for use in uses() if slow_on_short_texts(use)]


def test_a_pattern_that_takes_the_cube_of_the_length_is_found() -> None:
    assert slow_on_short_texts(Use("cube", re.compile(r"\s*\n\s*(?=</?td\b)"), "sub"))


@pytest.mark.parametrize("source", [r"<script.*?</script>", r"\[[^\]]*\]"])
def test_a_pattern_that_stalls_is_found(source: str) -> None:
    use = Use(source, re.compile(source, re.DOTALL), "sub")
    assert any(stalls(use, seed, 48_000) for seed in ATTACKS)


STALLED: dict[str, tuple[Callable[[str], object], str, str]] = {
    "marked parts that do not end": (split, "", "<<data from a\n"),
    "a fence that begins no code": (cells._BEGIN.search, "```", "\t"),
    "a shell line that goes on": (ipython_cells.take_apart, "!ls ", "\\"),
    "shell lines that go on": (ipython_cells.take_apart, "!ls ", " \\\n"),
    "old arithmetic that does not end": (lambda text: evaluates_data(text[:20_000]), "", "$[ "),
    "lines before no part of a table": (lambda text: _INDENTED.sub(" ", text), "<td>", "\n"),
    "quotes that bash and sh read differently": (commands, "ls ", "$'\\'"),
    "numbers below which a reply must stay": (
        lambda text: lowered(Refusal.read(400, {"error": {"message": text, "param": "max_tokens"}}), 9000),
        "max_tokens: at most ",
        "<17 ",
    ),
}


@pytest.mark.parametrize("what", STALLED)
def test_what_stalled_once_stalls_no_more(what: str) -> None:
    function, head, unit = STALLED[what]
    assert not grows_faster(function, lambda size: head + unit * (size // len(unit)), 64_000, FLOOR)


def test_a_refusal_with_an_endless_number_says_nothing() -> None:
    told = Refusal.read(400, {"error": {"message": "max_tokens: at most " + "9" * 5_000, "param": "max_tokens"}})
    assert lowered(told, 9000) is None


@pytest.mark.parametrize("name", FUNCTIONS)
def test_short_texts_are_quick_and_raise_nothing(name: str) -> None:
    function = FUNCTIONS[name]
    worst = slowest(function, short_texts(random.Random(7)), MANY or 200)
    if MANY:
        large = max((cost(function, unit * (MEGABYTE // len(unit))), unit) for unit in UNITS)
        tell(f"{name}: {worst[0] * 1000:.1f} ms {worst[1]!r}; 1 MB {large[0]:.2f} s {large[1]!r}")


@pytest.mark.skipif(not MANY, reason="by hand: AGENTLOOP_FUZZ=1000000")
def test_many_texts_for_each_pattern() -> None:
    for use in uses():
        worst = slowest(use.run, attacks(use.pattern, random.Random(7), 60), MANY)
        slow = [seed for seed in range(60) if stalls(use, seed, 64_000)]
        size = let_through(use)
        large = (
            max(cost(use.run, text) for text in islice(attacks(use.pattern, random.Random(7), size), 8))
            if not slow
            else 0
        )
        tell(f"{use.name}: {worst[0] * 1000:.1f} ms {worst[1]!r}; {size} characters {large:.3f} s; stalls {slow}")


def slowest(function: Callable[[str], object], texts: Iterator[str], count: int) -> tuple[float, str]:
    """The text that takes longest, and its seconds of processor time, the best of three."""
    found = (0.0, "")
    for text in islice(texts, count):
        begun = time.thread_time()
        function(text)
        found = max(found, (time.thread_time() - begun, text))
    return cost(function, found[1], 3), found[1]


def tell(line: str) -> None:
    sys.stdout.write(f"\n{line}")
    sys.stdout.flush()
