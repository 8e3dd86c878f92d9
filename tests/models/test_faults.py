"""Every fault over a real socket, streaming and not: its family, whether it may have been billed, and its one line."""

from __future__ import annotations

import json

import pytest

from agentloop_nb.errors import ContextOverflow, ModelFault, PermanentFault, TransientFault, worded
from agentloop_nb.models.registry import create
from agentloop_nb.models.streamed_model import Patience
from agentloop_nb.settings import resolve
from tests.wire import (
    Answer,
    Reply,
    context_overflow,
    error,
    finish,
    hang,
    html_page,
    insufficient_quota,
    rate_limited,
    reset,
    server_error,
)

HALF = json.dumps(finish("x" * 200))


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize(
    ("item", "family", "billed", "told"),
    [
        (rate_limited(2), TransientFault, False, "rate limited (429): Rate limit reached"),
        (server_error(500), TransientFault, True, "server error (500)"),
        (server_error(503), TransientFault, True, "server error (503)"),
        (html_page(502), TransientFault, True, "server error (502)"),
        (reset(), TransientFault, True, "the connection broke"),
        (hang(), TransientFault, True, "no answer for 0.8 s"),
        (error(408, "too slow"), TransientFault, False, "(408): too slow"),
        (insufficient_quota(), PermanentFault, False, "no credit left"),
        (error(402, "Insufficient credits"), PermanentFault, False, "no credit left (402): Insufficient credits"),
        (error(401, "Incorrect API key"), PermanentFault, False, "the key was not accepted (401)"),
        (error(403, "Country not supported"), PermanentFault, False, "access denied (403): Country not supported"),
        (error(404, "The model 'scripted' does not exist"), PermanentFault, False, "%agent models lists"),
        (error(404, "Not Found"), PermanentFault, False, "no chat completions at"),
        (html_page(404), PermanentFault, False, "usually ends in /v1"),
        (html_page(200), PermanentFault, False, "answered with a web page"),
        (error(400, "messages must alternate"), PermanentFault, False, "was refused (400): messages must alternate"),
        (Answer(status=307, headers={"location": "http://elsewhere"}), PermanentFault, False, "redirects to"),
        (Answer(status=200, body={"error": "Unexpected endpoint"}), PermanentFault, False, "Unexpected endpoint"),
        (Answer(status=200, body="nonsense", content_type="text/plain"), TransientFault, True, "is not JSON"),
        (context_overflow(8192), ContextOverflow, False, "the prompt is too long (400)"),
        (error(413, "Payload too large"), ContextOverflow, False, "the prompt is too long (413)"),
        (
            error(400, "policy", code="content_filter"),
            PermanentFault,
            False,
            "the provider's filter refused the prompt (400): policy",
        ),
    ],
)
async def test_a_fault_has_its_family_and_its_line(talk, request_of, streams, item, family, billed, told):
    t = talk(item, finish(), streams=streams, key="sk-0123456789")
    with pytest.raises(ModelFault) as caught:
        await t.ask(request_of())
    assert type(caught.value) is family
    assert caught.value.billed is billed
    assert told in worded(str(caught.value), getattr(caught.value, "hints", ()))
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "done" in (await t.ask(request_of())).text, "the next attempt works"


@pytest.mark.parametrize("ending", ["truncated", "cut", "reset", "hang", "error"])
async def test_a_stream_that_breaks_off_is_transient_and_counts_as_billed(talk, request_of, ending):
    t = talk(Reply(text=HALF, ending=ending, after=4), finish())
    with pytest.raises(TransientFault) as caught:
        await t.ask(request_of())
    assert caught.value.billed
    assert t.deltas, "the reader saw the beginning"
    assert "done" in (await t.ask(request_of())).text


