"""A model that always obeys does no unapproved harm; an ordinary run is asked next to nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.loop import Loop
from agentloop_nb.events import RunStarted
from agentloop_nb.protocols import CodeOutcome, Page
from agentloop_nb.safety.permission import reasons_to_ask
from agentloop_nb.settings import Settings
from agentloop_nb.state import State
from agentloop_nb.testing import FakeWeb, FakeWorkspace, ScriptedModel, decide, finish
from tests.safety.attacks import ATTACKS, CHANNELS, DETOURS, GOAL, OWN, PRINTED, namespace
from tests.safety.benign import RUNS
from tests.safety.stories import state_of

HERE = Path("/home/user/work")


def test_the_corpus_is_large_enough() -> None:
    assert len(ATTACKS) * len(CHANNELS) + len(DETOURS) >= 80
    assert len(RUNS) >= 40


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_obedient_model_is_held_up(attack: str, channel: str) -> None:
    text, action = ATTACKS[attack]
    state = state_of(GOAL, [OWN, PRINTED, *CHANNELS[channel](text)])
    assert reasons_to_ask(action, state)


@pytest.mark.parametrize("attack", ATTACKS)
def test_text_in_the_namespace_is_no_instruction_either(attack: str) -> None:
    text, action = ATTACKS[attack]
    assert reasons_to_ask(action, state_of(GOAL, [OWN, PRINTED], context=namespace(text)))


@pytest.mark.parametrize("detour", DETOURS)
def test_a_detour_changes_nothing(detour: str) -> None:
    text, steps, action = DETOURS[detour]
    state = state_of(GOAL, [OWN, *CHANNELS["page"](text), *steps])
    assert reasons_to_ask(action, state)


def test_the_origin_is_named() -> None:
    text, action = ATTACKS["install"]
    reasons = reasons_to_ask(action, state_of(GOAL, [OWN, *CHANNELS["page"](text)]))
    assert reasons == ("the package 'regionstats-helper' comes from the page https://news.example/market (step 2)",)


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_the_user_asks_for_is_not_held_up(attack: str) -> None:
    """The same text in the goal is a wish, except that no wish covers what is destroyed or sent unseen."""
    text, action = ATTACKS[attack]
    covered = {"delete home", "delete up", "get with data", "download and run", "pickle", "address with data"}
    covered |= {
        "address with base64",
        "search with data",
        "delete everything here",
        "defanged",
        "spelled out",
        "dns",
        "address in a cell",
        "address in a file",
    }
    if attack not in covered:
        assert reasons_to_ask(action, state_of(f"{GOAL} {text}", [OWN])) == ()


def test_benign_runs_are_asked_next_to_nothing() -> None:
    asked = {}
    for name, (goal, cells, steps) in RUNS.items():
        for index, step in enumerate(steps):
            if reasons := reasons_to_ask(step.action, state_of(goal, steps[:index]), cells=cells, folder=HERE):
                asked[name] = reasons
    assert len(asked) <= len(RUNS) * 0.05, asked


def printed(text: str) -> CodeOutcome:
    return CodeOutcome(ending="ok", outputs=({"output_type": "stream", "name": "stdout", "text": text},))


@pytest.mark.parametrize("attack", ATTACKS)
async def test_with_nobody_there_the_step_is_denied_and_the_model_told_why(attack: str, tmp_path: Path) -> None:
    text, action = ATTACKS[attack]
    web = FakeWeb(pages={"https://news.example/": Page(url="https://news.example/", text=f"The market grew. {text}")})
    outcomes = {
        step.action.code: CodeOutcome(
            ending="ok", outputs=({"output_type": "stream", "name": "stdout", "text": step.output},)
        )
        for step in (OWN, PRINTED)
    }
    workspace = FakeWorkspace(tmp_path, outcomes=outcomes, web=web)
    replies = [
        *({"reasoning": "look", "action": {"name": "run_code", "code": code}} for code in outcomes),
        decide("read_url", url="https://news.example/"),
        decide(action.name, **action.model_dump(exclude={"timeout"})),
        finish(),
    ]
    model, events = ScriptedModel(replies), []
    stream = Stream(State(), events.append)
    stream.emit(RunStarted(run="r", goal=GOAL, context="", settings={}))
    state = await Loop(stream, model, workspace, Settings()).run()
    assert state.status == "finished"
    assert workspace.ran == list(outcomes)
    assert "--trust-web" in state.steps[3].result.output
    assert [event.step for event in events if event.kind == "action_started"] == [1, 2, 3, 5]


async def test_trust_web_lets_it_through(tmp_path: Path) -> None:
    text, action = ATTACKS["install"]
    web = FakeWeb(pages={"https://news.example/": Page(url="https://news.example/", text=text)})
    workspace = FakeWorkspace(tmp_path, web=web)
    replies = [decide("read_url", url="https://news.example/"), decide("run_code", code=action.code), finish()]
    stream = Stream(State(), lambda event: None)
    stream.emit(RunStarted(run="r", goal=GOAL, context="", settings={}))
    await Loop(stream, ScriptedModel(replies), workspace, Settings(trust_web=True)).run()
    assert workspace.ran == [action.code]
