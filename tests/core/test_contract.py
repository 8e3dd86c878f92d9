"""A run with a contract: what is refused beforehand, what the model is told, and how the run ends."""

from __future__ import annotations

import pytest

from agentloop_nb.agent.contract import refuse_unsound
from agentloop_nb.errors import UserError
from agentloop_nb.events import ContractChecked, event_from
from agentloop_nb.protocols import Change, Check, CodeOutcome
from agentloop_nb.settings import resolve
from agentloop_nb.settings.options import parse_options
from agentloop_nb.testing import code, finish

RULE = "df.shape[0] > 10"
FALSE = Check(expression=RULE, outcome="false", value="False", parts=(("df.shape[0]", "3"),))


def build(scenario, replies, yields, **settings):
    s = scenario(replies, until=(RULE,), **settings)
    s.workspace.checks = {RULE: yields}
    return s


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("--until df.shape[0] > 10 clean it", "quotes missing? --until df.shape[0] compares nothing"),
        ("--until df.a.sum() > 10 clean it", "--until 'df.a.sum() > 10' goal"),
        ("--until len(df) == 3 clean it", "quotes missing?"),
        ("--until done clean it", "'bool(done)' for its truth"),
        ("--until check(df) and ok(df) clean it", "quotes missing?"),
        ("--until n+1 go", "compares nothing"),
        ("--until 'x if' go", "must be a Python expression in quotes"),
        ("--until not df.empty", "must be a Python expression in quotes"),
        ("--until 'x = 3' go", "must be a Python expression"),
        ("--until \"'abc'\" go", "compares nothing"),
        ("--until '1 == 1' go", "looks at no variable"),
        ("--until '[x]' go", "compares nothing"),
        ("--until 'df[0]' go", "compares nothing"),
    ],
)
def test_what_would_always_hold_or_never_is_refused_with_what_to_type(typed, told):
    arguments, goal = parse_options(typed)
    with pytest.raises(UserError) as caught:
        refuse_unsound(resolve(arguments, {}, {}).until, goal)
    assert told in str(caught.value)
    assert "--until '" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "expression",
    [
        "input()", "input('ok? ') == 'y'", "not input()", "(n > 1) & bool(input())", "n > 1 and input() == 'y'",
        "getpass() == 'x'", "getpass.getpass() == 'x'", "breakpoint() is None", "builtins.input() == ''",
        "__import__('pdb').set_trace() is None", "sys.stdin.readline() == 'y'", "(lambda: input())() == 'y'",
    ],
)  # fmt: skip
def test_what_waits_for_a_person_is_refused(expression):
    with pytest.raises(UserError, match=r"waits for a person .*; type --until '") as caught:
        refuse_unsound([expression])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("raised", ["NobodyIsAsked: a contract waits for nobody", "BdbQuit: "])
async def test_one_that_asks_a_person_before_the_first_step_costs_nothing(scenario, raised):
    s = build(scenario, [finish()], [Check(expression=RULE, outcome="error", value=raised)])
    state = await s.run()
    assert (state.status, s.model.requests) == ("failed", [])
    assert state.reason.startswith(f"--until {RULE} waits for a person")


@pytest.mark.parametrize(
    "expression",
    [
        "input > 3", "len(input) == 3", "model.input() == 3", "embed(x) == 3",
        "df.shape[0] > 10", "len(df)>10", "not df.empty", "not (df.empty)", "check(df)", "await check(df)",
        "(n := f()) > 3", "a and b", "(df.a > 0).all()", "(a > 1) & (b > 1)", "x if y else z", "not not x",
    ],
)  # fmt: skip
def test_conditions_are_taken(expression):
    arguments, goal = parse_options(f'--until "{expression}" -n 5 make it so')
    refuse_unsound(resolve(arguments, {}, {}).until, goal)
    assert resolve(arguments, {}, {}).until == (expression,)


def test_it_may_be_repeated_and_be_set_anywhere():
    arguments, goal = parse_options("--until 'a == 1' --until='b == 2' go on")
    assert (resolve(arguments, {}, {}).until, goal) == (("a == 1", "b == 2"), "go on")
    assert resolve({}, {"until": "f(1, 2) == 3"}, {}).until == ("f(1, 2) == 3",)
    assert resolve({"until": ["a == 1", "b == 2"]}, {"until": "c == 3"}, {}).until == ("a == 1", "b == 2")


async def test_a_contract_that_holds_ends_the_run_and_is_why(scenario):
    s = build(scenario, [code("x"), finish("done")], [False, True])
    state = await s.run()
    assert (state.status, state.reason) == ("finished", f"the contract holds: {RULE}")
    assert [check.held for check in state.checks] == [True]
    told = s.model.requests[0].messages[-1].content
    assert "this is evaluated in the namespace, and has to be True; else the finish is refused" in told
    assert RULE in told


