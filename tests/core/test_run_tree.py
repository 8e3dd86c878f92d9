"""`%agent runs --tree`: tries, delegated parts and forks stand below what they belong to."""

from __future__ import annotations

from decimal import Decimal

from agentloop_nb.events import TriesRanked, TryRank
from agentloop_nb.reports.run_tree import tree
from agentloop_nb.state import State
from agentloop_nb.step import Step


def state(run: str, part_of: str | None = None, part: str = "", fork_of: str = "", cost: str = "0.01") -> State:
    made = State(run=run, goal="count", status="finished", part_of=part_of, part=part)
    made.forked_from = (fork_of, 1) if fork_of else None
    made.steps = [Step(1, cost=Decimal(cost))]
    return made


def drawn(*states: State, most: int | None = None) -> list[str]:
    return tree(states, lambda each: each.run, most)


def test_parts_and_forks_stand_below_their_run():
    lines = drawn(
        state("4", "1", "part 2 of 2, step 1"),
        state("3", "1", "part 1 of 2, step 1"),
        state("5", fork_of="3"),
        state("1"),
        state("2"),
    )
    assert lines == ["1", "  └ 3", "    └ 5", "  └ 4", "2"]


def test_tries_stand_below_a_line_that_says_which_was_chosen():
    rank = TryRank(number=2, run="3", status="finished", steps=1, cost=Decimal("0.01"))
    ranked = TriesRanked(tries=(rank,), chosen="3", reason="try 2 alone met the contract")
    tries = [state("2", "1", "try 1 of 2"), state("3", "1", "try 2 of 2")]
    for each in tries:
        each.apply(ranked)
    assert drawn(*tries) == [
        "1  best of 2, $0.0200, try 2 alone met the contract: count",
        "  └ 2",
        "  └ 3",
    ]


def test_what_lost_its_parent_is_still_shown():
    assert drawn(state("2", "1", "part 1 of 1, step 3")) == ["1  (its record is not here)", "  └ 2"]


def test_runs_that_name_each_other_are_no_endless_tree():
    assert drawn(state("1", "2"), state("2", "1"), state("3")) == ["3"]


def test_only_the_newest_roots_are_shown_with_all_that_belongs_to_them():
    assert drawn(state("1"), state("2"), state("3", "2"), state("4"), most=2) == ["2", "  └ 3", "4"]
