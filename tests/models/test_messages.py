"""Claude over the Messages API: what is sent, what is read, what is refused and learned, on a server with its rules."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal

import pytest

from agentloop_nb.decision import parse
from agentloop_nb.errors import ContextOverflow, PermanentFault, TransientFault, UserError
from agentloop_nb.models.anthropic_messages import AnthropicMessages
from agentloop_nb.models.openai_compatible import OpenAICompatible
from agentloop_nb.models.registry import create, list_models
from agentloop_nb.protocols import Image, Message, ModelRequest
from agentloop_nb.settings import resolve
from tests.messages_wire import MessagesWire, anthropic_error, overloaded, refuses
from tests.models.conftest import IMPATIENT, PATIENT, Talk
from tests.wire import Answer, Raw, Reply, decision, finish, html_page

KEY = "sk-ant-0123456789"
STEP = json.dumps(decision("run_code", "I count.", code="print(1)"))
DONE = json.dumps(finish("done"))


@pytest.fixture
async def claude() -> AsyncIterator[Callable[..., Talk]]:
    """Starts a server with a script and a Claude that talks to it."""
    talks: list[Talk] = []

    def start(*script, model="claude-sonnet-4-5", arguments=None, **options) -> Talk:
        wire = MessagesWire(script, key=KEY, **options).start()
        given = {"ANTHROPIC_BASE_URL": wire.address, "ANTHROPIC_API_KEY": KEY}
        made = create(resolve({"model": f"anthropic:{model}", **(arguments or {})}, {}, given), given)
        silent = any(isinstance(item, Reply) and item.ending == "hang" for item in script)
        made.patience = IMPATIENT if silent else PATIENT
        talks.append(Talk(wire, made))
        return talks[-1]

    yield start
    for each in talks:
        await each.model.close()
        each.wire.close()


async def test_the_decision_is_a_forced_call_of_one_tool(claude, request_of):
    t = claude(STEP)
    reply = await t.ask(request_of("rules", "goal"))
    assert parse(reply.text).action.name == "run_code"
    body = t.wire.bodies[0]
    assert body["tool_choice"] == {"type": "tool", "name": "decide", "disable_parallel_tool_use": True}
    assert [tool["name"] for tool in body["tools"]] == ["decide"]
    assert body["max_tokens"] == 8192, "which this API wants always"
    assert [block["text"] for block in body["system"]] == ["rules"]
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert reply.finish_reason == "stop"


async def test_a_reply_streams_in_pieces(claude, request_of):
    t = claude(STEP)
    await t.ask(request_of("rules", "goal"))
    assert "".join(delta.text for delta in t.deltas) == STEP
    assert len(t.deltas) > 3


async def test_a_server_that_does_not_stream_is_read_as_well(claude, request_of):
    t = claude(Reply(text=STEP, reasoning="hm"), streams=False, arguments={"effort": "low"})
    reply = await t.ask(request_of("rules", "goal"))
    assert parse(reply.text).reasoning == "I count."
    assert reply.reasoning == "hm"
    assert reply.usage.input > 0


async def test_every_token_is_counted_and_priced(claude, request_of):
    usage = {
        "input_tokens": 100,
        "cache_read_input_tokens": 10_000,
        "cache_creation_input_tokens": 2_000,
        "output_tokens": 50,
    }
    t = claude(Reply(text=STEP, usage=usage))
    reply = await t.ask(request_of("rules", "goal"))
    assert reply.usage.input == 12_100
    assert (reply.usage.cached, reply.usage.cache_write, reply.usage.output) == (10_000, 2_000, 50)
    dollars = (100 * 3 + 10_000 * Decimal("0.3") + 2_000 * Decimal("3.75") + 50 * 15) / Decimal(1_000_000)
    assert reply.cost == dollars


@pytest.mark.parametrize("usage", [None, {"output_tokens": 5}, {"input_tokens": 0, "output_tokens": 0}])
async def test_a_server_that_counts_nothing_is_estimated(claude, request_of, usage):
    t = claude(Reply(text=STEP, usage=usage))
    reply = await t.ask(request_of("rules", "goal"))
    assert reply.usage.estimated
    assert reply.usage.input > 0


async def test_at_most_four_marks_stand_on_the_rules_and_on_the_newest_turns(claude, request_of):
    t = claude(STEP)
    await t.ask(request_of("rules", *map(str, range(1, 10))))
    body = t.wire.bodies[0]
    assert "cache_control" in body["system"][0]
    marked = [
        message["content"][-1]["text"] for message in body["messages"] if "cache_control" in message["content"][-1]
    ]
    assert marked == ["1", "7", "9"]


async def test_the_last_step_leaves_the_tools_as_they_are(claude, request_of):
    """Or nothing of the transcript could be read from the cache."""
    t = claude(STEP, DONE)
    await t.ask(request_of("rules", "goal"))
    await t.ask(request_of("rules", "goal", final=True))
    assert t.wire.bodies[0]["tools"] == t.wire.bodies[1]["tools"]


async def test_pictures_are_sent_before_their_text(claude):
    t = claude(STEP)
    image = Image(media_type="image/png", base64="iVBORw0KGgo=")
    await t.ask(ModelRequest(messages=(Message(role="user", content="see", images=(image,)),)))
    first, second = t.wire.bodies[0]["messages"][0]["content"]
    assert first["source"] == {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    assert second["text"] == "see"


async def test_empty_and_half_texts_are_sent_as_something_valid(claude, request_of):
    t = claude(STEP)
    await t.ask(request_of("rules", "a\ud800b", "  ", "go on"))
    said = [message["content"][0]["text"] for message in t.wire.bodies[0]["messages"]]
    assert said == ["a?b", "(empty)", "go on"]


@pytest.mark.parametrize(("effort", "budget"), [("low", 1024), ("medium", 4096), ("high", 6144)])
async def test_with_an_effort_it_thinks_within_a_budget_and_no_tool_is_forced(claude, request_of, effort, budget):
    t = claude(Reply(text=STEP, reasoning="Let me think."), arguments={"effort": effort})
    reply = await t.ask(request_of("rules", "goal"))
    body = t.wire.bodies[0]
    assert body["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert body["tool_choice"]["type"] == "auto"
    assert (reply.reasoning, parse(reply.text).action.name) == ("Let me think.", "run_code")
    assert reply.usage.reasoning > 0
    assert reply.usage.reasoning <= reply.usage.output


async def test_a_short_reply_leaves_no_room_for_thoughts(claude, request_of):
    t = claude(STEP, arguments={"effort": "high"})
    await t.ask(request_of("rules", "goal", max_tokens=1500))
    assert "thinking" not in t.wire.bodies[0]
    assert t.wire.bodies[0]["tool_choice"]["type"] == "tool"


async def test_no_temperature_is_sent_with_thoughts(claude, request_of):
    t = claude(STEP, arguments={"effort": "low", "temperature": 0.5})
    await t.ask(request_of("rules", "goal"))
    assert len(t.wire.bodies) == 1
    assert "temperature" not in t.wire.bodies[0]


async def test_what_is_said_before_the_call_does_no_harm(claude, request_of):
    t = claude(Reply(text="I will count now. " + STEP), arguments={"effort": "low"})
    assert parse((await t.ask(request_of("rules", "goal"))).text).action.name == "run_code"


async def test_a_decision_in_plain_text_is_one_too(claude, request_of):
    events = [
        {"type": "message_start", "message": {"model": "claude", "usage": {"input_tokens": 9, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": STEP}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 40}},
    ]
    t = claude(Raw(pieces=[b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events)]))
    assert parse((await t.ask(request_of("rules", "goal"))).text).action.name == "run_code"


async def test_a_second_call_in_one_reply_is_left_out(claude, request_of):
    events = [
        {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "redacted_thinking", "data": "x"}},
        *[
            event
            for index in (1, 2)
            for event in (
                {"type": "content_block_start", "index": index, "content_block": {"type": "tool_use", "input": {}}},
                {
                    "type": "content_block_delta",
                    "index": index,
                    "delta": {"type": "input_json_delta", "partial_json": STEP},
                },
                {"type": "content_block_stop", "index": index},
            )
        ],
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 40}},
        {"type": "message_stop"},
    ]
    t = claude(Raw(pieces=[b"".join(f"event: x\ndata: {json.dumps(event)}\n\n".encode() for event in events)]))
    assert (await t.ask(request_of("rules", "goal"))).text == STEP


async def test_events_of_kinds_not_known_are_passed_over(claude, request_of):
    t = claude(STEP)
    raw = b'event: soon\ndata: {"type": "soon", "message": "hello"}\n\n'
    events = [
        {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": STEP}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 40}},
    ]
    t.wire.script = [Raw(pieces=[raw + b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events)])]
    assert (await t.ask(request_of("rules", "goal"))).text == STEP


@pytest.mark.parametrize(
    ("told", "ending"),
    [
        ("refusal", "refusal"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "context"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
    ],
)
async def test_every_end_of_a_reply_has_a_name(claude, request_of, told, ending):
    t = claude(Reply(text="I had rather", finish_reason=told))
    reply = await t.ask(request_of("rules", "goal"))
    assert reply.finish_reason == ending
    assert reply.cost > 0


async def test_a_refusal_without_a_word_is_a_reply(claude, request_of):
    t = claude(Reply(text="", finish_reason="refusal"))
    assert (await t.ask(request_of("rules", "goal"))).finish_reason == "refusal"


async def test_an_overload_is_waited_for_and_costs_nothing(claude, request_of):
    t = claude(overloaded())
    with pytest.raises(TransientFault, match=r"529.*Overloaded") as fault:
        await t.ask(request_of("rules", "goal"))
    assert not fault.value.billed
    assert fault.value.patience


async def test_an_overload_at_the_start_of_a_stream_is_one_too(claude, request_of):
    event = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    t = claude(Raw(pieces=[f"event: error\ndata: {json.dumps(event)}\n\n".encode()]))
    with pytest.raises(TransientFault, match="529") as fault:
        await t.ask(request_of("rules", "goal"))
    assert (fault.value.billed, bool(fault.value.patience)) == (False, True)


async def test_an_overload_in_the_middle_is_billed_and_counted(claude, request_of):
    t = claude(Reply(text=STEP, ending="error", after=5))
    with pytest.raises(TransientFault, match="Overloaded") as fault:
        await t.ask(request_of("rules", "goal"))
    assert (fault.value.billed, fault.value.patience) == (True, None)


@pytest.mark.parametrize("ending", ["truncated", "cut", "reset", "hang"])
async def test_a_reply_that_breaks_off_is_tried_again(claude, request_of, ending):
    t = claude(Reply(text=STEP, ending=ending, after=5))
    with pytest.raises(TransientFault) as fault:
        await t.ask(request_of("rules", "goal"))
    assert fault.value.billed


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (anthropic_error(401, "authentication_error", "invalid x-api-key"), "ANTHROPIC_API_KEY"),
        (anthropic_error(403, "permission_error", "not allowed"), "access denied"),
        (anthropic_error(404, "not_found_error", "model: claude-9"), "no model 'claude-sonnet-4-5'"),
        (anthropic_error(400, "invalid_request_error", "Your credit balance is too low"), "no credit left"),
        (anthropic_error(404, "not_found_error", "Not found"), "has no Messages API"),
        (html_page(), "web page"),
        (Answer(status=301, headers={"location": "https://elsewhere.example"}), "redirects to https://elsewhere"),
    ],
)
async def test_what_waiting_cannot_help_says_what_to_do(claude, request_of, answer, told):
    t = claude(answer)
    with pytest.raises(PermanentFault, match=told):
        await t.ask(request_of("rules", "goal"))


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (anthropic_error(429, "rate_limit_error", "This request would exceed", **{"retry-after": "7"}), 7),
        (anthropic_error(500, "api_error", "Internal server error"), None),
        (anthropic_error(503, "api_error", "unavailable", **{"Retry-After": "1"}), 1),
    ],
)
async def test_what_waiting_may_help_is_tried_again(claude, request_of, answer, after):
    t = claude(answer)
    with pytest.raises(TransientFault) as fault:
        await t.ask(request_of("rules", "goal"))
    assert fault.value.retry_after == after


@pytest.mark.parametrize(
    ("answer", "limit"),
    [
        (anthropic_error(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"), 200_000),
        (anthropic_error(413, "request_too_large", "Request exceeds the maximum size"), None),
    ],
)
async def test_a_prompt_that_is_too_long_is_shortened_by_the_loop(claude, request_of, answer, limit):
    t = claude(answer)
    with pytest.raises(ContextOverflow) as fault:
        await t.ask(request_of("rules", "goal"))
    assert fault.value.limit == limit


async def test_a_reply_that_does_not_fit_beside_the_prompt_is_asked_for_shorter(claude, request_of):
    message = "input length and `max_tokens` exceed context limit: 195000 + 8192 > 200000, decrease input length"
    t = claude(anthropic_error(400, "invalid_request_error", message), STEP)
    await t.ask(request_of("rules", "goal"))
    assert t.wire.bodies[1]["max_tokens"] == 5000


@pytest.mark.parametrize(
    ("words", "message", "seen"),
    [
        (
            ('"strict"',),
            "tools.0.strict: Extra inputs are not permitted",
            lambda body: "strict" not in body["tools"][0],
        ),
        (('"tools"',), "This model does not support tools.", lambda body: "tools" not in body),
        (
            ('"tool_choice": {"type": "tool"',),
            "tool_choice: forced tool use is not supported by this model",
            lambda body: body["tool_choice"]["type"] == "auto",
        ),
        (
            ("disable_parallel",),
            "tool_choice.tool.disable_parallel_tool_use: Extra inputs are not permitted",
            lambda body: "disable_parallel_tool_use" not in body["tool_choice"],
        ),
        (
            ("cache_control",),
            "system.0.cache_control: Extra inputs are not permitted",
            lambda body: "cache_control" not in json.dumps(body),
        ),
        (('"system": [',), "system: Input should be a valid string", lambda body: isinstance(body["system"], str)),
        (('"temperature"',), "`temperature` is deprecated for this model.", lambda body: "temperature" not in body),
        (('"image"',), "This model does not support image inputs.", lambda body: "image" not in json.dumps(body)),
    ],
)
async def test_what_a_model_refuses_is_asked_for_differently_and_remembered(claude, words, message, seen):
    t = claude(STEP, STEP, refuse=[refuses(*words, message=message)], arguments={"temperature": 0.5})
    image = Image(media_type="image/png", base64="iVBORw0KGgo=")
    messages = (Message(role="system", content="rules"), Message(role="user", content="see", images=(image,)))
    await t.ask(ModelRequest(messages=messages))
    asked = len(t.wire.bodies)
    await t.ask(ModelRequest(messages=messages))
    assert seen(t.wire.bodies[-1])
    assert len(t.wire.bodies) == asked + 1


async def test_a_longer_reply_than_allowed_is_bounded(claude, request_of):
    message = "max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens for claude-3-opus-20240229"
    t = claude(anthropic_error(400, "invalid_request_error", message), STEP)
    await t.ask(request_of("rules", "goal"))
    assert t.wire.bodies[1]["max_tokens"] == 4096


async def test_a_newer_model_is_told_an_effort_instead_of_a_budget(claude, request_of):
    message = '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" instead'
    t = claude(STEP, refuse=[refuses('"enabled"', message=message)], arguments={"effort": "medium"})
    await t.ask(request_of("rules", "goal"))
    body = t.wire.bodies[-1]
    assert body["thinking"]["type"] == "adaptive"
    assert body["output_config"] == {"effort": "medium"}
    assert body["tool_choice"]["type"] == "auto"


async def test_a_model_that_cannot_think_is_not_asked_to(claude, request_of):
    refused = [refuses('"thinking"', message="thinking: Extended thinking is not supported by this model")]
    t = claude(STEP, refuse=refused, arguments={"effort": "high"})
    await t.ask(request_of("rules", "goal"))
    body = t.wire.bodies[-1]
    assert "thinking" not in body
    assert "output_config" not in body
    assert body["tool_choice"]["type"] == "tool"


async def test_a_decision_with_its_action_written_as_a_string_is_understood(claude, request_of):
    action = json.dumps({"name": "run_code", "code": "print(1)"})
    t = claude(Reply(text=json.dumps({"reasoning": "so", "action": action})))
    assert parse((await t.ask(request_of("rules", "goal"))).text).action.name == "run_code"


async def test_the_key_goes_in_its_header_and_never_into_a_message(claude, request_of):
    t = claude(anthropic_error(400, "invalid_request_error", f"odd key {KEY}"))
    with pytest.raises(PermanentFault) as fault:
        await t.ask(request_of("rules", "goal"))
    assert KEY not in str(fault.value)
    assert t.wire.requests[0].headers["x-api-key"] == KEY
    assert "authorization" not in t.wire.requests[0].headers
    assert KEY not in repr(t.model)


async def test_models_are_listed():
    with MessagesWire(models=["claude-b", "claude-a"], key=KEY) as wire:
        given = {"ANTHROPIC_BASE_URL": wire.address, "ANTHROPIC_API_KEY": KEY}
        listed = await list_models(resolve({"model": "anthropic"}, {}, given), given)
        assert listed == ["claude-a", "claude-b"]
        wrong = given | {"ANTHROPIC_API_KEY": "sk-ant-wrong-9876"}
        with pytest.raises(UserError, match="the key was not accepted") as error:
            await list_models(resolve({"model": "anthropic"}, {}, wrong), wrong)
        assert "sk-ant-wrong-9876" not in str(error.value)


@pytest.mark.parametrize(
    ("variables", "arguments", "kind", "address"),
    [
        ({}, {}, AnthropicMessages, "https://api.anthropic.com/v1"),
        ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}, {}, AnthropicMessages, "http://127.0.0.1:9/v1"),
        ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:9/v1/"}, {}, AnthropicMessages, "http://127.0.0.1:9/v1"),
        ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:9/v1/messages"}, {}, AnthropicMessages, "http://127.0.0.1:9/v1"),
        ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:9/claude"}, {}, AnthropicMessages, "http://127.0.0.1:9/claude/v1"),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:8/v1"}, {}, AnthropicMessages, "https://api.anthropic.com/v1"),
        ({}, {"base_url": "http://127.0.0.1:7/v1"}, OpenAICompatible, "http://127.0.0.1:7/v1"),
        (
            {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"},
            {"base_url": "http://127.0.0.1:7/v1"},
            OpenAICompatible,
            "http://127.0.0.1:7/v1",
        ),
    ],
)
def test_who_is_spoken_to_and_how(variables, arguments, kind, address):
    given = {"ANTHROPIC_API_KEY": KEY, **variables}
    model = create(resolve({"model": "anthropic:m", **arguments}, {}, given), given)
    assert type(model) is kind
    assert model.server.base_url == address
    elsewhere = kind is OpenAICompatible
    assert (model.key is None) == elsewhere, "a key goes only to the address it belongs to"


def test_an_address_with_a_secret_in_it_is_refused():
    given = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "https://me:secret@proxy.example"}
    with pytest.raises(UserError, match="carries no key or password"):
        create(resolve({"model": "anthropic:m"}, {}, given), given)


def test_without_a_key_the_ways_forward_are_named():
    with pytest.raises(UserError, match="set ANTHROPIC_API_KEY"):
        create(resolve({"model": "anthropic:m"}, {}, {}), {})
