"""One attempt over real sockets: what is sent, what comes back, what it costs."""

from __future__ import annotations

import asyncio
import json
import time
from decimal import Decimal

import pytest

from agentloop_nb.decision import parse
from agentloop_nb.protocols import Usage
from tests.wire import Reply, decision, finish, hang


async def test_a_reply_streams_in_and_is_billed(talk, request_of):
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "total_tokens": 1100,
        "prompt_tokens_details": {"cached_tokens": 600},
        "completion_tokens_details": {"reasoning_tokens": 40},
    }
    text = json.dumps(decision("run_code", code="x = 'é'\nprint(x)"))
    t = talk(Reply(text=text, reasoning="hmm, so", usage=usage), model="gpt-4o-mini")
    reply = await t.ask(request_of())
    assert parse(reply.text).action.code == "x = 'é'\nprint(x)"
    assert "".join(delta.text for delta in t.deltas) == text
    assert "".join(delta.reasoning for delta in t.deltas) == reply.reasoning == "hmm, so"
    assert [bool(delta.reasoning) for delta in t.deltas] == sorted([bool(d.reasoning) for d in t.deltas], reverse=True)
    assert reply.usage == Usage(input=1000, cached=600, output=100, reasoning=40)
    assert reply.cost == Decimal("0.000165")
    assert reply.finish_reason == "stop"


async def test_the_request_asks_for_a_strict_decision_and_its_usage(talk, request_of):
    t = talk(finish())
    await t.ask(request_of("Rules.", "Goal.", "{}", "Saw 1.", max_tokens=500))
    (body,) = t.wire.bodies
    assert body["messages"] == [
        {"role": "system", "content": "Rules."},
        {"role": "user", "content": "Goal."},
        {"role": "assistant", "content": "{}"},
        {"role": "user", "content": "Saw 1."},
    ]
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert body["max_tokens"] == 500
    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["temperature"] == 0.2, "a local model is kept to the point"


async def test_a_final_request_allows_only_finish(talk, request_of):
    t = talk(finish())
    await t.ask(request_of(final=True))
    schema = t.wire.bodies[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["action"]["properties"]["name"]["enum"] == ["finish"]


async def test_a_server_that_does_not_stream_answers_whole(talk, request_of):
    t = talk(Reply(text=json.dumps(finish("whole")), reasoning="short"), streams=False)
    reply = await t.ask(request_of())
    assert parse(reply.text).action.summary == "whole"
    assert [(delta.text, delta.reasoning) for delta in t.deltas] == [(reply.text, "short")]
    assert not reply.usage.estimated


async def test_missing_usage_is_estimated_and_marked(talk, request_of):
    t = talk(Reply(text=json.dumps(finish("x" * 400)), usage=None), model="gpt-4o-mini")
    reply = await t.ask(request_of("Rules. " * 100, "Goal."))
    assert reply.usage.estimated
    assert 150 < reply.usage.input < 300
    assert 100 < reply.usage.output < 200
    assert reply.cost == t.model.quote(reply.usage) > 0


async def test_the_servers_own_price_comes_first(talk, request_of):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cost": 0.00123}
    t = talk(Reply(text=json.dumps(finish()), usage=usage), model="gpt-4o-mini")
    assert (await t.ask(request_of())).cost == Decimal("0.00123")


async def test_thinking_that_is_only_in_the_total_is_output(talk, request_of):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40}
    t = talk(Reply(text=json.dumps(finish()), usage=usage))
    assert (await t.ask(request_of())).usage == Usage(input=10, output=30)


async def test_thoughts_written_into_the_answer_are_told_apart(talk, request_of):
    t = talk("<think>Is {this} one?</think>\n" + json.dumps(finish("yes")))
    reply = await t.ask(request_of())
    assert parse(reply.text).action.summary == "yes"
    assert reply.reasoning == "Is {this} one?"


async def test_a_reply_cut_by_its_length_is_billed_and_says_so(talk, request_of):
    t = talk(Reply(text='{"reasoning": "I will', finish_reason="length"))
    reply = await t.ask(request_of(max_tokens=5))
    assert reply.finish_reason == "length"
    assert reply.usage.output > 0


async def test_a_refusal_is_a_reply_that_is_billed(talk, request_of):
    t = talk(Reply(text="", refusal="I cannot help with that."))
    reply = await t.ask(request_of())
    assert (reply.text, reply.finish_reason) == ("I cannot help with that.", "refusal")
    assert reply.usage.input > 0


@pytest.mark.parametrize("ending", ["no_done", "done"])
async def test_the_end_of_a_stream_may_be_informal(talk, request_of, ending):
    t = talk(Reply(text=json.dumps(finish()), ending=ending))
    assert not (await t.ask(request_of())).usage.estimated


async def test_a_plain_connection_is_not_kept_where_a_server_may_close_it_under_the_next_request(talk, request_of):
    t = talk(finish(), finish())
    for _ in range(2):
        await t.ask(request_of())
    assert [request.headers["connection"] for request in t.wire.requests] == ["close", "close"]


async def test_cancelling_frees_the_socket_at_once(talk, request_of):
    t = talk(Reply(text="x" * 1000, ending="hang", after=5), hang())
    t.model.patience = type(t.model.patience)()
    for _ in range(2):
        task = asyncio.create_task(t.ask(request_of()))
        while len(t.wire.requests) <= len(t.wire.hung_up):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        stopped = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(100):
            if t.wire.hung_up and t.wire.hung_up[-1] >= stopped:
                break
            await asyncio.sleep(0.02)
        assert t.wire.hung_up[-1] >= stopped


async def test_a_hosted_model_keeps_its_own_temperature(talk, request_of):
    t = talk(finish(), model="gpt-4o-mini")
    await t.ask(request_of())
    assert "temperature" not in t.wire.bodies[0]


async def test_temperature_is_sent_when_set(talk, request_of):
    t = talk(finish(), arguments={"temperature": 0.2})
    await t.ask(request_of())
    assert t.wire.bodies[0]["temperature"] == 0.2


async def test_a_server_dearer_than_its_list_raises_the_next_quotes(talk, request_of):
    usage = {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000}
    dear, cheap = {**usage, "cost": 0.00030}, {**usage, "cost": 0.00001}
    text = json.dumps(finish())
    t = talk(Reply(text=text, usage=dear), Reply(text=text, usage=cheap), model="gpt-4o-mini")
    assert t.model.quote(Usage(input=1000)) == Decimal("0.00015")
    for _ in range(2):
        await t.ask(request_of())
        assert t.model.quote(Usage(input=1000)) == Decimal("0.00030")
