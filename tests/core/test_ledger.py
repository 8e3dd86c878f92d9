"""One budget over many runs: never over, hardly anything unused, nobody waits for ever, a crash forgets nothing."""

from __future__ import annotations

import asyncio
import random
import signal
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from agentloop_nb import Ledger
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.ledger import Hold, NoRoom, Offer
from agentloop_nb.agent.loop import Loop
from agentloop_nb.errors import UserError
from agentloop_nb.events import RunStarted
from agentloop_nb.protocols import Usage
from agentloop_nb.settings import Settings
from agentloop_nb.state import State
from agentloop_nb.testing import FakeWorkspace, ScriptedModel, code, finish

PRICE_IN, PRICE_OUT = Decimal("0.0000025"), Decimal("0.00001")
REPLIES = (8192, 6144, 4096, 2048, 1024, 512, 256)


def offers(tokens: int) -> list[Offer]:
    return [Offer(reply, tokens * PRICE_IN + reply * PRICE_OUT) for reply in REPLIES]


def dollars(amount: str) -> list[Offer]:
    """A call that can only be made at one price."""
    return [Offer(4096, Decimal(amount))]


async def spender(ledger: Ledger, check: Callable[[], None], chance: random.Random, steps: int) -> str:
    """A run: prompts that grow, replies of any length, faults, lost usage, refusals, cancellation in the middle."""
    tokens = 2000
    for _ in range(steps):
        tokens += chance.randint(100, 4000)
        try:
            hold = await ledger.reserve(offers(tokens))
        except NoRoom:
            return "cost_limit"
        check()
        cost: Decimal | None = None
        try:
            for _ in range(chance.randint(0, 3)):
                await asyncio.sleep(0)
            cost = what_it_cost(hold, tokens, chance)
        finally:
            ledger.settle(hold, cost)
            ledger.settle(hold, Decimal(1))  # told twice, counted once
    return "finished"


def what_it_cost(hold: Hold, tokens: int, chance: random.Random) -> Decimal | None:
    assert hold.max_tokens is not None
    match chance.random():
        case x if x < 0.2:
            return None  # a broken stream: nobody knows
        case x if x < 0.35:
            return hold.cost
        case x if x < 0.45:
            return Decimal(0)  # refused before it was billed
    return chance.randint(1, tokens) * PRICE_IN + chance.randint(1, hold.max_tokens) * PRICE_OUT


async def together(runs: list[asyncio.Future[str]], chance: random.Random) -> None:
    """Let runs spend until nothing fits any more; sometimes one is cancelled on the way."""
    if chance.random() < 0.3 and len(runs) > 1:
        await asyncio.sleep(0)
        runs[0].cancel()
    for end in await asyncio.wait_for(asyncio.gather(*runs, return_exceptions=True), 60):
        assert end in ("finished", "cost_limit") or isinstance(end, asyncio.CancelledError)


async def flat(seed: int) -> float:
    """Runs that share one budget; returns the part of it that they used."""
    chance = random.Random(seed)
    budget = Decimal(chance.randint(1, 500)) / 1000
    ledger = Ledger(budget)

    def check() -> None:
        assert ledger.spent + ledger.reserved <= budget, seed

    shares = [ledger.share(f"r{number}") for number in range(chance.randint(1, 8))]
    dice = [random.Random(seed * 97 + number) for number in range(len(shares))]
    runs = [asyncio.ensure_future(spender(share, check, one, 400)) for share, one in zip(shares, dice, strict=True)]
    await together(runs, chance)
    check()
    assert ledger.reserved == 0, seed
    assert sum(ledger.by_run.values()) == ledger.spent, seed
    return float(ledger.spent / budget)


