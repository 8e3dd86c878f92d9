"""The fault matrix: the whole loop over real sockets, each fault once, three times in a row, and for good."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.loop import Loop
from agentloop_nb.events import RunResumed, RunStarted
from agentloop_nb.settings import resolve
from agentloop_nb.state import State, fold
from agentloop_nb.testing import FakeWorkspace
from tests.wire import Reply, context_overflow, decision, finish, hang, html_page, rate_limited, reset, server_error

STEP = decision("run_code", code="print(1)")
HALF = json.dumps(finish("x" * 200))
TRANSIENT = {
    "429": rate_limited(0.01),
    "500": server_error(500),
    "503 page": html_page(503),
    "reset": reset(),
    "hang": hang(),
    "truncated": Reply(text=HALF, ending="truncated"),
    "cut": Reply(text=HALF, ending="cut"),
    "reset half-way": Reply(text=HALF, ending="reset"),
    "hang half-way": Reply(text=HALF, ending="hang"),
    "error half-way": Reply(text=HALF, ending="error"),
}
MALFORMED = {
    "prose": "I would look at the data first.",
    "half": '{"reasoning": "I wi',
    "unknown action": decision("rm_rf"),
    "length": Reply(text=HALF[:30], finish_reason="length"),
    "filtered": Reply(text="", finish_reason="content_filter"),
    "refused": Reply(text="", refusal="I will not."),
    "empty": "",
}


class Run:
    """A loop over a real server and a fake workspace, that can be resumed from its record alone."""

    def __init__(self, talk, folder, **options) -> None:
        self.talk = talk
        self.settings = resolve({"model": "gpt-4o-mini", **options}, {}, {})
        self.workspace = FakeWorkspace(folder)
        self.events = []

    async def go(self) -> State:
        stream = Stream(State(), self.events.append)
        stream.emit(RunStarted(run="r", goal="count", context="", settings=self.settings.record()))
        return await self._loop(stream)

    async def resume(self) -> State:
        stream = Stream(fold(self.events), self.events.append)
        stream.emit(RunResumed(step=stream.state.current_step, max_steps=50, budget=self.settings.budget))
        return await self._loop(stream)

    async def _loop(self, stream) -> State:
        state = await Loop(stream, self.talk.model, self.workspace, self.settings).run()
        assert fold(self.events) == state
        return state

    def waits(self):
        return [event.wait is not None for event in self.events if event.kind == "model_failed"]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("agentloop_nb._internal.backoff.CHANCE.uniform", lambda low, high: 0.0)


@pytest.fixture
def run(talk, tmp_path):
    def start(*script, streams=True, budget=None, **options):
        t = talk(*script, streams=streams, model="gpt-4o-mini")
        return Run(t, tmp_path, budget=budget, **options)

    return start


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(
    ("fault", "streams"),
    [(fault, True) for fault in TRANSIENT] + [(fault, False) for fault in ("429", "500", "503 page", "reset", "hang")],
)
async def test_a_fault_is_survived(run, fault, times, streams):
    r = run(STEP, *[TRANSIENT[fault]] * times, finish("survived"), streams=streams)
    state = await r.go()
    assert (state.status, state.summary, state.current_step) == ("finished", "survived", 2)
    assert r.workspace.ran == ["print(1)"]
    assert r.waits() == [True] * times


@pytest.mark.parametrize("fault", ["429", "503 page"])
async def test_what_says_later_is_waited_for_and_spends_no_retry(run, fault):
    r = run(STEP, *[TRANSIENT[fault]] * 12, server_error(500), reset(), server_error(500), finish("survived"))
    state = await r.go()
    assert (state.status, state.summary) == ("finished", "survived")
    assert r.waits() == [True] * 15


@pytest.mark.parametrize("fault", TRANSIENT.keys() - {"429", "503 page"})
async def test_a_fault_for_good_ends_with_a_reason_and_can_be_resumed(run, fault):
    r = run(STEP, *[TRANSIENT[fault]] * 4, finish("later"))
    state = await r.go()
    assert state.status == "failed"
    assert state.reason.startswith("no reply from the model in 4 attempts; the last: 127.0.0.1")
    assert r.waits() == [True, True, True, False]
    state = await r.resume()
    assert (state.status, state.summary, state.current_step) == ("finished", "later", 2)
    assert r.workspace.ran == ["print(1)"], "no step is lost, none is done twice"


@pytest.mark.parametrize("streams", [True, False], ids=["streaming", "whole"])
@pytest.mark.parametrize("times", [1, 3, 4])
@pytest.mark.parametrize("reply", MALFORMED)
async def test_a_malformed_decision_is_repaired_or_ends_with_a_reason(run, reply, times, streams):
    r = run(STEP, *[MALFORMED[reply]] * times, finish("repaired"), streams=streams)
    state = await r.go()
    if times <= 3:
        assert (state.status, state.summary) == ("finished", "repaired")
    else:
        assert state.status == "failed"
        assert "4 replies in a row were no valid decision" in state.reason
        assert (await r.resume()).summary == "repaired"
    reported = [usage["prompt_tokens"] + usage["completion_tokens"] for usage in r.talk.wire.usages]
    assert fold(r.events).usage.total == sum(reported), "every reply is in the meter"
    assert r.workspace.ran == ["print(1)"]


async def test_an_overflow_is_compacted_and_the_run_goes_on(run):
    steps = [decision("run_code", code=f"print({n})") for n in range(14)]
    r = run(*steps, context_overflow(), finish("fits"))
    state = await r.go()
    assert (state.status, state.summary) == ("finished", "fits")
    assert [event.kind for event in r.events].count("transcript_compacted") >= 1


async def test_a_budget_counts_an_attempt_without_usage_at_its_worst(run):
    r = run(TRANSIENT["cut"], TRANSIENT["429"], finish(), budget="0.50")
    state = await r.go()
    failed = [event for event in r.events if event.kind == "model_failed"]
    reserved = [event.reserved for event in r.events if event.kind == "model_called"]
    assert [event.cost for event in failed] == [reserved[0], 0]
    assert failed[0].cost > 0
    assert state.total_cost <= Decimal("0.50")
