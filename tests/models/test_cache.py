"""The decision cache: the same notebook run again costs nothing, and nothing else is answered from it."""

from __future__ import annotations

import sqlite3
from decimal import Decimal

import pytest

from agentloop_nb.errors import UserError
from agentloop_nb.protocols import Usage
from tests.wire import Reply, Wire, finish

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


@pytest.fixture
def cached(talk, tmp_path):
    def start(*script, **options):
        variables = {"AGENTLOOP_CACHE": str(tmp_path / "c.sqlite")}
        return talk(*script, model="gpt-4o-mini", variables=variables, **options)

    return start


async def test_a_request_asked_before_is_answered_for_nothing(cached, request_of):
    t = cached('{"reasoning": "x", "action": {"name": "finish", "summary": "paid"}}')
    first = await t.ask(request_of())
    again = await t.ask(request_of(max_tokens=300))
    assert len(t.wire.requests) == 1
    assert (again.text, again.usage, again.cost, again.saved) == (first.text, Usage(), 0, first.cost)
    assert first.saved is None
    assert first.cost > 0
    assert "".join(delta.text for delta in t.deltas) == first.text * 2


async def test_a_new_process_finds_it(cached, request_of):
    t = cached(finish("kept"))
    await t.ask(request_of())
    later = cached(wire=t.wire)
    assert (await later.ask(request_of())).saved is not None
    assert len(t.wire.requests) == 1


@pytest.mark.parametrize(
    "other",
    [{"final": True}, {"texts": ("Rules.", "Another goal.")}, {"repairs": 1}],
)
async def test_another_request_is_asked(cached, request_of, other):
    t = cached(finish(), finish())
    await t.ask(request_of())
    await t.ask(request_of(*other.pop("texts", ()), **other))
    assert len(t.wire.requests) == 2


async def test_another_temperature_is_asked(cached, request_of):
    t = cached(finish(), finish())
    await t.ask(request_of())
    await cached(wire=t.wire, arguments={"temperature": 1}).ask(request_of())
    assert len(t.wire.requests) == 2


@pytest.mark.parametrize("bad", ["no decision", Reply(text='{"reasoning": "x"', finish_reason="length")])
async def test_only_valid_decisions_are_kept(cached, request_of, bad):
    t = cached(bad, finish())
    await t.ask(request_of())
    await t.ask(request_of())
    assert len(t.wire.requests) == 2


async def test_a_damaged_cache_costs_money_but_no_run(cached, request_of, tmp_path):
    t = cached(finish(), finish())
    await t.ask(request_of())
    with sqlite3.connect(tmp_path / "c.sqlite") as file:
        file.execute("UPDATE decisions SET reply = 'torn'")
    assert (await t.ask(request_of())).saved is None


async def test_no_prompt_lies_in_the_file(cached, request_of, tmp_path):
    t = cached(finish())
    await t.ask(request_of("Rules.", "canary-in-the-prompt"))
    assert b"canary" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_an_impossible_place_is_told_in_one_line(talk, tmp_path):
    with Wire() as wire, pytest.raises(UserError, match="AGENTLOOP_CACHE"):
        talk(wire=wire, variables={"AGENTLOOP_CACHE": str(tmp_path)})


async def test_the_price_of_what_was_saved(cached, request_of):
    t = cached(Reply(text='{"reasoning": "x", "action": {"name": "finish", "summary": "s"}}', usage=USAGE))
    await t.ask(request_of())
    assert (await t.ask(request_of())).saved == Decimal("0.00021")
