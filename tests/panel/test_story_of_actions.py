"""Each further action as a card and on a terminal: what it was asked, what it brought, and why it failed."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.notebook.panel.cards import card
from agentloop_nb.state import State, fold
from agentloop_nb.terminal.terminal_view import TerminalView
from tests.panel import story_of_actions

STORY = story_of_actions.whole()
SHOWN = {
    "look_up": ("growth, https://b.example/, https://gone.example/", "it grew by 4", "cannot be reached"),
    "read_document": ("sales.csv", "pd.read_csv", "whole numbers"),
    "query": ("SELECT region, sum(amount) AS total", "totals", "DataFrame 2 x 2"),
    "query that fails": ("SELECT no_such FROM sales", "no column no_such", '"state": "failed"'),
    "your own function": ("price(ticker='ACME')", "12.5", "worth"),
    "use_tool": ("files.read", "notes.txt", "a note"),
    "use_tool that fails": ("files.crash", "the server files ended during the call", '"state": "failed"'),
}
"""What a card shows, in the order of the steps."""
WRITTEN = {
    "look_up": ("growth, https://b.example/, https://gone.example/", "it grew by 4"),
    "read_document": ("    sales.csv\n", "    pd.read_csv('sales.csv')"),
    "query": ("    SELECT region, sum(amount) AS total\n", "✅ Success:   region  total"),
    "query that fails": ("    SELECT no_such FROM sales\n", "❌ Error: no column no_such"),
    "your own function": ("    price(ticker='ACME')\n", "✅ Success: 12.5"),
    "use_tool": ('    files.read {"path": "notes.txt"}\n', "✅ Success: a note"),
    "use_tool that fails": ("    files.crash {}\n", "❌ Error: the server files ended during the call"),
}
"""What a terminal shows of it."""


@pytest.mark.parametrize(("number", "name"), list(enumerate(SHOWN)))
def test_a_card_shows_it(number: int, name: str) -> None:
    state = fold(STORY)
    shown = json.dumps(card(state.steps[number], state), ensure_ascii=False).replace("&#x27;", "'")
    assert [words for words in SHOWN[name] if words not in shown] == []


@pytest.mark.parametrize(("number", "name"), list(enumerate(WRITTEN, 1)))
def test_a_terminal_tells_it(number: int, name: str) -> None:
    file = io.StringIO()
    stream = Stream(State(), lambda _event: None, [TerminalView(Console(file=file, width=100, highlight=False), True)])
    for event in STORY:
        stream.emit(event)
    told = file.getvalue().split("--- Step ")[number]
    assert [words for words in WRITTEN[name] if words not in told] == []
