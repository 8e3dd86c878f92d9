"""Whole runs with Claude over real sockets: faults, budgets, thoughts, repairs, and a cache that runs out."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable
from decimal import Decimal

import pytest

from agentloop_nb.models.registry import create
from agentloop_nb.protocols import CodeOutcome
from agentloop_nb.settings import resolve
from tests.messages_wire import MessagesWire, anthropic_error, overloaded
from tests.models.conftest import IMPATIENT, PATIENT, Talk
from tests.models.test_matrix import Run
from tests.wire import Reply, decision, finish, html_page

KEY = "sk-ant-0123456789"
STEP = decision("run_code", code="print(1)")
HALF = json.dumps(finish("x" * 300))
TRANSIENT = {
    "529": overloaded(),
    "429": anthropic_error(429, "rate_limit_error", "slow down", **{"retry-after": "0"}),
    "500": anthropic_error(500, "api_error", "Internal server error"),
    "502 page": html_page(502),
    "overload half-way": Reply(text=HALF, ending="error", after=9),
    "truncated": Reply(text=HALF, ending="truncated", after=9),
    "cut": Reply(text=HALF, ending="cut", after=9),
    "reset": Reply(text="", ending="reset", after=0),
    "hang half-way": Reply(text=HALF, ending="hang", after=9),
}
MALFORMED = {
    "prose": "I would look at the data first.",
    "half": Reply(text='{"reasoning": "I wi', finish_reason="max_tokens"),
    "unknown action": decision("rm_rf"),
    "refused": Reply(text="", finish_reason="refusal"),
    "window": Reply(text='{"reas', finish_reason="model_context_window_exceeded"),
}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("agentloop_nb._internal.backoff.CHANCE.uniform", lambda low, high: 0.0)


@pytest.fixture
async def run(tmp_path) -> AsyncIterator[Callable[..., Run]]:
    """Starts a server with a script and a loop around a Claude that talks to it."""
    talks: list[Talk] = []

    def start(*script, outcomes=None, effort=None, streams=True, **options) -> Run:
        wire = MessagesWire(script, key=KEY, streams=streams).start()
        given = {"ANTHROPIC_BASE_URL": wire.address, "ANTHROPIC_API_KEY": KEY}
        model = create(resolve({"model": "anthropic:claude-sonnet-4-5", "effort": effort}, {}, given), given)
        silent = any(isinstance(item, Reply) and item.ending == "hang" for item in script)
        model.patience = IMPATIENT if silent else PATIENT
        talks.append(Talk(wire, model))
        made = Run(talks[-1], tmp_path, model="anthropic:claude-sonnet-4-5", **options)
        made.workspace.outcomes.update(outcomes or {})
        return made

    yield start
    for each in talks:
        await each.model.close()
        each.wire.close()


@pytest.mark.parametrize("fault", TRANSIENT)
async def test_a_fault_is_survived(run, fault):
    r = run(STEP, TRANSIENT[fault], finish("survived"))
    state = await r.go()
    assert (state.status, state.summary, r.workspace.ran) == ("finished", "survived", ["print(1)"]), state.reason


async def test_an_overload_spends_no_retry(run):
    state = await run(STEP, *[overloaded()] * 9, finish("survived")).go()
    assert (state.status, state.summary) == ("finished", "survived"), state.reason
    assert state.total_cost < Decimal("0.05"), "nothing was billed for it"


@pytest.mark.parametrize("reply", MALFORMED)
async def test_what_is_no_decision_is_repaired(run, reply):
    r = run(STEP, MALFORMED[reply], finish("survived"))
    state = await r.go()
    assert (state.status, state.summary) == ("finished", "survived"), state.reason


async def test_after_a_repair_the_transcript_is_still_read_from_the_cache(run):
    loud = CodeOutcome(ending="ok", outputs=({"output_type": "stream", "name": "stdout", "text": "x " * 3000},))
    r = run(STEP, "What?", STEP, finish("done"), outcomes={"print(1)": loud})
    await r.go()
    bills = r.talk.wire.bills
    whole = [sum(bill.values()) for bill in bills]
    assert bills[2]["cache_read_input_tokens"] > 0.95 * whole[1] - 50
    assert bills[3]["cache_read_input_tokens"] > 0.95 * whole[1]


async def test_what_was_kept_too_long_is_written_again(run):
    r = run(STEP, STEP, finish("done"))
    clock = [0.0]
    r.talk.wire.cache.now = lambda: clock.__setitem__(0, clock[0] + 400) or clock[0]
    state = await r.go()
    assert state.status == "finished"
    assert [bill["cache_read_input_tokens"] for bill in r.talk.wire.bills] == [0, 0, 0]
    assert state.usage.cache_write > 0


async def test_a_model_that_keeps_only_longer_prompts_is_billed_as_it_says(run):
    r = run(STEP, finish("done"))
    r.talk.wire.cache.count = lambda body: {
        "input_tokens": 900,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }
    state = await r.go()
    assert (state.usage.cached, state.usage.cache_write, state.usage.input) == (0, 0, 1800)


async def test_thoughts_are_told_with_their_step_and_not_sent_back(run):
    r = run(Reply(text=json.dumps(STEP), reasoning="Where do I begin?"), finish("done"), effort="medium")
    state = await r.go()
    assert state.steps[0].thoughts == "Where do I begin?"
    assert 0 < state.usage.reasoning < state.usage.output
    sent = json.dumps(r.talk.wire.bodies[-1])
    assert "Where do I begin?" not in sent
    assert "signature" not in sent


@pytest.mark.parametrize("seed", range(12))
async def test_a_budget_holds_whatever_is_written_into_the_cache(run, seed):
    """Writing is dearer than reading for the first time, and counts may be missing, zero, or far too high."""
    dice = random.Random(seed)

    def reported():
        kinds = [
            "auto",
            None,
            {"input_tokens": 0, "output_tokens": 0},
            {"input_tokens": 3, "output_tokens": 1},
            {"input_tokens": 10, "cache_creation_input_tokens": dice.randint(1, 5000), "output_tokens": 90},
            {"input_tokens": 10, "cache_read_input_tokens": dice.randint(1, 10**6), "output_tokens": 9},
            {"output_tokens": 7},
        ]
        return dice.choice(kinds)

    steps = [decision("run_code", code=f"print({number})") for number in range(15)]
    script = [Reply(text=json.dumps(each), usage=reported(), reasoning="hm " * dice.randint(0, 200)) for each in steps]
    budget = Decimal(dice.choice(["0.02", "0.05", "0.2"]))
    state = await run(*script, finish("done"), budget=budget, effort=dice.choice([None, "low", "high"])).go()
    assert state.total_cost <= budget
    assert state.status in ("finished", "cost_limit"), state.reason


async def test_a_run_without_streams_is_the_same(run):
    state = await run(STEP, finish("done"), streams=False).go()
    assert (state.status, state.summary) == ("finished", "done")


async def test_a_decision_is_not_asked_for_twice_with_the_decision_cache(tmp_path):
    with MessagesWire([finish("done")], key=KEY) as wire:
        given = {"ANTHROPIC_BASE_URL": wire.address, "ANTHROPIC_API_KEY": KEY}
        for _ in range(2):
            asked = {"model": "anthropic:claude-sonnet-4-5", "cache": str(tmp_path / "cache.sqlite"), "effort": "low"}
            model = create(resolve(asked, {}, given), given)
            state = await Run(Talk(wire, model), tmp_path).go()
            assert state.summary == "done"
            await model.close()
        assert len(wire.bodies) == 1


@pytest.mark.parametrize(
    ("effort", "longest", "budget"),
    [(None, 8192, None), ("low", 8192, 1024), ("medium", 16384, 8192), ("high", 32768, 24576)],
)
async def test_the_more_it_is_to_think_the_longer_a_reply_may_be(run, effort, longest, budget):
    r = run(STEP, finish("done"), effort=effort)
    r.settings = resolve({"model": "anthropic:claude-sonnet-4-5", "effort": effort}, {}, {})
    await r.go()
    told = [(body["max_tokens"], body.get("thinking", {}).get("budget_tokens")) for body in r.talk.wire.bodies]
    assert told == [(longest, budget)] * 2, "the same at every step, or nothing could be read from the cache"
