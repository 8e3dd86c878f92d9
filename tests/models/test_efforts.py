"""How much a model is to think, in the form of each provider, and dropped where it is refused; and the tool rung."""

from __future__ import annotations

import json

import pytest

from agentloop_nb.decision import parse
from agentloop_nb.errors import UserError
from agentloop_nb.models.registry import create
from agentloop_nb.settings import resolve
from agentloop_nb.settings.options import parse_options
from tests.hosted_wire import AzureWire
from tests.wire import Raw, Reply, Wire, decision, error, refuses_format

STEP = json.dumps(decision("run_code", code="print(1)"))


def near(wire: Wire) -> str:
    """The server's address as one that was typed, other than what OPENAI_BASE_URL says."""
    return wire.base_url.replace("127.0.0.1", "localhost")


KEYS = {"OPENAI_API_KEY": "sk-0123456789", "GEMINI_API_KEY": "g-0123456789", "OPENROUTER_API_KEY": "r-0123456789"}


@pytest.mark.parametrize("effort", ["low", "medium", "high"])
@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("gpt-5", lambda effort: {"reasoning_effort": effort}),
        ("gemini:gemini-3-pro", lambda effort: {"reasoning_effort": effort}),
        ("ollama:qwen3", lambda effort: {"reasoning_effort": effort}),
        ("openrouter:anthropic/claude-sonnet-4.5", lambda effort: {"reasoning": {"effort": effort}}),
        ("anthropic:claude-sonnet-4-5", lambda effort: {"reasoning_effort": effort}),
    ],
)
async def test_every_provider_is_told_in_its_own_form(talk, request_of, model, form, effort):
    wire = Wire([STEP]).start()
    t = talk(wire=wire, model=model, arguments={"effort": effort, "base_url": near(wire)}, variables=KEYS)
    await t.ask(request_of("rules", "goal"))
    assert form(effort).items() <= t.wire.bodies[0].items()


async def test_without_an_effort_nothing_is_said(talk, request_of):
    t = talk(STEP, model="gpt-5")
    await t.ask(request_of("rules", "goal"))
    assert t.wire.bodies[0].keys().isdisjoint(("reasoning_effort", "reasoning", "thinking"))


@pytest.mark.parametrize(
    ("status", "message", "param"),
    [
        (400, "Unrecognized request argument supplied: reasoning_effort", None),
        (400, "Unsupported parameter: 'reasoning_effort' is not supported with this model.", "reasoning_effort"),
        (400, "Unsupported value: 'reasoning_effort' does not support 'low' with this model.", "reasoning_effort"),
        (400, '"llama3:latest" does not support thinking', None),
        (422, "reasoning_effort: Extra inputs are not permitted", None),
        (400, "Argument not supported on this model: reasoningEffort", None),
        (404, "No endpoints found that can handle the requested parameters.", None),
        (400, "Thinking level is not supported for this model.", None),
        (400, "`reasoning_effort` is not supported with this model", None),
        (400, "Reasoning is not enabled for this model", None),
    ],
)
async def test_an_effort_that_is_refused_is_dropped_for_good(talk, request_of, status, message, param):
    def refuse(body):
        return error(status, message, param=param) if {"reasoning_effort", "reasoning"} & body.keys() else None

    t = talk(STEP, STEP, refuse=[refuse], arguments={"effort": "low"})
    assert (await t.ask(request_of("rules", "goal"))).text == STEP
    await t.ask(request_of("rules", "goal"))
    assert len(t.wire.bodies) == 3
    assert t.wire.bodies[-1]["response_format"]["type"] == "json_schema", "the ladder is not gone down for it"


@pytest.mark.parametrize("effort", ["none", "max", "LOW", "1", "very high", ""])
def test_an_effort_that_is_none_is_one_line(effort):
    with pytest.raises(UserError, match=r"must be low, medium or high \(--effort low\), not") as error:
        resolve({"effort": effort}, {}, {})
    assert "\n" not in str(error.value)


