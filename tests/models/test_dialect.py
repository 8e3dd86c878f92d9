"""The ladder of formats and the parameters a server refuses: found out once, at no cost, and remembered."""

from __future__ import annotations

import json

import pytest

from agentloop_nb.errors import ContextOverflow, PermanentFault, TransientFault
from agentloop_nb.protocols import Image, Message, ModelRequest
from tests.wire import Answer, Reply, error, finish, rate_limited, refuses_format, refuses_parameter


def formats(wire) -> list[str]:
    """What each request asked for: the type, `strict` where it was, `+schema` where it lay beside."""
    asked = []
    for body in wire.bodies:
        shape = body.get("response_format") or {"type": "none"}
        strict = (shape.get("json_schema") or {}).get("strict")
        asked.append(shape["type"] + (" strict" if strict else "") + ("+schema" if "schema" in shape else ""))
    return asked


LM_STUDIO = {"error": "'response_format.type' must be 'json_schema' or 'text'"}
LLAMA_CPP_PYTHON = {
    "error": {
        "message": "[{'loc': ('body', 'response_format', 'type'), 'msg': \"Input should be 'text' or 'json_object'\"}]",
        "type": "internal_server_error",
    }
}
FASTAPI = {"detail": [{"type": "literal_error", "loc": ["body", "response_format", "type"], "msg": "bad"}]}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, None),
        (400, LM_STUDIO),
        (500, LLAMA_CPP_PYTHON),
        (422, FASTAPI),
        (404, {"error": {"message": "No endpoints found that can handle the requested parameters.", "code": 404}}),
        (415, {"error": {"message": "json_schema is not a supported media type"}}),
        (501, {"error": {"message": "structured output is not implemented"}}),
        (400, [{"error": {"message": "Invalid JSON payload: response_format", "status": "INVALID_ARGUMENT"}}]),
    ],
)
async def test_a_refused_schema_steps_down_to_a_json_object(talk, request_of, status, body):
    t = talk(finish("ok"), finish("again"), refuse=[refuses_format("json_schema", status=status, body=body)])
    assert "ok" in (await t.ask(request_of())).text
    assert formats(t.wire) == ["json_schema strict", "json_schema", "json_object+schema"]
    await t.ask(request_of())
    assert formats(t.wire)[3:] == ["json_object+schema"]


async def test_it_ends_at_prompted_json(talk, request_of):
    t = talk(finish("ok"), refuse=[refuses_format("json_schema", "json_object")])
    await t.ask(request_of())
    assert formats(t.wire)[-3:] == ["json_object+schema", "json_object", "none"]


async def test_only_strictness_may_be_refused(talk, request_of):
    def no_strict(body):
        strict = body["response_format"].get("json_schema", {}).get("strict")
        return error(400, "Unknown parameter: strict", param="response_format") if strict else None

    t = talk(finish(), refuse=[no_strict])
    await t.ask(request_of())
    assert formats(t.wire) == ["json_schema strict", "json_schema"]


@pytest.mark.parametrize(
    "answer",
    [
        error(401, "json_schema is not for you"),
        error(402, "json_schema costs extra"),
        error(403, "json_schema is forbidden"),
        rate_limited(0),
        error(400, "This model's maximum context length is 10 tokens; the schema counts too"),
    ],
)
async def test_other_refusals_never_step_down(talk, request_of, answer):
    t = talk(answer, finish())
    with pytest.raises((PermanentFault, TransientFault, ContextOverflow)):
        await t.ask(request_of())
    await t.ask(request_of())
    assert formats(t.wire) == ["json_schema strict"] * 2


async def test_each_model_of_a_server_is_remembered_by_itself(talk, request_of):
    t = talk(finish(), finish(), refuse=[refuses_format("json_schema", "json_object")])
    await t.ask(request_of())
    t.wire.refuse = ()
    other = talk(wire=t.wire, model="another")
    await other.ask(request_of())
    assert formats(t.wire)[-1] == "json_schema strict"


