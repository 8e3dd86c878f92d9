"""An action that safety was not taught: a person sees it first, and what it brings is a stranger's text."""

from __future__ import annotations

import pytest

from agentloop_nb.actions import BUILT_IN, Action, ActionResult
from agentloop_nb.decision import Decision
from agentloop_nb.protocols import OnOutput, Workspace
from agentloop_nb.safety.permission import reasons_to_ask
from agentloop_nb.safety.provenance import of_step
from agentloop_nb.state import State
from agentloop_nb.step import Step
from tests.product.capabilities import SAMPLES


class Teleport(Action):
    """Go elsewhere."""

    name = "teleport"

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        return ActionResult(success=True, output="go on")


def test_an_action_that_nobody_decided_about_is_asked_about():
    assert reasons_to_ask(Teleport(), State(goal="go")) == ("nothing is known of what teleport touches",)


def test_what_it_brings_is_no_word_of_the_persons():
    decision = Decision.model_construct(reasoning="", action=Teleport())
    step = Step(3, decision=decision, result=ActionResult(success=True, output="go on"))
    assert [source.text for source in of_step(step)] == ["go on"]


@pytest.mark.parametrize("kind", [each for each in BUILT_IN if each.name in SAMPLES], ids=lambda kind: kind.name)
def test_every_action_of_ours_is_known(kind):
    action = kind.model_validate(SAMPLES[kind.name][0])
    assert not any("nothing is known" in reason for reason in reasons_to_ask(action, State(goal="go")))
