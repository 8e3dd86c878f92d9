"""What is read off a record: costs, lineage, what was sent; and undo, as a fold."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest

from agentloop_nb.errors import UserError
from agentloop_nb.events import RunStarted, StepsUndone, TranscriptCompacted
from agentloop_nb.protocols import Change, CodeOutcome, ModelReply, Usage
from agentloop_nb.reports import lineage
from agentloop_nb.reports.cost import cost_report, cost_table, what_if
from agentloop_nb.reports.gauge import share
from agentloop_nb.reports.requests import messages_of, sent, state_before
from agentloop_nb.run import Run
from agentloop_nb.state import fold
from agentloop_nb.testing import code, finish
from tests.panel.story import png


def made(*names: str) -> CodeOutcome:
    return CodeOutcome(ending="ok", changes=tuple(Change(name=name, how="added", type="int") for name in names))


@pytest.fixture
async def run(scenario):
    outcomes = {"a = 1": made("a"), "b = 2": made("b"), "c = a + 1": made("c")}
    s = scenario(
        [code("a = 1"), code("b = 2"), code("c = a + 1"), finish("c is 2")],
        outcomes=outcomes,
        usage=Usage(input=1000, cached=400, output=100, reasoning=20),
        prices=("1", "2"),
    )
    await s.run()
    return s


async def test_costs_by_step_and_class(run):
    lines = cost_table(run.loop.state).splitlines()
    assert lines[1].split() == ["1", "run_code", "1,000", "400", "100", "20", "$0.0008"]
    assert lines[-1].split() == ["all", "4,000", "1,600", "400", "80", "$0.0034"]
    told = what_if(run.loop.state, "other", lambda usage: Decimal(usage.input - usage.cached) / 1000)
    assert told == "The same tokens on other: $2.4000 ($4.0000 without its cache); this run: $0.0034."
    assert "unknown" in what_if(run.loop.state, "other", lambda usage: None)


async def test_the_report_says_how_full_the_context_is_and_what_was_cached(run):
    lines = cost_report(run.loop.state).splitlines()
    assert lines[-2:] == ["context: 1,000 tokens", "cached: 40% of the input"]
    run.loop.state.window = 8000
    assert "context: 1,000 of 8,000 tokens (12%)" in cost_report(run.loop.state)


async def test_a_window_is_recorded_with_each_call(scenario):
    s = scenario([finish("done")], context_window=32_000)
    state = await s.run()
    assert state.window == 32_000
    assert [event.window for event in s.events if event.kind == "model_called"] == [32_000]


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [
        (0, 100, "0%"),
        (1, 1000, "under 1%"),
        (10, 1000, "1%"),
        (999, 1000, "99%"),
        (1000, 1000, "100%"),
        (1200, 1000, "120%"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_nothing(part, whole, told):
    assert share(part, whole) == told


async def test_thoughts_are_kept_with_their_step_and_never_told_again(scenario):
    thought = ModelReply(
        text=json.dumps(code("a = 1")), usage=Usage(input=9, output=9, reasoning=5), cost=0, reasoning="Let me see."
    )
    s = scenario([thought, finish("done")])
    state = await s.run()
    assert state.steps[0].thoughts == "Let me see."
    assert "Let me see." not in str(s.model.requests[-1].messages)


async def test_what_was_sent_names_pictures_and_what_was_folded(scenario):
    picture = {"output_type": "display_data", "data": {"image/png": png()}, "metadata": {}}
    loud = {"output_type": "stream", "name": "stdout", "text": "x" * 2000}
    sources = [f"step({number})" for number in range(15)]
    outcomes = {source: CodeOutcome(ending="ok", outputs=(loud,)) for source in sources}
    outcomes["draw()"] = CodeOutcome(ending="ok", outputs=(picture,))
    s = scenario([*map(code, sources), code("draw()"), finish("done")], outcomes=outcomes, prices=("1", "1"))
    await s.run()
    told = sent(s.events)
    assert "[picture 1: image/png, 1 KB]" in told
    assert re.match(r"\d+ messages, the newest last\n\n--- system\n", told)
    assert "        1 picture" in told
    assert re.search(r"--- folded\nsteps 1 to \d+: a line each at most\noutputs of steps \d+ to \d+: ", told)
    assert "100 characters each" in told
    assert "--- folded" not in sent(s.events, 2)


async def test_a_single_step_that_was_folded_is_named_so(scenario):
    s = scenario([code("a"), code("b"), finish("done")])
    await s.run()
    last = max(at for at, event in enumerate(s.events) if event.kind == "model_called")
    told = sent([*s.events[:last], TranscriptCompacted(step=3, through=1, keep=100), *s.events[last:]])
    assert "--- folded\noutputs of step 1: 100 characters each" in told


async def test_who_and_why(run):
    assert lineage.who(run.loop.state).splitlines() == [
        "step 1: added a: int",
        "step 2: added b: int",
        "step 3: added c: int",
    ]
    why = lineage.why(run.loop.state, "c")
    assert "a = 1" in why
    assert "b = 2" not in why
    with pytest.raises(UserError, match="did not make 'zz'; it made a, b, c"):
        lineage.why(run.loop.state, "zz")


async def test_what_was_sent_is_made_again_from_the_record_to_the_letter(run):
    assert messages_of(state_before(run.events)) == run.model.requests[-1].messages
    assert messages_of(state_before(run.events, 2)) == run.model.requests[1].messages
    assert "outputs, pages and searches" in sent(run.events)
    with pytest.raises(UserError, match="nothing was sent for step 9"):
        state_before(run.events, 9)


async def test_undone_steps_are_forgotten_but_stay_paid_for(run):
    state = fold([*run.events, StepsUndone(step=2, first=2)])
    assert [step.number for step in state.steps] == [1]
    assert state.total_cost == run.loop.state.total_cost
    assert state.next_step == 2
    assert list(state.changed) == ["a"]


@pytest.mark.parametrize(
    ("goal", "allowed", "warned"),
    [
        ("clean the sales", "", False),
        ("make a plot", "", True),
        ("make presales", "", True),
        ("make a plot", "all", False),
        ("make a plot", "costs, sales", False),
        ("make a plot", "costs", True),
    ],
)
def test_a_warning_is_for_the_users_variables_that_the_goal_does_not_mention(goal, allowed, warned):
    started = RunStarted(run="r", goal=goal, context="", settings={"allow_changes": allowed})
    state = fold([started])
    assert state.unasked(Change(name="sales", how="changed", previous=True)) is warned
    assert not state.unasked(Change(name="sales", how="changed", previous=False)), "made by a run"
    assert not state.unasked(Change(name="sales", how="added", previous=True))


async def test_a_run_answers_to_the_originals_names(run, tmp_path):
    handle = Run(run.loop.state, tmp_path / "r.jsonl", run.workspace)
    assert (handle.is_complete, handle.current_step, handle.max_steps) == (True, 4, 50)
    assert handle.total_cost == pytest.approx(0.00336)
    assert handle.cost_known
    assert handle.total_tokens == 4400
    assert [taken.action for taken in handle.actions_taken] == ["run_code"] * 3 + ["finish"]
    assert handle.actions_taken[0].input == {"code": "a = 1", "timeout": 30}
    assert handle.actions_taken[0].reasoning == "because"
    assert handle.action_results[0].success
    assert "added a: int" in handle.action_results[0].output
    assert (handle.summary, handle.artifacts, handle.status) == ("c is 2", [], "finished")
    assert "finished, step 4/50, $0.0034" in repr(handle)
