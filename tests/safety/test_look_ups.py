"""What hides in one of several look-ups is seen as if it stood alone."""

from __future__ import annotations

import pytest

from agentloop_nb.actions import ActionResult, LookUp, ReadUrl, SearchWeb
from agentloop_nb.decision import Decision
from agentloop_nb.events import ActionFinished, ActionStarted, DecisionMade, RunStarted
from agentloop_nb.safety.permission import reasons_to_ask
from agentloop_nb.safety.provenance import of_step
from agentloop_nb.state import State, fold
from tests.safety.attacks import ATTACKS, GOAL, OWN, PRINTED
from tests.safety.stories import state_of

HARMLESS = {"query": "market growth"}
ASKED = {name: (text, action) for name, (text, action) in ATTACKS.items() if isinstance(action, ReadUrl | SearchWeb)}


def looked_up(text: str) -> State:
    """A run whose third step read a stranger's page among others."""
    before = state_of(GOAL, [OWN, PRINTED])
    action = LookUp(requests=[HARMLESS, {"url": "https://news.example/"}])
    parts = [ActionResult(success=True, output="1. Growth"), ActionResult(success=True, output=text)]
    kept = {"parts": [part.model_dump(mode="json") for part in parts]}
    result = ActionResult(success=True, output="...", metadata=kept)
    for event in (
        DecisionMade(step=3, decision=Decision(reasoning="r", action=action)),
        ActionStarted(step=3),
        ActionFinished(step=3, result=result),
    ):
        before.apply(event)
    return before


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_page_among_several_gives_no_orders(attack: str) -> None:
    text, action = ATTACKS[attack]
    assert reasons_to_ask(action, looked_up(text))


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("attack", ASKED)
def test_a_request_that_carries_data_is_seen_among_others(attack: str, place: int) -> None:
    _, action = ASKED[attack]
    request = {"url": action.url} if isinstance(action, ReadUrl) else {"query": action.query}
    requests = [HARMLESS, HARMLESS]
    requests[place] = request
    state = state_of(GOAL, [OWN, PRINTED])
    alone = reasons_to_ask(action, state)
    assert reasons_to_ask(LookUp(requests=requests), state) == alone


def test_each_page_is_a_source_of_its_own() -> None:
    origins = [source.origin for source in of_step(looked_up("text").steps[-1])]
    assert origins == ["the search for 'market growth' (step 3)", "the page https://news.example/ (step 3)"]


def test_harmless_look_ups_are_not_asked_about() -> None:
    state = fold([RunStarted(run="r", goal=GOAL, context="", settings={})])
    assert reasons_to_ask(LookUp(requests=[HARMLESS, {"url": "https://news.example/"}]), state) == ()
