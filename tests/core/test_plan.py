"""A run with a plan: proposed first, settled by a person, followed, changed, kept, replayed, and what it may take."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from agentloop_nb.actions import Plan
from agentloop_nb.actions.plan import numbered
from agentloop_nb.agent.planning import understood
from agentloop_nb.decision import parse
from agentloop_nb.errors import DecisionError
from agentloop_nb.events import PlanMade, PlanSettled, RunResumed, event_from
from agentloop_nb.models.replay import ReplayModel
from agentloop_nb.record.replay_data import Recorded, recorded
from agentloop_nb.reports.forecast import Taken, told
from agentloop_nb.safety.provenance import said_by_user
from agentloop_nb.state import fold
from agentloop_nb.testing import code, decide, finish

LINES = ("Read the table.", "Sum the prices.", "Check the sum.")


def plan(*lines, why="It is simple."):
    return decide("plan", why, lines=list(lines or LINES))


def at(line, decision):
    return {**decision, "reasoning": f"{line}: {decision['reasoning']}"}


class Person:
    """Settles plans in turn, by what is typed."""

    def __init__(self, *answers):
        self.answers, self.seen = list(answers), []

    async def __call__(self, made):
        self.seen.append(made)
        lines = made.lines
        while True:
            answer = understood(self.answers.pop(0), made, lines)
            if isinstance(answer, PlanSettled):
                return answer
            lines = answer or lines


def build(scenario, replies, person=None, forecast=None, **settings):
    made = scenario(replies, plan=True, **settings)
    made.loop._planning.planner, made.loop.forecast = person, forecast
    return made


async def test_a_plan_is_an_event_and_no_step_and_its_lines_are_followed(scenario):
    person = Person("go")
    s = build(scenario, [plan(), at(1, code("x = 1")), at(3, finish("so"))], person, lambda: "Likely 2 to 3 steps.")
    state = await s.run()
    assert state.status == "finished"
    assert state.current_step == 2
    assert state.plan == LINES
    assert [step.plan_line for step in state.steps] == [1, 3]
    assert [step.decision.reasoning for step in state.steps] == ["because", "because"]
    assert person.seen[0].forecast == "Likely 2 to 3 steps."
    assert s.model.requests[0].only == ("plan",)
    assert "Before the first step you decide on a plan." in s.model.requests[0].messages[1].content
    told_then = [message.content for message in s.model.requests[1].messages]
    assert told_then[-1].startswith("The plan stands. Carry it out. Begin each reasoning")
    assert s.kinds.index("plan_settled") < s.kinds.index("decision_made")
    assert state.usage.total == 3 * 120, "a plan is paid for"


async def test_what_comes_in_place_of_a_plan_is_rejected(scenario):
    s = build(scenario, [code("x = 1"), finish("early"), plan(), finish("so")], Person("go"))
    state = await s.run()
    assert state.status == "finished"
    assert s.workspace.ran == []
    assert "only 'plan' is allowed now, not 'run_code'" in s.model.requests[1].messages[-1].content
    assert "Not accepted" not in s.model.requests[3].messages[-1].content


async def test_without_any_plan_the_run_fails_and_nothing_was_done(scenario):
    s = build(scenario, [code("x = 1")] * 4, Person())
    state = await s.run()
    assert state.status == "failed"
    assert "first decide on a plan" in state.reason
    assert s.workspace.ran == []


async def test_a_rejected_plan_is_made_anew_with_the_persons_reason(scenario):
    person = Person("no, look at the files in raw/ too", "go")
    s = build(scenario, [plan(), plan("Read raw/.", "Sum."), finish("so")], person)
    state = await s.run()
    assert state.plan == ("Read raw/.", "Sum.")
    assert "The person rejected this plan: look at the files in raw/ too" in s.model.requests[1].messages[-1].content
    assert "raw/" in said_by_user(state)


async def test_an_edited_plan_is_the_plan(scenario):
    s = build(scenario, [plan(), at(2, finish("so"))], Person("e 2 Sum the net prices.", "e 3", "go"))
    state = await s.run()
    assert state.plan == ("Read the table.", "Sum the net prices.")
    asked = s.model.requests[1].messages[-1].content
    assert "The person changed the plan. It is now:\n1. Read the table.\n2. Sum the net prices." in asked


async def test_nobody_there_is_recorded_and_the_plan_is_followed(scenario):
    s = build(scenario, [plan(), finish("so")])
    state = await s.run()
    assert state.plan == LINES
    assert [event.by for event in s.events if isinstance(event, PlanSettled)] == ["nobody"]


async def test_a_change_of_plan_is_an_event_and_bounded(scenario):
    changes = [plan(f"Way {number}.") for number in range(6)]
    s = build(scenario, [plan(), at(1, code("x = 1")), *changes, at(1, finish("so"))], Person("go"))
    state = await s.run()
    assert state.current_step == 2
    assert state.plan == ("Way 4.",)
    assert [event.by for event in s.events if isinstance(event, PlanSettled)] == ["user", *["model"] * 5]
    assert "changed often enough" in s.model.requests[-1].messages[-1].content


async def test_a_plan_in_a_run_without_one_is_no_action(scenario):
    s = scenario([plan(), finish("so")])
    state = await s.run()
    assert state.plan == ()
    assert "there is no action 'plan'" in s.model.requests[1].messages[-1].content
    assert "- plan: " not in s.model.requests[0].messages[1].content


async def test_a_plan_that_was_open_when_the_kernel_died_is_shown_again(scenario):
    class Dies(Person):
        async def __call__(self, made):
            raise SystemExit

    s = build(scenario, [plan()], Dies())
    with pytest.raises(SystemExit):
        await s.loop.run()
    kept = [event_from(json.loads(event.model_dump_json())) for event in s.events]
    again = build(scenario, [finish("so")], Person("go"))
    again.events.clear()
    for event in kept:
        again.stream.state.apply(event)
        again.events.append(event)
    again.stream.emit(RunResumed(step=0, max_steps=50, settings={}))
    state = await again.run()
    assert [made.lines for made in again.loop._planning.planner.seen] == [LINES]
    assert state.status == "finished"
    assert fold(kept).plan == ()


async def test_a_replay_shows_the_plan_its_changes_and_its_lines(scenario):
    replies = [plan(), at(1, code("x = 1")), plan("Otherwise."), at(1, code("x = 2")), at(1, finish("so"))]
    s = build(scenario, replies, Person("e 1 Read it all.", "go"))
    state = await s.run()
    kept = [Recorded.model_validate(json.loads(json.dumps(each.record()))) for each in recorded(state.steps)]
    model = ReplayModel(kept, "r.jsonl")
    again = scenario([])
    again.loop._asker.model, again.loop.replayed = model, lambda: model.position < len(model.decisions)
    replayed = await again.run()
    assert replayed.status == "finished"
    assert [each.lines for step in replayed.steps for each in step.plans] == [
        ("Read it all.", *LINES[1:]),
        ("Otherwise.",),
    ]
    assert [step.plan_line for step in replayed.steps] == [1, 1, 1]
    assert [step.decision for step in replayed.steps] == [step.decision for step in state.steps]


async def test_the_plan_stays_told_when_its_steps_are_told_in_short(scenario):
    s = build(
        scenario,
        [plan(), *[code(f"x = {n}  # {'-' * 900}") for n in range(40)], finish("so")],
        Person("go"),
        context_window=4000,
    )
    state = await s.run()
    assert state.compacted is not None
    assert all("Sum the prices." in json.dumps([m.content for m in r.messages]) for r in s.model.requests[1:])


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (["1. Read.", "2) Sum."], ("Read.", "Sum.")),
        ("1. Read.\n2. Sum.\n\n", ("Read.", "Sum.")),
        (["- Read.", "* Sum.", " "], ("Read.", "Sum.")),
        (["2024 is read.", "3.5 is the rate."], ("2024 is read.", "3.5 is the rate.")),
    ],
)
def test_lines_are_taken_without_their_numbers(lines, kept):
    assert Plan(lines=lines).lines == kept


@pytest.mark.parametrize("lines", [[], ["x"] * 13, "", None, 3, [" "]])
def test_a_plan_has_one_to_twelve_lines(lines):
    with pytest.raises(DecisionError, match="the fields of 'plan' are wrong"):
        parse(json.dumps(decide("plan", lines=lines)), actions=(Plan,))


@pytest.mark.parametrize(
    ("reasoning", "line"),
    [
        ("2: sum", 2), ("2. sum", 2), ("[2] sum", 2), ("Line 2: sum", 2), ("(2) sum", 2), ("step 3 - check", 3),
        ("4: none", 0), ("0: none", 0), ("2.5 is the rate", 0), ("2 tables", 0), ("2:", 0), ("sum it", 0),
        ("**2:** sum", 2),
    ],
)  # fmt: skip
async def test_the_line_stands_at_the_front_of_a_reasoning(scenario, reasoning, line):
    s = build(scenario, [plan(), {**finish("so"), "reasoning": reasoning}])
    state = await s.run()
    assert state.steps[0].plan_line == line
    assert state.steps[0].decision.reasoning == (reasoning if not line else reasoning.split()[-1])


def test_what_a_person_types_about_a_plan():
    made = PlanMade(step=1, lines=LINES)
    assert understood("", made, LINES) is None
    assert understood("e 9 More.", made, LINES) == (*LINES, "More.")
    assert understood("edit 1", made, LINES) == LINES[1:]
    assert understood("e 1", made, ("only",)) == ("only",)
    assert understood("n", made, LINES).reason == ""
    assert understood("reject: too slow", made, LINES).reason == "too slow"
    assert understood("too slow", made, LINES).reason == "too slow"
    assert understood("GO", made, LINES).lines == ()
    assert numbered(LINES, 2).splitlines()[1] == "→ 2. Sum the prices."


def taken(*steps, cost="0.01"):
    return [Taken(number, number * 1000, None if cost is None else Decimal(cost) * number) for number in steps]


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (taken(), "There are no earlier runs here with m, so nothing is known of what this will take."),
        (taken(4), "Too little is known of what this will take: 1 earlier run here with m (4 steps, 4.0k tokens)."),
        (
            taken(4, 5, 6),
            "Likely 4 to 6 steps, 4.0k to 6.0k tokens, $0.04 to $0.06: 3 earlier runs here with m. No such",
        ),
        (taken(4, 5, 6, 5, 9), "A forecast like this was right for 1 of the 2 runs it can be checked on."),
        (taken(4, 5, 6, cost=None), "Likely 4 to 6 steps, 4.0k to 6.0k tokens: 3"),
    ],
)
def test_a_forecast_says_what_it_rests_on_and_how_often_it_was_right(runs, said):
    assert said in told(runs, "m")