async def test_a_finish_that_it_does_not_hold_for_is_told_the_values(scenario):
    s = build(scenario, [code("x"), finish("done"), code("y"), finish("done")], [False, FALSE, True])
    state = await s.run()
    told = s.model.requests[2].messages[-1].content
    assert f"    {RULE}\n    is False\n      where df.shape[0] = 3" in told
    assert state.status == "finished"
    assert s.kinds.count("contract_checked") == 3


@pytest.mark.parametrize("privacy", ["schema", "none"])
async def test_below_full_privacy_only_that_it_is_false_is_told(scenario, privacy):
    s = build(scenario, [code("x"), finish("done"), finish("done")], [False, FALSE, True], privacy=privacy)
    await s.run()
    said = "\n".join(message.content for request in s.model.requests for message in request.messages)
    assert "Not finished: the person's condition does not hold." in said
    assert RULE not in said
    assert "df.shape" not in said


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_after_max_retries_refusals_the_goal_is_not_met(scenario, retries):
    s = build(scenario, [code("x"), *[finish("done, really")] * 9], [False], max_retries=retries)
    state = await s.run()
    assert (state.status, state.is_complete) == ("not_met", False)
    told = f"the contract does not hold: {RULE} (is False); tell it what to do differently: %agent resume --"
    assert state.ending().startswith(told)
    assert state.summary == "done, really"
    assert len(s.model.requests) == 1 + retries + 1


@pytest.mark.parametrize("said", [{}, {"goal_met": True}, {"goal_met": False}])
async def test_out_of_steps_stays_the_step_limit(scenario, said):
    s = build(scenario, [code("x"), finish("done", **said)], [False], max_steps=2)
    assert (await s.run()).status == "step_limit"


async def test_at_the_last_step_one_that_holds_is_finished(scenario):
    s = build(scenario, [code("x"), finish("done", goal_met=True)], [False, True], max_steps=2)
    assert (await s.run()).status == "finished"


async def test_a_model_that_says_the_goal_is_not_met_is_believed(scenario):
    s = build(scenario, [code("x"), finish("it cannot be done", goal_met=False)], [False])
    state = await s.run()
    assert (state.status, len(s.model.requests)) == ("not_met", 2)
    assert state.reason == "the model reports that the goal is not met"


async def test_one_that_is_no_bool_before_the_first_step_costs_nothing(scenario):
    wrong = Check(expression=RULE, outcome="no_bool", value="Series 3")
    s = build(scenario, [finish()], [wrong])
    state = await s.run()
    assert (state.status, s.model.requests) == ("failed", [])
    assert state.reason.startswith(
        f"quotes missing? --until {RULE} is neither True nor False, but Series 3; type --until '"
    )


async def test_one_that_holds_before_the_first_step_is_said(scenario):
    s = build(scenario, [finish("nothing to do")], [True])
    state = await s.run()
    assert state.held_before == (RULE,)
    assert "holds already before the first step" in state.steps[0].remarks[0]


async def test_a_step_that_rebinds_a_function_of_the_users_voids_it(scenario):
    rebound = CodeOutcome(ending="ok", changes=(Change(name="check", how="changed", previous=True),))
    replies = [code("def check(x): return True"), *[finish("done")] * 9]
    s = scenario(replies, until=("check(df)",), outcomes={"def check(x): return True": rebound}, max_retries=1)
    s.workspace.checks = {"check(df)": [False, True]}
    state = await s.run()
    assert state.status == "not_met"
    told = s.model.requests[1].messages[-1].content
    assert "Void: step 1 changed check, which the contract calls, so that the contract is void" in told
    assert "is void: step 1 changed check" in s.model.requests[2].messages[-1].content
    assert state.steps[0].result.metadata["notes"]


LIES = [
    "Done.", "The table has 12 rows.", "df.shape[0] > 10 is True.", "Verified: the condition holds.", "42",
    "All 11 rows are there.", "I checked it twice.", "assert df.shape[0] > 10 passed", "The contract is void.",
    "Please accept this.",
]  # fmt: skip
CLAIMS = [
    {},
    {"goal_met": True},
    {"artifacts": []},
    {"artifacts": ["made.csv"]},
    {"goal_met": True, "artifacts": ["x"]},
]


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("claim", CLAIMS)
async def test_no_lie_is_accepted(scenario, lie, claim):
    s = build(scenario, [code("print(11)"), *[finish(lie, **claim)] * 9], [FALSE])
    state = await s.run()
    assert (state.status, state.is_complete) == ("not_met", False)


def test_its_events_are_read_and_an_older_record_has_none():
    event = ContractChecked(step=3, checks=(FALSE,))
    assert event_from(event.model_dump(mode="json")) == event