def test_an_effort_comes_from_the_line_the_environment_or_a_keyword():
    assert resolve(parse_options("--effort high count")[0], {}, {}).effort == "high"
    assert resolve({}, {}, {"AGENTLOOP_EFFORT": "medium"}).effort == "medium"
    assert resolve({"effort": "low"}, {}, {"AGENTLOOP_EFFORT": "high"}).effort == "low"
    with pytest.raises(UserError, match="AGENTLOOP_EFFORT must be low, medium or high"):
        resolve({}, {}, {"AGENTLOOP_EFFORT": "much"})


async def test_thoughts_are_not_sent_back(talk, request_of):
    t = talk(Reply(text=STEP, reasoning="secret thoughts"), STEP)
    reply = await t.ask(request_of("rules", "goal"))
    await t.ask(request_of("rules", "goal", reply.text, "done"))
    assert "secret thoughts" not in json.dumps(t.wire.bodies[1])


# Caching at OpenAI and OpenRouter.


async def test_openai_is_told_which_requests_share_a_beginning(talk, request_of):
    t = talk(STEP, STEP, model="gpt-5", key="sk-0123456789")
    await t.ask(request_of("rules", "goal"))
    await t.ask(request_of("rules", "goal", STEP, "done"))
    first, second = (body["prompt_cache_key"] for body in t.wire.bodies)
    assert first == second
    assert first.startswith("agentloop-")


async def test_a_server_that_refuses_the_cache_key_gets_none(talk, request_of):
    def refuse(body):
        found = "prompt_cache_key" in body
        return error(400, "Unrecognized request argument supplied: prompt_cache_key") if found else None

    t = talk(STEP, STEP, refuse=[refuse], key="sk-0123456789")
    await t.ask(request_of("rules", "goal"))
    await t.ask(request_of("rules", "goal"))
    assert len(t.wire.bodies) == 3


@pytest.mark.parametrize(("model", "marked"), [("anthropic/claude-sonnet-4.5", True), ("openai/gpt-5", False)])
async def test_openrouter_is_told_to_cache_for_claude(talk, request_of, model, marked):
    wire = Wire([STEP]).start()
    t = talk(wire=wire, model=f"openrouter:{model}", arguments={"base_url": near(wire)})
    await t.ask(request_of("rules", "goal"))
    assert ("cache_control" in t.wire.bodies[0]) == marked
    assert "prompt_cache_key" not in t.wire.bodies[0]


async def test_a_router_that_knows_no_marks_gets_plain_messages(talk, request_of):
    def refuse(body):
        found = "cache_control" in json.dumps(body)
        return error(400, "Unrecognized key(s) in object: 'cache_control'") if found else None

    wire = Wire([STEP], refuse=[refuse]).start()
    t = talk(wire=wire, model="openrouter:anthropic/claude-x", arguments={"base_url": near(wire)})
    await t.ask(request_of("rules", "goal"))
    assert t.wire.bodies[-1]["messages"] == [
        {"role": "system", "content": "rules"},
        {"role": "user", "content": "goal"},
    ]


# A rung of tool calls.


class Called(Wire):
    """A server whose model answers by calling the function it was given."""

    def take(self, request):
        item = super().take(request)
        if isinstance(item, str) and "tools" in request.body:
            return Reply(text="", finish_reason="tool_calls", reasoning="") if item == "" else call(item)
        return item


def call(arguments: str, *, said: str = ""):
    """A streamed function call, its arguments in pieces."""
    parts = [{"tool_calls": [{"index": 0, "id": "c", "function": {"name": "decide", "arguments": ""}}]}]
    parts += [
        {"tool_calls": [{"index": 0, "function": {"arguments": arguments[at : at + 9]}}]}
        for at in range(0, len(arguments), 9)
    ]
    parts = [{"content": said}, *parts] if said else parts
    chunks = [{"choices": [{"index": 0, "delta": part}]} for part in parts]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    return Raw(pieces=["".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode(), b"data: [DONE]\n\n"])


