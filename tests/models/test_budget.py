"""A budget is never exceeded: random prices, caches, faults and silences against a bank that counts it all."""

from __future__ import annotations

import asyncio
import json
import random
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.loop import Loop
from agentloop_nb.errors import ContextOverflow, TransientFault
from agentloop_nb.events import RunStarted
from agentloop_nb.models.prices import Rates
from agentloop_nb.models.usage import estimate
from agentloop_nb.protocols import Message, ModelReply, ModelRequest, Usage
from agentloop_nb.settings import Settings
from agentloop_nb.state import State, fold
from agentloop_nb.testing import FakeWorkspace, code

SCHEMA_TOKENS = 700
"""What the servers of this test add for the response format."""


class Bank:
    """A model whose server bills every token, whether it tells so or not."""

    name = "bank"
    local = False
    context_window = None

    def __init__(self, rates: Rates, seed: int, density: float, *, dear_writes: bool) -> None:
        self.rates, self.density, self.dear_writes = rates, density, dear_writes
        self.dice = random.Random(seed)
        self.billed = Decimal(0)
        self.reported = Usage()
        self.silent = False
        """Something was billed that was never reported."""

    def quote(self, usage: Usage) -> Decimal:
        return self.rates.cost(usage)

    def tokens(self, message: Message) -> int:
        """A tokenizer: the same text always counts the same, at most one token a byte."""
        size = len(message.content.encode())
        return min(size, int(size * self.density)) + 4

    def usage(self, request: ModelRequest) -> Usage:
        spent = sum(map(self.tokens, request.messages)) + SCHEMA_TOKENS
        cached = self.dice.randint(0, spent)
        written = self.dice.randint(0, spent - cached) if self.dear_writes else 0
        most = request.max_tokens or 8192
        made = self.dice.choice([1, most, self.dice.randint(1, most)])
        return Usage(input=spent, cached=cached, cache_write=written, output=made)

    def bill(self, usage: Usage, *, told: bool) -> Decimal:
        cost = self.quote(usage)
        self.billed += cost
        if told:
            self.reported += usage
        else:
            self.silent = True
        return cost

    async def reply(self, request: ModelRequest, on_delta) -> ModelReply:
        usage = self.usage(request)
        match self.dice.choices(
            ["reply", "malformed", "length", "unreported", "broken", "billed break", "limited", "overflow"],
            [50, 8, 5, 8, 5, 8, 5, 2],
        )[0]:
            case "broken":
                raise TransientFault("cut", billed=True, retry_after=0)
            case "billed break":
                self.bill(usage, told=False)
                raise TransientFault("cut", billed=True, retry_after=0)
            case "limited":
                raise TransientFault("429", retry_after=0)
            case "overflow":
                raise ContextOverflow("too long")
            case "unreported":
                self.bill(usage, told=False)
                text = self.decision()
                guess = estimate(request.messages, text)
                return ModelReply(text=text, usage=guess, cost=self.quote(guess))
            case "malformed":
                return ModelReply(text="no decision", usage=usage, cost=self.bill(usage, told=True))
            case "length":
                cost = self.bill(usage, told=True)
                return ModelReply(text='{"reas', usage=usage, cost=cost, finish_reason="length")
        return ModelReply(text=self.decision(), usage=usage, cost=self.bill(usage, told=True))

    def decision(self) -> str:
        return json.dumps(code("print('" + "x" * self.dice.randint(0, 400) + "')"))

    async def close(self) -> None: ...


dollars_a_million = st.decimals(Decimal("0.01"), Decimal(75), places=2)


@given(
    price_in=dollars_a_million,
    price_out=dollars_a_million,
    cached=st.sampled_from(["1", "0.5", "0.1"]),
    written=st.sampled_from(["1", "1.25", "2"]),
    budget=st.decimals(Decimal("0.0005"), Decimal(2), places=4),
    density=st.sampled_from([0.2, 0.3, 1.0]),
    seed=st.integers(0, 2**32),
    max_steps=st.integers(1, 14),
)
@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_spent_never_exceeds_the_budget(price_in, price_out, cached, written, budget, density, seed, max_steps):
    rates = Rates(price_in, price_out, price_in * Decimal(cached), price_in * Decimal(written))
    bank = Bank(rates, seed, density, dear_writes=written != "1")
    state = asyncio.run(run(bank, Settings(budget=budget, max_steps=max_steps)))
    assert bank.billed <= budget
    assert state.total_cost <= budget
    assert bank.billed <= state.total_cost, "the meter never tells less than was spent"
    if not bank.silent and not any(step.failures for step in state.steps):
        assert state.total_cost == bank.billed
        assert state.usage == bank.reported


async def run(bank: Bank, given: Settings) -> State:
    events = []
    stream = Stream(State(), events.append)
    stream.emit(RunStarted(run="r", goal="spend", context="", settings=given.record()))
    with TemporaryDirectory() as folder:
        state = await Loop(stream, bank, FakeWorkspace(Path(folder)), given).run()
    assert fold(events) == state
    return state


def test_a_budget_is_used_up_to_the_last_useful_step():
    rates = Rates(Decimal("0.15"), Decimal("0.60"))
    bank = Bank(rates, 3, 0.3, dear_writes=False)
    bank.dice.choices = lambda names, weights: ["reply"]
    state = asyncio.run(run(bank, Settings(budget=Decimal("0.02"), max_steps=500)))
    assert state.status == "cost_limit"
    assert "would let the run go on" in state.reason
    assert Decimal("0.015") < bank.billed <= Decimal("0.02")
