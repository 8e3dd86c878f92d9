"""Answers that only say what the system told the model, whatever code printed them: asked about once, then marked."""

from __future__ import annotations

import pytest

from agentloop_nb.actions import ActionResult, RunCode
from agentloop_nb.agent.echoes import is_echo
from agentloop_nb.decision import Decision
from agentloop_nb.events import ActionFinished, ActionStarted, DecisionMade, RunStarted
from agentloop_nb.protocols import CodeOutcome
from agentloop_nb.state import fold
from agentloop_nb.testing import ScriptedModel, code, finish

HEAD = "Today is 2026-11-30. Python 3.11.7."
FILES = "Files in the current folder: a.csv, b.csv."
CONTEXT = f"You may take at most 6 steps, finish included.\n\n{HEAD}\n{FILES}"
COPIED = "import datetime\nprint(datetime.date(2021, 7, 7).strftime('%A'))"


def after(goal, source, shown):
    """The state of a run that has carried out one cell."""
    events = [
        RunStarted(run="r", goal=goal, context=CONTEXT, settings={}),
        DecisionMade(step=1, decision=Decision(reasoning="r", action=RunCode(code=source))),
        ActionStarted(step=1),
        ActionFinished(step=1, result=ActionResult(success=True, output=shown)),
    ]
    return fold(events)


ECHOES = {
    "the date, printed as it stands": ("draw the prices", f'plot()\nprint("{HEAD}")', HEAD, HEAD),
    "a part of that line": ("add it", f'print("{HEAD[:20]}")', HEAD[:20], HEAD[:20]),
    "the date, not printed": ("draw the prices", "x = 1", "", HEAD),
    "the files": ("sort the rows of a.csv", "x = 1", "", FILES),
    "both lines": ("add the prices", "x = 1", "", f"{HEAD}\n{FILES}"),
    "the goal": ("convert a.csv to b.json", "x = 1", "", "Convert a.csv to b.json."),
    "the goal, introduced": ("convert a.csv to b.json", "x = 1", "", "The goal is to convert a.csv to b.json."),
    "the goal, as a label": ("convert a.csv to b.json", "x = 1", "", "Goal: convert a.csv to b.json"),
    "the task": ("convert a.csv to b.json", "x = 1", "", "Your task was: convert a.csv to b.json"),
    "the goal, printed": ("add it", 'print("The goal was: add it")', "The goal was: add it", "The goal was: add it"),
    "the last word": ("add it", "x = 1", "", "and the answer, or GIVE UP: and why the goal is not met."),
    "a rule": ("add it", "x = 1", "", "Finish with the real values from the outputs."),
    "the example": ("add the prices", "x = 1", "", "Wednesday"),
    "the example, carried out": ("add the prices", COPIED, "Wednesday", "Wednesday."),
    "the example, printed": ("add it", 'print("is done: Wednesday")', "is done: Wednesday", "Wednesday"),
}  # fmt: skip
ANSWERS = {
    "a date that was asked for": ("what is the date?", "x = 1", "", "Today is 2026-11-30."),
    "a version": ("which python is this?", "x = 1", "", HEAD),
    "the files that were asked for": ("which files are here?", "x = 1", "", FILES),
    "a date that was computed": ("add it", "print(now)", "Today is 2026-11-30.", "Today is 2026-11-30."),
    "a weekday that was computed": ("when was it?", "print(day)", "Wednesday", "Wednesday."),
    "the weekday of the example's date": ("what day was date(2021, 7, 7)?", COPIED, "Wednesday", "Wednesday"),
    "an answer with words of the goal": ("Paris or Rome?", "print(best)", "Paris", "Paris"),
    "a text that was to be printed": ("print hello", "print('hello')", "hello", "hello"),
    "that it cannot be": ("add it", "x = 1", "", "The goal cannot be met."),
    "what one knows": ("what is the capital of France?", "print('Paris')", "Paris", "Paris"),
    "a file of the folder": ("which is larger?", "print(a)", "a.csv", "a.csv"),
    "a date among other words": ("add it", "x = 1", "", "Today is 2026-11-30, and the sum is 4."),
    "that a file is not there": ("what is in c.csv?", "x = 1", "", "There is no file c.csv in the current folder."),
}


@pytest.mark.parametrize("name", ECHOES)
def test_what_was_told_is_no_answer(name):
    goal, source, shown, summary = ECHOES[name]
    assert is_echo(summary, after(goal, source, shown))


@pytest.mark.parametrize("name", ANSWERS)
def test_what_was_found_is_one(name):
    goal, source, shown, summary = ANSWERS[name]
    assert not is_echo(summary, after(goal, source, shown))


def test_an_answer_without_any_step_is_one():
    assert not is_echo(HEAD, fold([RunStarted(run="r", goal="which release?", context=CONTEXT, settings={})]))


async def test_an_echo_of_a_small_model_gives_way_to_what_was_made(scenario, monkeypatch, tmp_path):
    (tmp_path / "b.json").touch()
    monkeypatch.setattr(ScriptedModel, "is_small", True, raising=False)
    told = "The goal is to make b.json."
    printed = {"output_type": "stream", "name": "stdout", "text": f"{told}\n"}
    shown = CodeOutcome(ending="ok", outputs=(printed,), files=("b.json",))
    s = scenario([code("save()"), finish(told)], outcomes={"save()": shown}, goal="make b.json")
    state = await s.run()
    assert (state.status, state.summary, state.doubts) == ("finished", "Made b.json.", ())


@pytest.mark.parametrize("said", ["Nothing.", "No report.", "c.txt", "It says hello."])
async def test_a_file_that_is_not_there_is_not_told_of_by_a_printed_text(scenario, said):
    source = f"print({said!r})"
    shown = CodeOutcome(ending="ok", outputs=({"output_type": "stream", "name": "stdout", "text": f"{said}\n"},))
    s = scenario([code(source), finish(said), finish(said)], outcomes={source: shown}, goal="tell what c.txt says")
    state = await s.run()
    assert "no such file" in s.model.requests[2].messages[-1].content or said == "c.txt"
    assert state.doubts == ("There is no file c.txt.",)


@pytest.mark.parametrize("said", ["c.txt is missing.", "There is no such file.", "It does not exist.", "I found none."])
async def test_that_it_is_not_there_is_an_answer(scenario, said):
    s = scenario([code("print('c.txt')"), finish(said)], goal="tell what c.txt says")
    assert ((await s.run()).doubts, len(s.model.requests)) == ((), 2)
