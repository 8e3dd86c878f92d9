"""A finish is the model's claim: what speaks against it is said in one answer, once, then marked on the result."""

from __future__ import annotations

import pytest

from agentloop_nb.decision import parse
from agentloop_nb.events import RunFinished, event_from
from agentloop_nb.protocols import Change, CodeError, CodeOutcome
from agentloop_nb.testing import code, decide, finish


def printing(text):
    return CodeOutcome(ending="ok", outputs=({"output_type": "stream", "name": "stdout", "text": f"{text}\n"},))


BAD = CodeOutcome(ending="error", error=CodeError(type="NameError", message="name 'x' is not defined", traceback="E"))


async def test_a_right_answer_is_not_lost_to_a_wrong_list_of_artifacts(scenario):
    claim = finish("The answer is 4.", artifacts=["4"])
    s = scenario([code("2 + 2"), claim, claim], outcomes={"2 + 2": printing(4)})
    state = await s.run()
    assert "no such file: '4'. You made none: \"artifacts\": []." in s.model.requests[2].messages[-1].content
    assert (state.status, state.summary, state.artifacts) == ("finished", "The answer is 4.", ())
    assert state.doubts == ("'4' was named as a file, and is none.",)


async def test_all_objections_come_in_one_answer_and_once(scenario):
    claim = finish("hello.txt has been written; it holds 42 lines.", artifacts=["plot.png"])
    s = scenario([code("x"), claim, claim], outcomes={"x": BAD})
    state = await s.run()
    told = s.model.requests[2].messages[-1].content
    for part in ("'plot.png'", "no file hello.txt", "No step has succeeded", "says 42, which no output shows"):
        assert part in told
    assert s.model.requests[2].only == ("run_code",), "something is left to do"
    assert state.status == "finished"
    assert state.reason == "the model reports the goal met"
    assert [doubt.split(":")[0] for doubt in state.doubts] == [
        "'plot.png' was named as a file, and is none.",
        "There is no file hello.txt.",
        "No step succeeded.",
        "Not shown by any step",
    ]


async def test_a_summary_that_says_another_figure_than_the_output_is_asked_about(scenario):
    s = scenario([code("2 + 2"), finish("It is 6."), finish("It is 4.")], outcomes={"2 + 2": printing(4)})
    state = await s.run()
    told = s.model.requests[2].messages[-1].content
    assert "The summary says 6, which no output shows. The last output was:\n<<data from step 1\n4\ndata>>" in told
    assert s.model.requests[2].only == (), "nothing is left to do but to say it right"
    assert (state.summary, state.doubts) == ("It is 4.", ())


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param([finish("Paris.")], id="an answer without any step"),
        pytest.param([finish("There is no file missing.txt.")], id="a file that is said not to be there"),
        pytest.param([finish("missing.txt could not be found")], id="in other words"),
        pytest.param([code("ok"), finish("See https://a.org/data.csv and df.head")], id="an address, an attribute"),
        pytest.param([code("x"), finish("It cannot be done.", goal_met=False)], id="the goal is said not to be met"),
        pytest.param([code("print(12)"), finish("They are 12.")], id="a figure that was printed"),
        pytest.param([code("ok"), finish("Two of 3 are done, 1. and 2.")], id="small numbers"),
        pytest.param([decide("write_file", filename="a.csv", content="1"), finish("Wrote a.csv.")], id="a file there"),
        pytest.param([code("ok"), finish("Old files deleted: tmp.txt is removed.")], id="a file that was removed"),
        pytest.param([code("ok"), finish("Done:\n1. read\n2. sorted\n3. saved")], id="a list with numbers"),
    ],
)
async def test_what_is_right_is_not_asked_about(scenario, replies):
    s = scenario(replies, outcomes={"x": BAD})
    state = await s.run()
    assert len(s.model.requests) == len(replies)
    assert (state.status in ("finished", "not_met"), state.doubts) == (True, ())


