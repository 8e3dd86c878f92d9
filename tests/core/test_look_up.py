"""Several searches and pages in one step: together, each with its own outcome, recorded, replayed and exported."""

from __future__ import annotations

import asyncio
import json

import pytest

from agentloop_nb.actions import BUILT_IN, LookUp
from agentloop_nb.actions.registry import record_of
from agentloop_nb.decision import parse
from agentloop_nb.errors import ActionFailed, DecisionError
from agentloop_nb.events import RunStarted
from agentloop_nb.models.recorded_answers import RecordedWeb
from agentloop_nb.notebook.panel.cards import card
from agentloop_nb.protocols import Page, SearchHit
from agentloop_nb.record.replay_data import Recorded, recorded
from agentloop_nb.testing import FakeWeb, decide, finish

HITS = [SearchHit(title="Growth", url="https://a.example/", snippet="it grew")]
PAGES = {f"https://{name}.example/": Page(url=f"https://{name}.example/", text=f"text of {name}") for name in "abc"}
REQUESTS = [{"query": "growth"}, {"url": "https://a.example/"}, {"url": "https://gone.example/"}]


@pytest.fixture
def web():
    return FakeWeb(HITS, PAGES)


class Crowded(FakeWeb):
    """A web that counts how many of its pages are read at the same time."""

    now = most = 0

    async def read(self, url, max_length):
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(20):
            await asyncio.sleep(0)
        self.now -= 1
        return Page(url=url, text=f"text of {url}")


async def looked(scenario, web, requests=REQUESTS):
    story = scenario([decide("look_up", requests=requests), finish(), finish()], web=web)
    offered = tuple(map(record_of, BUILT_IN))
    story.stream.emit(RunStarted(run="r", goal="a goal", context="", settings={}, actions=offered))
    await story.run()
    return story


async def test_it_is_one_step_and_each_request_has_its_own_outcome(scenario, web):
    story = await looked(scenario, web)
    step = story.stream.state.steps[0]
    assert step.result.success
    told = step.result.output
    assert "[1] search_web growth\n1. Growth" in told
    assert "[2] read_url https://a.example/\n" in told
    assert "text of a" in told
    assert "[3] read_url https://gone.example/ failed\nhttps://gone.example/ cannot be reached" in told
    outcomes = [result.success for _, result in step.decision.action.outcomes(step.result)]
    assert outcomes == [True, True, False]


async def test_only_where_nothing_was_found_the_step_failed(scenario, web):
    story = await looked(scenario, web, [{"url": "https://x.example/"}, {"url": "https://y.example/"}])
    result = story.stream.state.steps[0].result
    assert not result.success
    assert "none of 2 was found: https://x.example/ cannot be reached" in result.error


async def test_four_are_under_way_at_once_and_no_more(scenario):
    web = Crowded()
    await looked(scenario, web, [{"url": f"https://{number}.example/"} for number in range(8)])
    assert web.most == 4


async def test_a_replay_answers_each_request_from_the_record(scenario, web):
    steps = (await looked(scenario, web)).stream.state.steps
    kept = [Recorded.model_validate(json.loads(json.dumps(each.record()))) for each in recorded(steps)]
    again = await looked(scenario, RecordedWeb(kept))
    assert again.stream.state.steps[0].result == steps[0].result


async def test_the_same_page_asked_for_twice_has_its_answers_in_order(scenario):
    class Changing(FakeWeb):
        count = 0

        async def read(self, url, max_length):
            self.count += 1
            return Page(url=url, text=f"version {self.count}")

    steps = (await looked(scenario, Changing(), [{"url": "https://a.example/"}] * 3)).stream.state.steps
    web = RecordedWeb(recorded(steps))
    assert [(await web.read("https://a.example/", 99)).text for _ in range(4)] == [
        "version 1",
        "version 2",
        "version 3",
        "version 3",
    ]


async def test_what_failed_fails_again_in_a_replay(scenario, web):
    steps = (await looked(scenario, web)).stream.state.steps
    with pytest.raises(ActionFailed, match="cannot be reached"):
        await RecordedWeb(recorded(steps)).read("https://gone.example/", 99)


async def test_the_exported_cell_quotes_what_was_found(scenario, web):
    step = (await looked(scenario, web)).stream.state.steps[0]
    (cell,) = step.decision.action.cells(step.result, 1)
    assert cell.cell_type == "markdown"
    assert "Searched the web for **growth**" in cell.source
    assert "> text of a" in cell.source
    assert "Tried to read https://gone.example/" in cell.source


async def test_the_card_shows_a_line_for_each(scenario, web):
    state = (await looked(scenario, web)).stream.state
    shown = card(state.steps[0], state)
    text = json.dumps(shown["out"], ensure_ascii=False)
    assert shown["title"] == "Look up growth, https://a.example/, https://gone.example/"
    assert "failed: https://gone.example/ cannot be reached" in text
    assert "text of a" in text


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [{}],
        [{"query": "a", "url": "https://a.example/"}],
        [{"query": " "}],
        [{"query": None, "url": None}],
        [{"search": "a"}],
        ["a"],
        "a",
        [{"query": "a"}] * 9,
        [[{"query": "a"}]],
        [{"query": 5}],
        None,
    ],
)
def test_a_wrong_shape_is_rejected_in_words(requests):
    with pytest.raises(DecisionError, match="the fields of 'look_up' are wrong: requests"):
        parse(json.dumps(decide("look_up", requests=requests)))


@pytest.mark.parametrize(
    "requests",
    [{"query": "a"}, [{"query": "a", "url": None}], [{"query": "a", "url": ""}]],
)
def test_one_request_may_be_told_in_any_of_these_ways(requests):
    assert parse(json.dumps(decide("look_up", requests=requests))).action == LookUp(requests=[{"query": "a"}])
