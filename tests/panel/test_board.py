"""A reader that folds the deltas sees what the board holds, and is sent each thing once."""

from __future__ import annotations

import json
import sys
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentloop_nb._internal.text import NOT_METERED
from agentloop_nb.actions import ActionResult
from agentloop_nb.events import AnyEvent, ReplyStreamed
from agentloop_nb.notebook.panel.cards import card
from agentloop_nb.notebook.panel.delta import Board
from agentloop_nb.notebook.panel.html import static_html
from agentloop_nb.notebook.panel.live_board import LiveBoard
from agentloop_nb.notebook.panel.outputs import Block, of_lines
from agentloop_nb.notebook.panel.run_header import header
from agentloop_nb.notebook.panel.safe_text import Lines
from agentloop_nb.protocols import Delta as StreamedDelta
from agentloop_nb.protocols import Usage
from agentloop_nb.reports.cost import cost_report
from agentloop_nb.state import OUTSIDE, State, awaited
from tests.panel import story


class Reader:
    """What panel.js does with deltas."""

    def __init__(self) -> None:
        self.header: dict[str, Any] = {}
        self.cards: dict[int, dict[str, Any]] = {}

    def fold(self, delta: dict[str, Any] | None) -> None:
        if delta is None:
            return
        delta = json.loads(json.dumps(delta))
        self.header.update(delta["header"])
        for change in delta["cards"]:
            shown = self.cards.setdefault(change["n"], {"n": change["n"], "out": []})
            shown.update(change.get("set", {}))
            for key, more in change.get("add", {}).items():
                shown[key] += more
            self._blocks(shown, change)

    def _blocks(self, shown: dict[str, Any], change: dict[str, Any]) -> None:
        for patch in change.get("out", ()):
            blocks = shown["out"]
            if "set" in patch:
                blocks[patch["i"] : patch["i"] + 1] = [patch["set"]]
            else:
                block = blocks[patch["i"]]
                block["head"] = block["head"] + patch["more"]
                block.update(skipped=patch["skipped"], tail=patch["tail"])
        if "length" in change:
            del shown["out"][change["length"] :]


def test_a_reader_of_the_whole_run_sees_the_same_cards() -> None:
    board, state, reader = Board(), State(), Reader()
    for event in story.whole():
        state.apply(event)
        board.head(header(state))
        if state.steps:
            board.put(state.steps[-1].number, card(state.steps[-1], state))
        reader.fold(board.take())
    assert reader.header == header(state)
    assert reader.cards == {step.number: {"out": [], **card(step, state)} for step in state.steps}
    assert board.take() is None, "nothing is sent twice"
    reloaded = [{"out": [], **shown} for shown in board.snapshot()["cards"]]
    assert reloaded == list(reader.cards.values()), "a page that reloads sees the same"


def test_a_served_run_waits_for_its_client_and_is_not_metered() -> None:
    board, state, reader = LiveBoard("why sales fell"), State(), Reader()
    board.state = state

    def show(*events: AnyEvent) -> None:
        for event in events:
            state.apply(event)
            board.show(event, state)
        reader.fold(board.take())

    called, replied, decided = story.thought(1, story.code("1", "To see."), cost="0")
    show(story.started(model=OUTSIDE, budget=None), called)
    assert reader.header["label"] == "waiting for an agent to connect"
    assert reader.cards[1]["state"] == "awaited"
    board.progress(ReplyStreamed(step=1, delta=StreamedDelta(status=awaited("Claude Code 3.1, through MCP"))))
    reader.fold(board.take())
    assert reader.header["label"] == "waiting for Claude Code 3.1"
    done = story.acted(1, ActionResult(success=True, output=""), seconds=2.5)
    show(replied.model_copy(update={"model": "Codex 2, through MCP", "usage": Usage()}), decided, *done)
    assert reader.header["label"] == "waiting for Codex 2"
    assert reader.cards[1]["meta"] == ["2.5 s"], "the pauses of a client are its own"
    show(called.model_copy(update={"step": 2}))
    assert reader.cards[2]["state"] == "awaited"
    board.ask(2, {"code": "1"}, until=0)
    reader.fold(board.take())
    assert reader.cards[2]["ask"]["otherwise"] == "this call is refused, and the agent is told", "and the run goes on"
    assert (reader.header["tokens"], reader.header["cost"]) == ("", NOT_METERED)
    page = static_html(state)
    assert "Tokens" not in page
    assert page.count(NOT_METERED) == 1
    assert cost_report(state) == f"{NOT_METERED[0].upper()}{NOT_METERED[1:]}."


def test_a_growing_output_costs_only_its_new_lines() -> None:
    board, lines = Board(), Lines()
    sizes = []
    for number in range(200):
        lines.feed(f"line {number:03}\n")
        board.put(1, {"out": [of_lines(lines, "stdout")]})
        sizes.append(len(json.dumps(board.take())))
    assert max(sizes[1:]) <= min(sizes[1:]) + 4


def test_code_that_is_being_written_costs_only_its_new_characters() -> None:
    board = Board()
    code = "print('hello')\n" * 100
    board.put(1, {"code": code[:1]})
    board.take()
    for end in range(2, len(code)):
        board.put(1, {"code": code[:end]})
        assert board.take()["cards"] == [{"n": 1, "add": {"code": code[end - 1]}}]


blocks = st.lists(
    st.one_of(
        st.builds(
            lambda head, tail: Block(kind="text", name="stdout", head=head, skipped=0, tail=tail),
            st.lists(st.sampled_from("abc"), max_size=3),
            st.lists(st.sampled_from("xy"), max_size=2),
        ),
        st.builds(lambda html: Block(kind="html", html=html), st.text("pq", max_size=2)),
    ),
    max_size=3,
)
fields = st.fixed_dictionaries(
    {}, optional={"code": st.text("ab", max_size=4), "mark": st.integers(0, 2), "out": blocks}
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
@given(st.lists(st.tuples(st.integers(1, 3), fields, st.booleans()), max_size=20))
def test_any_sequence_of_changes_arrives(changes: list[tuple[int, dict[str, Any], bool]]) -> None:
    board, reader = Board(), Reader()
    for number, change, sent in changes:
        board.put(number, change)
        if sent:
            reader.fold(board.take())
    reader.fold(board.take())
    for number, shown in reader.cards.items():
        assert shown == {"out": [], **board.get(number)}


def work_of_a_step(steps: int) -> int:
    """How many functions a board calls to show one more step after so many."""
    board, state, calls = LiveBoard("g"), State(goal="g"), 0
    decided = story.code("print(1)", "to see it")

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    def show(step: int) -> None:
        for event in [*story.thought(step, decided), *story.acted(step, ActionResult(success=True, output="1"))]:
            state.apply(event)
            board.show(event, state)
            board.take()

    for step in range(1, steps + 1):
        show(step)
    sys.setprofile(count)
    try:
        show(steps + 1)
    finally:
        sys.setprofile(None)
    return calls


def test_a_late_step_costs_what_the_tenth_does() -> None:
    work_of_a_step(1)
    assert work_of_a_step(400) <= work_of_a_step(10) + 20