async def test_a_server_without_formats_is_asked_for_a_call(talk, request_of):
    wire = Called([STEP], refuse=[refuses_format("json_schema", "json_object")]).start()
    t = talk(wire=wire)
    reply = await t.ask(request_of("rules", "goal"))
    assert parse(reply.text).action.name == "run_code"
    assert reply.finish_reason == "stop"
    body = t.wire.bodies[-1]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "decide"}}
    assert body["tools"][0]["function"]["parameters"]["required"] == ["reasoning", "action"]
    assert "response_format" not in body


async def test_a_call_streams_in_pieces(talk, request_of):
    t = talk(call(STEP))
    assert (await t.ask(request_of("rules", "goal"))).text == STEP
    assert "".join(delta.text for delta in t.deltas) == STEP
    assert len(t.deltas) > 3


async def test_what_is_said_beside_a_call_is_no_part_of_the_decision(talk, request_of):
    t = talk(call(STEP, said="I will count."))
    reply = await t.ask(request_of("rules", "goal"))
    assert (reply.text, reply.reasoning) == (STEP, "I will count.")


async def test_a_choice_of_tool_that_is_refused_is_left_to_the_model(talk, request_of):
    def refuse(body):
        return error(400, "deepseek-reasoner does not support this tool_choice") if "tool_choice" in body else None

    wire = Called([STEP], refuse=[refuses_format("json_schema", "json_object"), refuse]).start()
    t = talk(wire=wire)
    assert parse((await t.ask(request_of("rules", "goal"))).text).action.name == "run_code"
    assert "tools" in t.wire.bodies[-1]
    assert "tool_choice" not in t.wire.bodies[-1]


@pytest.mark.parametrize(
    "message", ["This model does not support tools.", "tools is not supported", "Function calling is not enabled"]
)
async def test_below_tools_there_is_the_prompt_alone(talk, request_of, message):
    def refuse(body):
        return error(400, message) if "tools" in body else None

    t = talk(STEP, refuse=[refuses_format("json_schema", "json_object"), refuse])
    assert parse((await t.ask(request_of("rules", "goal"))).text).action.name == "run_code"
    assert t.wire.bodies[-1].keys().isdisjoint(("tools", "tool_choice", "response_format"))


# Azure.


@pytest.mark.parametrize("model", [None, "mine", "gpt-4o"])
async def test_azure_is_reached_by_its_own_address(talk, request_of, model):
    wire = AzureWire([STEP]).start()
    given = {"OPENAI_BASE_URL": wire.address, "OPENAI_API_KEY": wire.api_key}
    made = create(resolve({"model": model} if model else {}, {}, given), given)
    assert made.server.model == (model or "mine")
    t = talk(wire=wire, model=model or "mine", variables=given)
    assert (await t.ask(request_of("rules", "goal"))).text == STEP
    assert wire.queries == [{"api-version": ["2024-10-21"]}]


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        (
            "https://me.openai.azure.com/openai/deployments/x?api-version=2024-06-01",
            "https://me.openai.azure.com/openai/deployments/x?api-version=2024-06-01",
        ),
        (
            "https://me.openai.azure.com/openai/deployments/x/chat/completions?api-version=2025-01-01-preview",
            "https://me.openai.azure.com/openai/deployments/x?api-version=2025-01-01-preview",
        ),
        ("https://me.openai.azure.com/openai/v1/", "https://me.openai.azure.com/openai/v1"),
    ],
)
def test_every_address_of_azure_is_understood(typed, address):
    given = {"OPENAI_BASE_URL": typed, "OPENAI_API_KEY": "azure-0123456789"}
    made = create(resolve({}, {}, given), given)
    assert made.server.base_url == address


@pytest.mark.parametrize(
    "address",
    [
        "https://me.openai.azure.com/openai/deployments/x?api-version=",
        "https://me.openai.azure.com/openai/deployments/x?api-version=2024&api-key=secret",
        "https://me.openai.azure.com/openai/deployments/x?api-version=a b",
    ],
)
def test_a_wrong_address_of_azure_shows_a_right_one(address):
    with pytest.raises(UserError, match=r"an address of Azure is https://NAME.openai.azure.com/") as error:
        create(resolve({"base_url": address}, {}, {}), {})
    assert "secret" not in str(error.value)
