"""Tries of one goal are ranked by contract, evidence, agreement of figures and tables, and cost; in that order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agentloop_nb.events import Status
from agentloop_nb.protocols import Check
from agentloop_nb.reports.agreement import agreement, results
from agentloop_nb.reports.ranking import Tried, line, rank
from agentloop_nb.state import State
from agentloop_nb.step import Step


def tried(
    number: int,
    summary: str = "done",
    *,
    status: Status = "finished",
    cost: str = "0.01",
    held: bool | None = None,
    doubts: tuple[str, ...] = (),
    values: dict[str, Any] | None = None,
) -> Tried:
    state = State(run=f"run-{number}", status=status, summary=summary, doubts=doubts)
    state.steps = [Step(1, cost=Decimal(cost))]
    if held is not None:
        state.settings = {"until": ["x"]}
        state.checks = (Check(expression="x", outcome="held" if held else "false"),)
    return Tried(number, state, results(state, values or {}))


def order(*tries: Tried) -> list[int]:
    return [each.number for each in rank(tries).tries]


def test_the_contract_comes_before_everything_else():
    ranked = rank([tried(1, "It is 42.5", cost="0.001", status="not_met", held=False), tried(2, "It is 17", held=True)])
    assert [each.number for each in ranked.tries] == [2, 1]
    assert ranked.chosen == "run-2"
    assert ranked.reason == "only try 2 met the contract"
    assert "contract does not hold" in line(ranked.tries[1])


def test_then_what_the_steps_show():
    ranked = rank([tried(1, "It is 42.5", doubts=("no step shows 42.5",), cost="0.001"), tried(2, "It is 17.5")])
    assert ranked.chosen == "run-2"
    assert ranked.reason == "the steps of try 2 show everything it says; try 1 has 1 claim that no step shows"


def test_then_agreement_of_figures_whatever_the_words():
    tries = [
        tried(1, "The mean is 17.3 and the sum is 1,234.5", cost="0.001"),
        tried(2, "Average: 18.25; they add up to 1300"),
        tried(3, "On average 18.25 (sum 1,300)", cost="0.02"),
    ]
    ranked = rank(tries)
    assert [each.number for each in ranked.tries] == [2, 3, 1]
    assert [each.agreement for each in ranked.tries] == [0.5, 0.5, 0]
    assert ranked.reason == "try 2 cost least; they agree equally"


def test_then_cost():
    ranked = rank([tried(1, cost="0.02"), tried(2, cost="0.01"), tried(3, cost="0.03")])
    assert [each.number for each in ranked.tries] == [2, 1, 3]
    assert ranked.reason == "try 2 cost least; nothing else sets them apart"


def test_agreement_is_never_called_proof():
    ranked = rank([tried(1, "It is 17.5"), tried(2, "It is 42.5"), tried(3, "It is 42.5"), tried(4, "42.5 it is")])
    assert ranked.tries[-1].number == 1
    two = rank([tried(1, "It is 17.5 and 42.5"), tried(2, "It is 42.5", cost="0.02")])
    assert two.reason.endswith("agreement is no proof")


def test_where_no_try_met_the_goal_none_is_chosen():
    ranked = rank([tried(1, status="failed"), tried(2, status="stopped"), tried(3, status="step_limit")])
    assert ranked.chosen is None
    assert ranked.reason == "no try met the goal"
    assert [each.status for each in ranked.tries] == ["step_limit", "stopped", "failed"]


FRAME = pd.DataFrame({"a": [1, 2], "b": [0.1 + 0.2, 4]})


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        (FRAME, FRAME.copy(), 1),
        (FRAME, FRAME[["b", "a"]].iloc[::-1].reset_index(drop=True), 1),  # order of rows and columns is no matter
        (FRAME, FRAME.assign(b=[0.3, 4]), 1),  # nor is what adding left behind
        (FRAME, FRAME.assign(b=[0.31, 4]), 0),
        (FRAME, FRAME.head(1), 0),
        (np.arange(6).reshape(2, 3), np.arange(6).reshape(2, 3)[::-1], 1),
        (np.arange(6), np.arange(6).reshape(2, 3), 0),
        ([1, 2.5], (2.5, 1), 1),
        ({"x": 1, "y": 2}, {"u": 2, "v": 1}, 1),
        (pd.Series(["a", "b"]), pd.Series(["b", "a"]), 1),
        (pd.Series(["a", "b"]), pd.Series(["a", "c"]), 0),
        (12.345678, 12.3457, 1),
        (1234, -1234, 1),
        (1234, 1235, 0),
        ("the same words", "the same words", None),
        (True, True, None),
        ([], [], None),
        (float("nan"), float("nan"), None),
        (["a", 1], ["a", 1], None),
    ],
)
def test_values_agree_by_what_they_hold(one, other, share):
    state = State(summary="done")
    assert agreement(results(state, {"x": one}), [results(state, {"y": other})]) == share


def test_only_what_the_summary_names_counts_if_it_names_anything():
    state = State(summary="The table is `table`, as asked.")
    first = results(state, {"table": [1, 2], "scratch": [7, 7]})
    second = results(state, {"table": [2, 1], "scratch": [8, 8]})
    assert agreement(first, [second]) == 1