@pytest.mark.parametrize(
    ("told", "family"),
    [
        ({"message": "Rate limit reached", "code": 429}, TransientFault),
        ({"message": "You exceeded your current quota", "code": "insufficient_quota"}, PermanentFault),
        ({"message": "maximum context length is 10 tokens", "code": 400}, ContextOverflow),
    ],
)
async def test_an_error_inside_a_stream_has_its_family_and_counts_as_billed(talk, request_of, told, family):
    events = (
        f"data: {json.dumps({'choices': [{'delta': {'content': 'x'}}]})}\n\ndata: {json.dumps({'error': told})}\n\n"
    )
    t = talk(Answer(status=200, body=events, content_type="text/event-stream"))
    with pytest.raises(ModelFault) as caught:
        await t.ask(request_of())
    assert type(caught.value) is family
    assert caught.value.billed


async def test_a_reply_without_a_reason_to_end_is_whole_when_its_json_is(talk, request_of):
    text = json.dumps(finish())
    t = talk(Reply(text=text, ending="truncated", after=99))
    reply = await t.ask(request_of())
    assert reply.text == text
    assert reply.usage.estimated


async def test_a_garbled_stream_is_transient(talk, request_of):
    t = talk(Answer(status=200, body="data: {nonsense\n\n", content_type="text/event-stream"))
    with pytest.raises(TransientFault) as caught:
        await t.ask(request_of())
    assert caught.value.billed


@pytest.mark.parametrize("form", ["s", "ms", "date"])
async def test_the_server_says_when_to_come_back(talk, request_of, form):
    t = talk(rate_limited(7, form))
    with pytest.raises(TransientFault) as caught:
        await t.ask(request_of())
    assert 5 < caught.value.retry_after <= 7


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("Rate limit reached. Please try again in 1.5s. Visit", 1.5),
        ("Please try again in 350ms.", 0.35),
        ("Please try again in 1m2.5s", 62.5),
        ("Slow down.", None),
    ],
)
async def test_or_says_it_in_a_sentence(talk, request_of, told, seconds):
    t = talk(error(429, told))
    with pytest.raises(TransientFault) as caught:
        await t.ask(request_of())
    assert caught.value.retry_after == (seconds and pytest.approx(seconds))


@pytest.mark.parametrize(
    ("item", "limit"),
    [
        (context_overflow(8192), 8192),
        (
            error(400, "the request exceeds the available context size", type="exceed_context_size_error", n_ctx=4096),
            4096,
        ),
        (error(400, "prompt is too long: 210000 tokens > 200000 maximum"), 200_000),
        (
            error(400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
            1_048_576,
        ),
        (error(429, "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 45000."), 30_000),
        (error(400, "Please reduce the length of the messages."), None),
    ],
)
async def test_an_overflow_tells_the_window_when_the_server_does(talk, request_of, item, limit):
    t = talk(item)
    with pytest.raises(ContextOverflow) as caught:
        await t.ask(request_of())
    assert caught.value.limit == limit
    assert t.model.context_window == limit


async def test_patience_grows_with_every_silence(talk, request_of):
    t = talk(hang(), hang())
    t.model.patience = Patience(first=0.2)
    told = []
    for _ in range(2):
        with pytest.raises(TransientFault) as caught:
            await t.ask(request_of())
        told.append(str(caught.value).partition(": ")[2])
    assert told == ["no answer for 0.2 s", "no answer for 0.4 s"]


async def test_nobody_there(request_of):
    given = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    model = create(resolve({"model": "m"}, {}, given), given)
    with pytest.raises(TransientFault, match=r"nothing answers at http://127.0.0.1:9/v1; is the server running") as e:
        await model.reply(request_of(), lambda _: None)
    assert not e.value.billed
    await model.close()


async def test_a_server_that_needs_a_key_of_another_address_says_so(talk, request_of):
    t = talk(finish(), key="secret")
    other = talk(
        wire=t.wire,
        variables={"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "secret"},
        arguments={"base_url": t.wire.base_url},
    )
    with pytest.raises(PermanentFault, match="keys are sent only to the address in OPENAI_BASE_URL"):
        await other.ask(request_of())
    assert "authorization" not in t.wire.requests[-1].headers
