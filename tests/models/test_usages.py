"""A budget is kept whatever a server reports: zeros, parts, nothing, too much; by property and over real sockets."""

from __future__ import annotations

import asyncio
import json
import random
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.loop import Loop
from agentloop_nb.events import RunStarted
from agentloop_nb.models.prices import Rates
from agentloop_nb.models.usage import merge, plausible, read_cost, read_usage
from agentloop_nb.protocols import Delta, ModelReply, ModelRequest, Usage
from agentloop_nb.settings import Settings
from agentloop_nb.state import State
from agentloop_nb.testing import FakeWorkspace
from tests.models.test_budget import Bank, run
from tests.wire import Reply, Wire, decision, finish

FULL = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


@pytest.mark.parametrize(
    "reported",
    [
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        {"prompt_tokens": 0, "completion_tokens": 20, "total_tokens": 20},
        {"prompt_tokens": None, "completion_tokens": 20},
        {"completion_tokens": 20},
        {"total_tokens": 500},
        {"prompt_tokens": 100},
        {"prompt_tokens": 100, "completion_tokens": 0, "total_tokens": 0},
        {"prompt_tokens": 1, "completion_tokens": 1},
        {"prompt_tokens": -5, "completion_tokens": 20},
        {"prompt_tokens": True, "completion_tokens": True},
        {"prompt_tokens": "1000", "completion_tokens": "100"},
        {"prompt_tokens": 1e300, "completion_tokens": 1},
        {},
        None,
    ],
)
async def test_what_is_not_reported_is_estimated(talk, request_of, reported):
    text = json.dumps(finish("x" * 2000))
    t = talk(Reply(text=text, usage=reported), model="gpt-4o-mini")
    reply = await t.ask(request_of("Rules. " * 500, "Goal."))
    assert reply.usage.estimated
    assert reply.usage.input >= 500
    assert reply.usage.output >= 500 or reported == {"prompt_tokens": 100, "completion_tokens": 0, "total_tokens": 0}
    assert reply.cost > 0


@pytest.mark.parametrize(
    "parts",
    [
        [{"prompt_tokens": 1000}, {"completion_tokens": 100}],
        [{"prompt_tokens": 1000, "completion_tokens": 0}, {"prompt_tokens": 0, "completion_tokens": 100}],
        [{"prompt_tokens": 1000, "completion_tokens": n} for n in range(0, 101, 10)],
        [FULL, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}],
        [FULL, None, {}],
        [{"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": None}, FULL],
        [{**FULL, "prompt_tokens_details": {"cached_tokens": 50}}, {"prompt_tokens_details": {"cached_tokens": 0}}],
        [{"total_tokens": 1100}, {"prompt_tokens": 1000}],
        ["none", 5, FULL],
        [FULL] * 3,
    ],
)
def test_what_comes_in_parts_is_put_together(parts):
    merged = None
    for part in parts:
        merged = merge(merged, part)
    usage = read_usage(merged)
    assert (usage.input, usage.output) == (1000, 100)


def test_a_count_that_can_be_is_believed(request_of):
    messages = request_of("Rules. " * 500, "Goal.").messages
    for spent in (200, 900, 3000):
        assert not plausible(Usage(input=spent, output=20), messages, "x" * 400).estimated
    assert read_cost({"cost": "0.5"}) == Decimal("0.5")


class Liar(Bank):
    """A bank that bills the truth and reports something else."""

    def report(self, usage: Usage, request: ModelRequest, text: str) -> Usage:
        true = {"prompt_tokens": usage.input, "completion_tokens": usage.output, "total_tokens": usage.total}
        match self.dice.choice(["truth", "zeros", "part", "nothing", "much", "too much", "no prompt", "total"]):
            case "zeros":
                true = dict.fromkeys(true, 0)
            case "part":
                true = {name: true[name] for name in self.dice.sample(sorted(true), 1)}
            case "nothing":
                true = {}
            case "much":
                true = {name: count * 3 for name, count in true.items()}
            case "too much":
                true = {name: count * 10**6 for name, count in true.items()}
            case "no prompt":
                true["prompt_tokens"] = 0
            case "total":
                del true["completion_tokens"]
        return plausible(read_usage(true), request.messages, text)

    async def reply(self, request: ModelRequest, on_delta) -> ModelReply:
        on_delta(Delta(status="reading"))
        usage, text = self.usage(request), self.decision()
        self.bill(usage, told=True)
        told = self.report(usage, request, text)
        return ModelReply(text=text, usage=told, cost=self.quote(told))


dollars = st.decimals(Decimal("0.01"), Decimal(75), places=2)


@given(
    price_in=dollars,
    price_out=dollars,
    budget=st.decimals(Decimal("0.0005"), Decimal(2), places=4),
    density=st.sampled_from([0.2, 0.25, 0.3, 1.0]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_budget_is_kept_whatever_is_reported(price_in, price_out, budget, density, seed):
    bank = Liar(Rates(price_in, price_out), seed, density, dear_writes=False)
    state = asyncio.run(run(bank, Settings(budget=budget, max_steps=8)))
    assert bank.billed <= budget
    assert state.total_cost <= budget


FORMS = ["truth", "zeros", "no prompt", "nothing", "only output", "split", "triple", "absurd"]


def reported(form: str, spent: int, made: int):
    true = {"prompt_tokens": spent, "completion_tokens": made, "total_tokens": spent + made}
    return {
        "truth": true,
        "zeros": dict.fromkeys(true, 0),
        "no prompt": {**true, "prompt_tokens": 0},
        "nothing": None,
        "only output": {"completion_tokens": made},
        "split": {"prompt_tokens": spent},
        "triple": {name: 3 * count for name, count in true.items()},
        "absurd": {name: 10**9 * count for name, count in true.items()},
    }[form]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("budget", ["0.002", "0.01"])
async def test_also_over_a_real_socket(talk, form, budget):
    billed, dice = [Decimal(0)], random.Random(form)

    def answer(request):
        text = json.dumps(decision("run_code", code="print('" + "x" * dice.randint(0, 400) + "')"))
        spent = sum(len(message["content"]) for message in request.body["messages"]) // 4
        made = min(len(text) // 4 + dice.randint(0, 300), request.body["max_tokens"])
        billed[0] += (spent * Decimal("0.15") + made * Decimal("0.60")) / 1_000_000
        return Reply(text=text, usage=reported(form, spent, made))

    t = talk(wire=Wire(answer).start(), model="gpt-4o-mini")
    with TemporaryDirectory() as folder:
        state = await run_with(t.model, Settings(budget=Decimal(budget), max_steps=40), Path(folder))
    assert billed[0] <= Decimal(budget)
    assert state.total_cost <= Decimal(budget)
    assert state.status in ("cost_limit", "step_limit", "failed")


async def run_with(model, given: Settings, folder: Path):
    stream = Stream(State(), lambda event: None)
    stream.emit(RunStarted(run="r", goal="spend", context="", settings=given.record()))
    return await Loop(stream, model, FakeWorkspace(folder), given).run()