async def tree(seed: int) -> None:
    """Runs below runs, each with a bound of its own or none: no account is ever over, nor any above it."""
    chance = random.Random(seed)
    root = Ledger(Decimal(chance.randint(1, 1000)) / 1000)
    nodes: list[tuple[Ledger, Decimal | None]] = [(root, root.left)]
    for number in range(chance.randint(1, 9)):
        above, _ = chance.choice(nodes)
        bound = chance.choice([None, Decimal(chance.randint(1, 500)) / 1000])
        nodes.append((above.share(f"n{number}", bound), bound))

    def check() -> None:
        for node, bound in nodes:
            assert bound is None or node.spent + node.reserved <= bound, seed
            assert sum(node.by_run.values()) <= node.spent, seed

    dice = [random.Random(seed * 89 + number) for number in range(len(nodes))]
    pairs = zip(nodes, dice, strict=True)
    await together([asyncio.ensure_future(spender(node, check, one, 100)) for (node, _), one in pairs], chance)
    check()
    assert root.reserved == 0


def test_whatever_the_order_the_budget_is_never_exceeded_and_is_used():
    used = [asyncio.run(flat(seed)) for seed in range(3000)]
    assert statistics.median(used) >= 0.95


def test_no_bound_in_a_tree_of_runs_is_ever_exceeded():
    for seed in range(500):
        asyncio.run(tree(seed))


def test_who_waits_longer_is_served_first_and_nobody_slips_past():
    async def scene() -> list[str]:
        ledger, served = Ledger(1), []

        async def buy(name: str, price: str) -> None:
            hold = await ledger.reserve(dollars(price))
            served.append(name)
            ledger.settle(hold, Decimal(0))

        first = await ledger.reserve(dollars("0.9"))
        waiting = [asyncio.ensure_future(buy("large", "0.8"))]
        await asyncio.sleep(0)
        waiting.append(asyncio.ensure_future(buy("small", "0.05")))  # it would fit, but for the one before it
        await asyncio.sleep(0)
        assert served == []
        ledger.settle(first, Decimal("0.2"))
        await asyncio.gather(*waiting)
        return served

    assert asyncio.run(scene()) == ["large", "small"]


def test_a_bound_of_one_run_does_not_hold_up_another():
    async def scene() -> Decimal | None:
        ledger = Ledger(1)
        narrow, wide = ledger.share("narrow", Decimal("0.2")), ledger.share("wide")
        first = await narrow.reserve(dollars("0.2"))
        blocked = asyncio.ensure_future(narrow.reserve(dollars("0.1")))
        await asyncio.sleep(0)
        hold = await asyncio.wait_for(wide.reserve(dollars("0.5")), 5)
        narrow.settle(first, Decimal(0))
        await asyncio.wait_for(blocked, 5)
        return hold.cost

    assert asyncio.run(scene()) == Decimal("0.5")


def test_a_reply_is_not_cut_short_where_waiting_brings_a_longer_one():
    async def scene() -> tuple[int | None, int | None]:
        ledger, prompt = Ledger("0.10"), 2000
        first = await ledger.reserve(dollars("0.09"))
        later = asyncio.ensure_future(ledger.reserve(offers(prompt)))  # a reply of 256 tokens would fit
        await asyncio.sleep(0)
        assert not later.done()
        ledger.settle(first, Decimal("0.01"))
        long = (await later).max_tokens
        alone = Ledger("0.01")  # nobody is there to wait for
        return long, (await alone.reserve(offers(prompt))).max_tokens

    assert asyncio.run(scene()) == (8192, 256)


def test_one_who_stops_waiting_leaves_the_line():
    async def scene() -> None:
        ledger = Ledger(1)
        first = await ledger.reserve(dollars("0.9"))
        gone = asyncio.ensure_future(ledger.reserve(dollars("0.9")))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        await asyncio.wait_for(ledger.reserve(dollars("0.1")), 5)  # nobody is before it
        ledger.settle(first, None)
        assert ledger.spent == Decimal("0.9")
        with pytest.raises(NoRoom):
            await ledger.reserve(dollars("0.2"))

    asyncio.run(scene())


@pytest.mark.parametrize("kept", ["memory", "file"])
def test_runs_on_many_threads_share_it(tmp_path, kept):
    path = tmp_path / "ledger.jsonl" if kept == "file" else None
    ledger, over = Ledger("0.2", path=path), []

    def check() -> None:
        if ledger.left < 0:
            over.append(ledger.left)

    def work(number: int) -> None:
        asyncio.run(spender(ledger.share(f"t{number}"), check, random.Random(number), 60))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert over == []
    assert ledger.reserved == 0
    assert Decimal("0.15") < ledger.spent <= Decimal("0.2")
    assert sum(ledger.by_run.values()) == ledger.spent


