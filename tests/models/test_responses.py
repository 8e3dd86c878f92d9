"""Models that are offered by the Responses API alone: found out at the first refusal, then the same decision."""

from __future__ import annotations

import json

import pytest

from agentloop_nb.decision import parse
from agentloop_nb.errors import PermanentFault, TransientFault
from agentloop_nb.protocols import Image, Message, ModelRequest
from tests.hosted_wire import ResponsesWire
from tests.wire import Raw, Reply, decision, error, rate_limited

STEP = json.dumps(decision("run_code", code="print(1)"))


@pytest.fixture
def responses(talk):
    def start(*script, arguments=None, model="gpt-5-codex", **options):
        return talk(
            wire=ResponsesWire(script, **options).start(), model=model, key="sk-0123456789", arguments=arguments
        )

    return start


@pytest.mark.parametrize(
    "redirection",
    [
        "This model is only supported in v1/responses and not in v1/chat/completions.",
        (
            "This is not a chat model and thus not supported in the v1/chat/completions endpoint. "
            "Did you mean to use v1/completions?"
        ),
        "gpt-5-pro is only available with the Responses API.",
    ],
)
async def test_the_other_door_is_found_once(responses, request_of, redirection):
    t = responses(STEP, STEP, redirection=redirection)
    assert parse((await t.ask(request_of("rules", "goal"))).text).action.name == "run_code"
    await t.ask(request_of("rules", "goal"))
    assert len(t.wire.sent_on) == 1
    assert len(t.wire.bodies) == 2


async def test_nothing_is_kept_there_and_the_decision_has_its_schema(responses, request_of):
    t = responses(STEP, arguments={"effort": "high"})
    await t.ask(request_of("rules", "goal", max_tokens=900))
    body = t.wire.bodies[0]
    assert body["store"] is False
    assert body["text"]["format"]["type"] == "json_schema"
    assert body["text"]["format"]["strict"] is True
    assert body["text"]["format"]["schema"]["required"] == ["reasoning", "action"]
    assert body["reasoning"] == {"effort": "high", "summary": "auto"}
    assert body["max_output_tokens"] == 900
    assert body["prompt_cache_key"].startswith("agentloop-")
    assert body["input"] == [{"role": "system", "content": "rules"}, {"role": "user", "content": "goal"}]
    assert body.keys().isdisjoint(
        ("messages", "response_format", "stream_options", "max_tokens", "previous_response_id")
    )


@pytest.mark.parametrize("streams", [True, False])
async def test_it_is_counted_and_thoughts_are_told(responses, request_of, streams):
    t = responses(Reply(text=STEP, reasoning="Let me think about it."), streams=streams)
    reply = await t.ask(request_of("rules" * 2000, "goal"))
    assert reply.reasoning == "Let me think about it."
    assert (reply.text, reply.model, reply.finish_reason) == (STEP, "gpt-5-codex", "stop")
    assert reply.usage.input > 2000
    assert reply.usage.reasoning == 6
    assert not reply.usage.estimated
    assert reply.cost == t.model.quote(reply.usage)


async def test_what_is_shared_is_read_from_the_cache(responses, request_of):
    t = responses(STEP, STEP)
    await t.ask(request_of("rules" * 2000, "goal"))
    assert (await t.ask(request_of("rules" * 2000, "goal", STEP, "done"))).usage.cached > 2000


async def test_pictures_have_their_own_form(responses):
    t = responses(STEP)
    image = Image(media_type="image/png", base64="iVBORw0KGgo=")
    await t.ask(ModelRequest(messages=(Message(role="user", content="see", images=(image,)),)))
    kinds = [part["type"] for part in t.wire.bodies[0]["input"][0]["content"]]
    assert kinds == ["input_text", "input_image"]


@pytest.mark.parametrize(("told", "ending"), [("length", "length"), ("content_filter", "content_filter")])
async def test_an_incomplete_response_says_why(responses, request_of, told, ending):
    t = responses(Reply(text=STEP[:30], finish_reason=told))
    assert (await t.ask(request_of("rules", "goal"))).finish_reason == ending


async def test_a_refusal_is_one(responses, request_of):
    t = responses(Reply(text="", refusal="I will not."))
    reply = await t.ask(request_of("rules", "goal"))
    assert (reply.text, reply.finish_reason) == ("I will not.", "refusal")


@pytest.mark.parametrize(
    "item",
    [
        Reply(text=STEP, ending="error"),
        Reply(text=STEP, ending="truncated", after=5),
        Raw(pieces=[b'data: {"type": "error", "code": "server_error", "message": "It broke"}\n\n']),
        rate_limited(1),
    ],
)
async def test_what_breaks_is_tried_again(responses, request_of, item):
    t = responses(item)
    with pytest.raises(TransientFault):
        await t.ask(request_of("rules", "goal"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("reasoning", "Unsupported parameter: 'reasoning.effort' is not supported with this model."),
        ("temperature", "Unsupported parameter: 'temperature' is not supported with this model."),
        ("prompt_cache_key", "Unrecognized request argument supplied: prompt_cache_key"),
        ("store", "Unknown parameter: 'store'."),
    ],
)
async def test_what_is_refused_there_is_left_out(responses, request_of, name, message):
    def refuse(body):
        return error(400, message, param=None) if name in body else None

    t = responses(STEP, refuse=[refuse], arguments={"effort": "low", "temperature": 0.3})
    await t.ask(request_of("rules", "goal"))
    assert name not in t.wire.bodies[-1]


async def test_a_schema_that_is_refused_there_goes_down_the_ladder(responses, request_of):
    def refuse(body):
        kind = body.get("text", {}).get("format", {}).get("type")
        return error(400, "Invalid schema: json_schema is not supported", param="text.format") if kind else None

    t = responses(STEP, refuse=[refuse])
    await t.ask(request_of("rules", "goal"))
    assert "text" not in t.wire.bodies[-1]


async def test_a_wrong_key_there_says_so(responses, request_of):
    t = responses(error(401, "Incorrect API key provided.", code="invalid_api_key"))
    with pytest.raises(PermanentFault, match="the key was not accepted"):
        await t.ask(request_of("rules", "goal"))