async def test_a_format_that_is_ignored_is_given_up(talk, request_of):
    prose = Reply(text="Sure! I would run some code.")
    t = talk(prose, prose, finish())
    for repairs in range(3):
        await t.ask(request_of(repairs=repairs))
    assert formats(t.wire) == ["json_schema strict", "json_schema strict", "none"]


async def test_a_format_that_is_followed_is_kept_through_repairs(talk, request_of):
    wrong = json.dumps({"reasoning": "x", "action": {"name": "run_code", "code": "", "timeout": None}})
    t = talk(wrong, wrong, finish())
    for repairs in range(3):
        await t.ask(request_of(repairs=repairs))
    assert formats(t.wire) == ["json_schema strict"] * 3


@pytest.mark.parametrize("name", ["stream_options", "temperature", "stream"])
async def test_a_refused_parameter_is_dropped(talk, request_of, name):
    t = talk(finish("ok"), finish(), refuse=[refuses_parameter(name)], arguments={"temperature": 0.5})
    assert "ok" in (await t.ask(request_of())).text
    assert [name in body for body in t.wire.bodies] == [True, False]
    await t.ask(request_of())
    assert name not in t.wire.bodies[-1]


async def test_the_reply_length_has_two_names_and_is_never_given_up(talk, request_of):
    told = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    t = talk(finish(), refuse=[refuses_parameter("max_tokens", told)])
    await t.ask(request_of(max_tokens=300))
    assert t.wire.bodies[-1]["max_completion_tokens"] == 300
    t.wire.refuse = (refuses_parameter("max_tokens"), refuses_parameter("max_completion_tokens"))
    with pytest.raises(PermanentFault):
        await t.ask(request_of(max_tokens=300))


async def test_a_reply_length_that_is_too_large_is_lowered(talk, request_of):
    def at_most(body):
        if body["max_tokens"] <= 4096:
            return None
        return error(
            400, f"max_tokens is too large: {body['max_tokens']}. At most 4096 completion tokens.", param="max_tokens"
        )

    t = talk(finish(), refuse=[at_most])
    await t.ask(request_of(max_tokens=8192))
    assert [body["max_tokens"] for body in t.wire.bodies] == [8192, 4096]


async def test_a_reply_that_leaves_no_room_for_itself_is_shortened(talk, request_of):
    def full(body):
        if body["max_tokens"] <= 3096:
            return None
        told = "maximum context length is 4096 tokens and your request has 1000 input tokens"
        return error(400, f"max_tokens is too large: {body['max_tokens']}. This model's {told}.")

    t = talk(finish(), refuse=[full])
    await t.ask(request_of(max_tokens=8000))
    assert t.wire.bodies[-1]["max_tokens"] == 3096


PICTURE = Image(media_type="image/png", base64="aGVsbG8=")


def looking() -> ModelRequest:
    return ModelRequest(messages=(Message(role="user", content="What is this?", images=(PICTURE,)),))


async def test_pictures_travel_with_their_message(talk):
    t = talk(finish())
    await t.ask(looking())
    assert t.wire.bodies[0]["messages"][0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8=", "detail": "low"}},
    ]


@pytest.mark.parametrize(
    "answer",
    [
        error(400, "Invalid content type. image_url is only supported by certain models."),
        error(500, "image input is not supported - hint: you may need to provide the mmproj"),
        error(404, "No endpoints found that support image input"),
        Answer(
            status=422, body={"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "string type expected"}]}
        ),
    ],
)
async def test_a_model_that_cannot_see_is_told_the_text_from_then_on(talk, answer):
    t = talk(answer, finish(), finish())
    await t.ask(looking())
    await t.ask(looking())
    assert [body["messages"][0]["content"] == "What is this?" for body in t.wire.bodies] == [False, True, True]
    assert set(formats(t.wire)) == {"json_schema strict"}
