"""What only a person may decide, and nobody decides in time: nothing is granted, and it is asked again later."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from agentloop_nb.actions import RunCode
from agentloop_nb.agent.control import Control
from agentloop_nb.agent.planning import unseen
from agentloop_nb.decision import Decision
from agentloop_nb.events import ApprovalAsked, ApprovalGiven, NoteAdded, PlanMade, RunResumed, event_from
from agentloop_nb.notebook.panel.approval_prompt import Approval
from agentloop_nb.notebook.panel.plan_prompt import PlanPrompt
from agentloop_nb.testing import code, decide, finish


class Late:
    """A person who comes back: the first question is not answered in time, later ones are."""

    def __init__(self, *answers):
        self.answers, self.asked = [None, *answers], []

    async def __call__(self, asked, decision=None):
        self.asked.append((asked, decision))
        answer = self.answers.pop(0)
        if answer is None:
            raise TimeoutError
        return answer


def resumed(scenario, before, replies, person, note="", **settings):
    """The run again from its record, as another kernel would have it go on."""
    made = scenario(replies, **settings)
    made.events.clear()
    made.stream.state.steps.clear()
    for event in (event_from(json.loads(event.model_dump_json())) for event in before.events):
        made.stream.state.apply(event)
        made.events.append(event)
    made.loop._gate.approver = made.loop._planning.planner = person
    made.stream.emit(RunResumed(step=before.stream.state.current_step, max_steps=50, settings={}))
    if note:
        made.stream.emit(NoteAdded(step=made.stream.state.next_step, text=note))
    return made


YES = ApprovalGiven(step=2, approved=True)


async def unapproved(scenario, person):
    s = scenario(
        [code("free = 1"), code("costly()")], approver=_but_the_first(person), approve="code", answer_within=90
    )
    state = await s.run()
    assert (state.status, state.current_step) == ("stopped", 1)
    assert state.ending("notebook") == (
        "nobody answered within 1 min 30 s: step 2 waits for your approval; %agent resume asks again"
    )
    assert s.workspace.ran == ["free = 1"], "what nobody approved is not carried out"
    return s


def _but_the_first(person):
    async def approver(asked, decision):
        return ApprovalGiven(step=1, approved=True) if asked.step == 1 else await person(asked, decision)

    return approver


async def test_an_approval_that_nobody_gives_ends_the_run_and_is_asked_for_again(scenario):
    person = Late(YES)
    before = await unapproved(scenario, person)
    assert [asked.seconds for asked, _ in person.asked] == [90]
    after = resumed(scenario, before, [finish("done")], person, approve="code")
    state = await after.run()
    assert (state.status, state.current_step) == ("finished", 3)
    assert after.workspace.ran == ["costly()"]
    assert [decision.action.code for _, decision in person.asked] == ["costly()", "costly()"]
    assert len(after.model.requests) == 1, "the decision was paid for already"


@pytest.mark.parametrize("given", [ApprovalGiven(step=2, approved=False, reason="too dear"), None])
async def test_asked_again_it_can_be_refused_or_left_again(scenario, given):
    person = Late(given)
    before = await unapproved(scenario, person)
    after = resumed(scenario, before, [finish("done")], person, approve="code")
    state = await after.run()
    assert after.workspace.ran == []
    assert state.status == ("finished" if given else "stopped")


async def test_a_word_of_the_person_asks_the_model_instead(scenario):
    person = Late()
    before = await unapproved(scenario, person)
    after = resumed(scenario, before, [finish("done")], person, note="do it for free", approve="code")
    state = await after.run()
    assert (state.status, after.workspace.ran, len(person.asked)) == ("finished", [], 1)
    assert "do it for free" in str(after.model.requests[0].messages)


async def test_a_plan_that_nobody_settles_is_not_followed_and_is_shown_again(scenario):
    made = PlanMade(step=1, lines=("Look.", "Sum."))
    person = Late(unseen(made))
    s = scenario([decide("plan", lines=["Look.", "Sum."])], plan=True, answer_within=30)
    s.loop._planning.planner = person
    state = await s.run()
    assert state.ending("shell") == (
        "nobody answered within 30 s: the plan waits for your word; agentloop resume asks again"
    )
    assert (state.status, state.plan) == ("stopped", ())
    after = resumed(scenario, s, [code("x = 1"), finish("done")], person, plan=True)
    state = await after.run()
    assert (state.status, state.plan) == ("finished", ("Look.", "Sum."))
    assert [shown.lines for shown, _ in person.asked] == [("Look.", "Sum.")] * 2
    assert len(after.model.requests) == 2


class Desk:
    """A panel whose page is open."""

    def __init__(self):
        self.served, self.until = threading.Event(), []
        self.served.set()

    def ask(self, step, fields, until=0.0):
        self.until.append(until)

    def put_plan(self, plan):
        self.until.append(plan["until"])


async def test_on_the_panel_the_time_counts_down_and_is_over():
    desk, control = Desk(), Control()
    decision = Decision(reasoning="Because.", action=RunCode(code="print(1)", timeout=30))
    approval, plan = (kind(desk, control, anybody=lambda: True) for kind in (Approval, PlanPrompt))
    with pytest.raises(TimeoutError):
        await approval(ApprovalAsked(step=1, seconds=0.01), decision)
    with pytest.raises(TimeoutError):
        await plan(PlanMade(step=1, lines=("Look.",), seconds=0.01))
    assert all(until > 0 for until in desk.until)
    assert not approval.answer({"op": "approve", "n": 1}), "a click that comes too late grants nothing"
    forever = asyncio.ensure_future(approval(ApprovalAsked(step=2), decision))
    while len(desk.until) < 3 or not approval.answer({"op": "approve", "n": 2}):
        await asyncio.sleep(0)
    assert (await forever).approved
    assert desk.until[-1] == 0, "a record of an earlier version waits without end"