WORKER = """
import asyncio, random, sys
from decimal import Decimal
from agentloop_nb import Ledger
from agentloop_nb.agent.ledger import NoRoom, Offer

async def work(path, name, seed):
    ledger, chance = Ledger(path=path).share(name), random.Random(seed)
    for _ in range(40):
        try:
            hold = await ledger.reserve([Offer(4096, Decimal("0.03")), Offer(2048, Decimal("0.02"))])
        except NoRoom:
            return
        print(hold.cost, flush=True)
        if name == "killed":
            await asyncio.sleep(600)
        await asyncio.sleep(chance.random() / 100)
        ledger.settle(hold, Decimal(chance.randint(1, 20)) / 1000)

asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def start(path: Path, name: str, seed: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(path), name, str(seed)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_share_it_and_one_that_is_killed_in_a_call_has_paid_for_it(tmp_path):
    path = tmp_path / "deep" / "ledger.jsonl"
    ledger = Ledger("0.3", path=path)
    killed = start(path, "killed")
    assert killed.stdout.readline() == "0.03\n"
    assert ledger.reserved == Decimal("0.03")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    workers = [start(path, f"p{number}", number) for number in range(3)]
    for worker in workers:
        worker.communicate(timeout=60)
        assert worker.returncode == 0
    assert ledger.reserved == 0
    assert ledger.by_run["killed"] == Decimal("0.03")
    assert Decimal("0.27") < ledger.spent <= Decimal("0.3")


def test_what_was_spent_stays_spent_when_it_is_opened_again(tmp_path):
    path = tmp_path / "ledger.jsonl"

    async def spend(ledger: Ledger) -> None:
        ledger.settle(await ledger.reserve(dollars("0.4")), Decimal("0.3"))
        await ledger.reserve(dollars("0.5"))

    asyncio.run(spend(Ledger(1, path=path)))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(Ledger(path=path)._store.owner.encode(), b"1-0.0") + b'{"do": "hold", "id": "to')
    again = Ledger(2, path=path)  # more money this time; the process that held the half dollar is dead
    assert (again.spent, again.reserved, again.left) == (Decimal("0.8"), 0, Decimal("1.2"))
    asyncio.run(spend(again))
    assert Ledger(path=path).spent == Decimal("1.1")
    assert Ledger(path=path).left == Decimal("0.4")


CIRCLE = "\n".join(
    f'{{"do": "budget", "account": "{part}", "parent": "{whole}", "amount": "1"}}'
    for part, whole in (("a", ""), ("b", "a"), ("a", "b"))
)


@pytest.mark.parametrize(
    ("budget", "content", "word"),
    [
        ("much", None, "positive amount"),
        (-1, None, "positive amount"),
        ("nan", None, "positive amount"),
        (1, "a,b\n1,2\n", "no ledger"),
        (1, '{"kind": "run_started"}\n', "another file"),
        (1, '{"do": "open", "format": 1}\n{"do": "settle"\n{}\n', "damaged"),
        (1, '{"do": "open", "format": 1}\n{"do": "spend", "account": "nobody", "amount": "1"}\n', "damaged"),
        *(
            (1, '{"do": "open", "format": 1}\n' + entry + "\n", "damaged")
            for entry in (
                '{"do": "spend", "account": "", "amount": "-1000"}',
                '{"do": "spend", "account": "", "amount": "NaN"}',
                '{"do": "budget", "account": "", "parent": null, "amount": "Infinity"}',
                '{"do": "budget", "account": "", "parent": "", "amount": "1"}',
                CIRCLE,
                '{"do": "hold", "id": "1", "account": "", "amount": "-5", "owner": "x"}',
                '{"do": "spend", "account": ["a"], "amount": "1"}',
            )
        ),
    ],
)
def test_what_is_no_ledger_is_said_in_one_line(tmp_path, budget, content, word):
    path = tmp_path / "ledger.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=word) as caught:
        Ledger(budget, path=path)
    assert "\n" not in str(caught.value)
    assert content is None or path.read_text() == content


def test_a_file_that_vanishes_ends_the_run_with_a_reason(tmp_path):
    ledger = Ledger(1, path=tmp_path / "ledger.jsonl")
    model = ScriptedModel([code("1"), finish()], prices=("1", "1"))

    class Losing(FakeWorkspace):
        async def run_code(self, source, **options):
            (tmp_path / "ledger.jsonl").unlink()
            return await super().run_code(source, **options)

    state = asyncio.run(go(model, Losing(tmp_path), ledger=ledger))
    assert (state.status, len(model.requests)) == ("failed", 1)
    assert "was deleted or cut" in state.reason


async def go(model: ScriptedModel, workspace: FakeWorkspace, ledger: Ledger, run: str = "r", **settings) -> State:
    given = Settings(**settings)
    stream = Stream(State(), lambda _event: None)
    stream.emit(RunStarted(run=run, goal="spend", context="", settings=given.record()))
    return await Loop(stream, model, workspace, given, ledger=ledger).run()


def big(count: int) -> ScriptedModel:
    """A model whose every reply costs a cent."""
    replies = [code(f"print({number})") for number in range(count)]
    return ScriptedModel(
        [*replies, finish("done"), finish("done")], usage=Usage(input=5000, output=500), prices=("1", "10")
    )


def test_real_runs_share_a_budget_and_their_meters_add_up_to_it(tmp_path):
    async def scene() -> tuple[Ledger, list[State]]:
        ledger = Ledger("0.30")
        runs = [go(big(40), FakeWorkspace(tmp_path), ledger, f"r{number}") for number in range(4)]
        return ledger, await asyncio.gather(*runs)

    ledger, states = asyncio.run(scene())
    assert {state.status for state in states} == {"cost_limit"}
    assert ledger.by_run == {state.run: state.total_cost for state in states}
    assert Decimal("0.25") < ledger.spent <= Decimal("0.30")
    assert all("the budget that it shares" in state.reason for state in states)


def test_a_run_keeps_its_own_budget_below_the_shared_one(tmp_path):
    ledger = Ledger(5)
    state = asyncio.run(go(big(40), FakeWorkspace(tmp_path), ledger, budget=Decimal("0.15")))
    assert state.status == "cost_limit"
    assert "the budget;" in state.reason
    assert ledger.spent == state.total_cost <= Decimal("0.15")


def test_without_a_bound_it_only_counts(tmp_path):
    ledger = Ledger()
    state = asyncio.run(go(big(3), FakeWorkspace(tmp_path), ledger))
    assert state.status == "finished"
    assert (ledger.spent, ledger.left, ledger.is_known) == (state.total_cost, None, True)
    unpriced = ScriptedModel([code("1"), finish()], prices=None)
    asyncio.run(go(unpriced, FakeWorkspace(tmp_path), ledger, "other"))
    assert not ledger.is_known


def test_a_run_that_is_stopped_while_it_waits_or_asks_has_counted_its_worst_case(tmp_path):
    class Hanging(ScriptedModel):
        async def reply(self, request, on_delta):
            await asyncio.sleep(600)

    async def scene() -> tuple[Ledger, Decimal]:
        ledger = Ledger("0.1")
        asking = asyncio.ensure_future(go(Hanging([], prices=("1", "10")), FakeWorkspace(tmp_path), ledger, "asks"))
        waiting = asyncio.ensure_future(go(Hanging([], prices=("1", "10")), FakeWorkspace(tmp_path), ledger, "waits"))
        while not ledger._store._book.waits:
            await asyncio.sleep(0)
        held = ledger.reserved
        waiting.cancel()
        asking.cancel()
        await asyncio.gather(asking, waiting, return_exceptions=True)
        assert not ledger._store._book.waits
        return ledger, held

    ledger, held = asyncio.run(scene())
    assert held > 0
    assert (ledger.spent, ledger.reserved) == (held, 0)