@pytest.mark.parametrize(
    "summary",
    [
        "The goal was: count the rows.",
        "Count the rows",
        "Wednesday.",
        "Nothing is named x: define or import it first",
        "Do not do it again: finish with what it shows.",
    ],
)
async def test_a_summary_that_only_echoes_what_was_told_is_asked_about(scenario, summary):
    steps = [code("x"), code("print(7)"), code("print(7)")]
    s = scenario(
        [*steps, finish(summary), finish(summary)], outcomes={"x": BAD, "print(7)": printing(7)}, goal="count the rows"
    )
    state = await s.run()
    assert "The summary only says what you were told" in s.model.requests[4].messages[-1].content
    assert state.doubts == ("The summary only repeats what the model was told.",)


@pytest.mark.parametrize(
    ("goal", "summary"), [("Paris or Rome?", "Paris"), ("say hello to all of us", "Hello to all of you")]
)
async def test_an_answer_in_words_of_the_goal_is_one(scenario, goal, summary):
    s = scenario([finish(summary)], goal=goal)
    assert (await s.run()).doubts == ()


async def test_wednesday_may_be_the_answer(scenario):
    s = scenario([code("ok"), finish("Wednesday.")], outcomes={"ok": printing("Wednesday")})
    assert (await s.run()).doubts == ()


async def test_a_file_of_the_goal_that_nobody_looked_at_is_asked_about(scenario):
    s = scenario([finish("sales.csv does not exist."), code("ok"), finish("done")], goal="how many rows has sales.csv?")
    (s.workspace.folder / "sales.csv").write_text("a\n1\n")
    await s.run()
    told = s.model.requests[1].messages[-1].content
    assert "The goal names sales.csv, which is in the folder, and no step has looked at it." in told
    assert s.model.requests[1].only == ("run_code",)


async def test_a_figure_that_a_variable_holds_was_computed(scenario):
    added = CodeOutcome(ending="ok", changes=(Change(name="total", how="added", type="int"),))
    s = scenario([code("total = sum(rows)"), finish("It is 30.")], outcomes={"total = sum(rows)": added})
    s.workspace.variables = lambda names: {"total": 30, "odd": object()}
    assert (await s.run()).doubts == ()
    assert len(s.model.requests) == 2


async def test_a_goal_that_is_not_met_ends_so_and_can_be_resumed(scenario):
    s = scenario([code("ok"), finish("The file is empty.", goal_met=False)])
    state = await s.run()
    assert (state.status, state.is_complete, state.summary) == ("not_met", False, "The file is empty.")
    assert state.reason == "the model reports that the goal is not met"
    assert state.ending() == f"{state.reason}; tell it what to do differently: %agent resume -- YOUR WORDS"
    assert state.ending("shell").endswith(": agentloop resume -- YOUR WORDS")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, "step_limit"),
        ({"goal_met": None}, "step_limit"),
        ({"goal_met": True}, "finished"),
        ({"goal_met": False}, "step_limit"),
    ],
)
async def test_at_the_last_step_the_model_says_whether_the_goal_is_met(scenario, said, status):
    s = scenario([code("a"), finish("here it is", **said)], max_steps=2)
    state = await s.run()
    assert (state.status, state.summary) == (status, "here it is")


def test_what_was_not_said_is_not_recorded_as_said():
    old = '{"action": "finish", "reasoning": "r", "input": {"summary": "s", "artifacts": []}}'
    assert "goal_met" not in parse(old).record()["action"]
    new = '{"reasoning": "r", "action": {"name": "finish", "summary": "s", "artifacts": null, "goal_met": true}}'
    assert parse(new).record()["action"]["goal_met"] is True
    assert parse(old).action.goal_met is True


def test_an_end_of_an_older_record_is_read():
    event = event_from({"kind": "run_finished", "status": "finished", "step": 1, "at": 1.0, "summary": "s"})
    assert isinstance(event, RunFinished)
    assert event.doubts == ()
