"""Which actions a run has: chosen, offered, recorded, and kept when it is resumed."""

from __future__ import annotations

import json

import pytest

from agentloop_nb.actions import ACTIONS, BUILT_IN
from agentloop_nb.actions.registry import choose, describe, record_of, resolve
from agentloop_nb.agent.offer import usual
from agentloop_nb.agent.rules import describe_action, system_prompt
from agentloop_nb.decision import parse
from agentloop_nb.errors import DecisionError, UserError
from agentloop_nb.events import RunResumed, RunStarted, event_from
from agentloop_nb.models.schema import decision_schema
from agentloop_nb.state import State, fold
from agentloop_nb.testing import ScriptedModel, code, finish
from tests.models.test_schema import lint

FIVE = ["search_web", "read_url", "run_code", "write_file", "finish"]
ADDED = BUILT_IN[len(ACTIONS) :]
TOKENS = 60
"""What one more action may add to the prompt."""


def names(actions) -> list[str]:
    return [action.name for action in actions]


def test_the_five_stand_first_in_every_list():
    assert names(ACTIONS) == names(BUILT_IN)[:5] == names(choose((), ()))[:5] == FIVE


@pytest.mark.parametrize(
    ("only", "without", "chosen"),
    [
        (("run_code",), (), ["run_code", "finish"]),
        (("write_file", "run_code"), (), ["run_code", "write_file", "finish"]),
        (("run_code", "finish"), ("run_code",), ["finish"]),
        (("read_url", "look_up"), ("look_up",), ["read_url", "finish"]),
    ],
)
def test_a_run_may_do_what_was_chosen(only, without, chosen):
    assert names(choose(only, without)) == chosen


@pytest.mark.parametrize("name", [action.name for action in BUILT_IN])
def test_each_can_be_left_out_but_finish(name):
    assert (name in names(choose((), (name,)))) == (name == "finish")


@pytest.mark.parametrize(("typed", "told"), [("run_cod", "did you mean run_code"), ("shell", "there are search_web")])
def test_a_wrong_name_is_answered_in_one_line(typed, told):
    with pytest.raises(UserError, match=told) as caught:
        choose((typed,), ())
    assert "\n" not in str(caught.value)


def test_what_is_not_offered_is_not_in_prompt_or_schema():
    chosen = choose((), ("look_up", "write_file"))
    assert "look_up" not in system_prompt(chosen)
    assert "write_file:" not in system_prompt(chosen)
    assert "look_up" not in json.dumps(decision_schema(actions=chosen))


def test_the_prompt_of_the_five_alone_says_nothing_of_others():
    assert all(f"- {action.name}:" not in system_prompt(ACTIONS) for action in ADDED)
    assert system_prompt(ACTIONS) == system_prompt()
    assert decision_schema() == decision_schema(actions=ACTIONS)


@pytest.mark.parametrize("action", ADDED)
def test_an_added_action_costs_few_tokens(action):
    assert len(describe_action(action)) / 4 <= TOKENS


@pytest.mark.parametrize("limits", [True, False])
def test_the_schema_of_all_is_portable(limits):
    assert lint(decision_schema(actions=BUILT_IN, limits=limits)) == []


def test_a_decision_for_what_is_not_offered_is_rejected_with_what_is():
    with pytest.raises(DecisionError, match="The actions are run_code, finish"):
        parse(json.dumps(code("1") | {"action": {"name": "write_file"}}), actions=choose(("run_code",), ()))


def test_the_record_names_the_actions_of_a_run():
    chosen = choose(("run_code",), ())
    started = RunStarted(run="r", goal="g", context="", settings={}, actions=tuple(map(record_of, chosen)))
    again = event_from(json.loads(started.model_dump_json()))
    assert fold([again]).actions == chosen
    assert [len(each.sha256) for each in again.actions] == [64, 64]
    assert {each.origin for each in again.actions} == {"built in"}


def test_an_old_record_means_the_five():
    assert State().actions == resolve(()) == ACTIONS
    assert fold([RunStarted(run="r", goal="g", context="", settings={})]).actions == ACTIONS


def test_a_resumed_run_keeps_its_actions_unless_they_are_named_anew():
    chosen = choose(("run_code",), ())
    state = fold([RunStarted(run="r", goal="g", context="", settings={}, actions=tuple(map(record_of, chosen)))])
    state.apply(RunResumed(max_steps=9))
    assert state.actions == chosen
    state.apply(RunResumed(max_steps=9, actions=tuple(map(record_of, ACTIONS))))
    assert state.actions == ACTIONS


async def test_the_model_is_asked_for_what_the_run_may_do(scenario):
    story = scenario([code("print(1)"), finish()])
    story.stream.state.actions = choose((), ("write_file",))
    await story.loop.run()
    assert isinstance(story.model, ScriptedModel)
    assert all(request.actions == usual(story.stream.state) for request in story.model.requests)
    assert "write_file:" not in story.model.requests[0].messages[0].content


def test_the_command_says_what_there_is_and_why_something_is_not():
    told = describe(choose((), ("look_up",)))
    assert "look_up" in told
    assert "not offered: left out by --actions or --no-actions" in told
    assert [line.split()[0] for line in told.splitlines()[:5]] == FIVE
