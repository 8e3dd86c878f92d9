"""What servers refuse is asked for in another way within the same attempt, and replies end; over real sockets."""

from __future__ import annotations

import dataclasses
import json

import pytest

from agentloop_nb.decision import parse
from agentloop_nb.errors import ContextOverflow, PermanentFault
from tests.wire import Answer, Raw, Reply, decision, error, finish, refuses_parameter

WANTED = json.dumps(finish("yes"))


def refuses_system(message, status=400):
    def refuse(body):
        return error(status, message) if body["messages"][0]["role"] == "system" else None

    return refuse


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("System role not supported", 400),
        ("System role not supported", 500),
        ("system message is not supported by this model", 400),
        ("Developer instruction is not enabled for models/gemma-3-27b-it", 400),
        ("Unsupported value: 'messages[0].role' does not support 'system' with this model.", 400),
        ("Conversation roles must alternate user/assistant/user/assistant/...", 400),
        ("Unexpected role 'system' in messages", 422),
        ("messages.0.role: Input should be 'user' or 'assistant'", 422),
        ("This model doesn't support system prompts", 400),
        ("Only 'user' and 'assistant' roles are supported!", 500),
        ("invalid role: system", 400),
        ("the role system is not allowed", 400),
    ],
)
async def test_rules_move_into_the_first_message_where_there_is_no_system_role(talk, request_of, message, status):
    t = talk(finish(), finish(), refuse=[refuses_system(message, status)])
    for _ in range(2):
        await t.ask(request_of("Rules.", "Goal.", "{}", "Saw 1."))
    assert len(t.wire.bodies) == 3, "learned once"
    assert t.wire.bodies[-1]["messages"] == [
        {"role": "user", "content": "Rules.\n\nGoal."},
        {"role": "assistant", "content": "{}"},
        {"role": "user", "content": "Saw 1."},
    ]
    assert t.wire.bodies[-1]["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    "message",
    [
        "Invalid max_tokens value, the valid range of max_tokens is [1, 4096]",
        "Unable to submit request: maxOutputTokens must be in the range from 1 (inclusive) to 4097 (exclusive).",
        "The supported range is from 1 (inclusive) to 4097 (exclusive) for max_output_tokens",
        "max_tokens is too large: 8192. This model supports at most 4096 completion tokens, whereas you provided 8192.",
        "max_tokens must be less than or equal to `4096`, the maximum value for `max_tokens` is less than the context",
        "max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens for claude-3-haiku-20240307",
        "`max_tokens` must be less than 4097",
        "max_tokens must be < 4097",
        "Range of max_tokens should be [1, 4096]",
        "max_tokens should be in [1, 4097)",
        "'max_tokens' must be between 1 and 4,096",
        "Input validation error: `max_new_tokens` must be <= 4096. Given: 8192",
        "max_tokens is limited: up to 4096 tokens",
    ],
)
async def test_the_longest_reply_allowed_is_asked_for(talk, request_of, message):
    def refuse(body):
        return error(400, message) if body.get("max_tokens", 0) > 4096 else None

    t = talk(finish(), refuse=[refuse])
    await t.ask(request_of(max_tokens=8192))
    assert [body["max_tokens"] for body in t.wire.bodies] == [8192, 4096]


async def test_what_groq_calls_invalid_is_read_all_the_same(talk, request_of):
    t = talk(error(400, "Failed to validate JSON.", code="json_validate_failed", failed_generation=f"So: {WANTED}"))
    assert parse((await t.ask(request_of())).text).action.summary == "yes"


async def test_and_without_what_was_made_the_form_is_asked_for_less_strictly(talk, request_of):
    t = talk(error(400, "Failed to generate JSON.", code="json_validate_failed", failed_generation=""), finish())
    await t.ask(request_of())
    assert "strict" not in t.wire.bodies[-1]["response_format"]["json_schema"]


async def test_lists_are_bounded_unless_the_server_knows_no_such_bound(talk, request_of):
    def refuse(body):
        told = "Invalid schema for response_format 'decision': 'maxItems' is not permitted."
        return error(400, told, param="response_format") if "maxItems" in json.dumps(body) else None

    t = talk(finish(), refuse=[refuse])
    await t.ask(request_of())
    assert '"maxItems": 20' in json.dumps(t.wire.bodies[0])
    assert t.wire.bodies[1]["response_format"]["json_schema"]["strict"] is True


async def test_a_temperature_that_is_refused_is_left_out(talk, request_of):
    t = talk(finish(), refuse=[refuses_parameter("temperature", "'temperature' does not support 0.2; only 1 is.")])
    await t.ask(request_of())
    assert [body.get("temperature") for body in t.wire.bodies] == [0.2, None]


HEAD = '{"reasoning": "I plot it", "action": {"name": "run_code", "code": "'
ENDLESS = {
    "a sentence": "I will look at the data first. ",
    "a line of code": 'plt.plot(sales, color=\\"red\\")\\n',
    "a list of words": '", "sales.csv',
    "a word": "very ",
    "three lines": "x = load()\\nprint(x)\\nx = clean(x)\\n",
    "a paragraph": "The data is in the table; its columns are the date, the region and the amount. " * 3,
    "another language": "И так далее. ",
    "blanks": "\\n",
    "zeros": "0, ",
    "dashes": "-",
}


@pytest.mark.parametrize("unit", ENDLESS)
async def test_a_reply_that_repeats_itself_is_cut_off(talk, request_of, unit):
    text = HEAD + ENDLESS[unit] * (100_000 // len(ENDLESS[unit]))
    t = talk(Reply(text=text, size=40), finish())
    reply = await t.ask(request_of(max_tokens=30_000))
    assert reply.finish_reason == "repetition"
    assert sum(len(delta.text) for delta in t.deltas) < 12_000
    assert reply.text.startswith(HEAD)
    assert len(reply.text) < len(HEAD) + 700, "what is repeated is kept once"
    assert reply.usage.estimated
    await t.ask(request_of(repairs=1))
    assert [body["temperature"] for body in t.wire.bodies] == [0.2, 0.8], "a higher temperature leads out of it"


async def test_thoughts_that_repeat_themselves_are_cut_off_too(talk, request_of):
    t = talk(Reply(text=WANTED, reasoning="Wait, but is it so? " * 4000, size=20))
    assert (await t.ask(request_of(max_tokens=30_000))).finish_reason == "repetition"


@pytest.mark.parametrize("tail", ["\n" * 90_000, " " * 90_000, " and so on" * 9000])
async def test_a_decision_that_does_not_end_is_a_decision(talk, request_of, tail):
    t = talk(Reply(text=WANTED + tail, size=40))
    reply = await t.ask(request_of(max_tokens=30_000))
    assert parse(reply.text).action.summary == "yes"
    assert reply.finish_reason == "stop"


LEGITIMATE = {
    "zeros": "m = [" + "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0],\n" * 60 + "]",
    "imports": "".join(f"from package.part{n} import name{n}\n" for n in range(300)),
    "a table": "|a|b|\n|-|-|\n" + "| 0.0 | 0.0 |\n" * 300,
    "a rule": "#" + "-" * 3000,
    "numbered lines": "".join(f"ax{n}.set_title('sales of the region {n}')\n" for n in range(200)),
    "a few equal lines": "print()\n" * 100,
    "rows": "".join(f'    ("north", "2024-01-{n % 28 + 1:02d}", {n * 7919 % 1000}),\n' for n in range(300)),
    "encoded": "data = '" + "A" * 4000 + "'",
    "equal calls": "client.step_forward()\n" * 80,
    "blank lines": "a = 1\n\n\n" * 150,
}


@pytest.mark.parametrize("code", LEGITIMATE)
async def test_what_repeats_for_a_reason_is_not_cut(talk, request_of, code):
    t = talk(Reply(text=json.dumps(decision("run_code", code=LEGITIMATE[code])), size=40))
    reply = await t.ask(request_of(max_tokens=30_000))
    assert parse(reply.text).action.code == LEGITIMATE[code]
    assert reply.finish_reason == "stop"


async def test_a_server_that_keeps_to_no_bound_is_cut_off(talk, request_of):
    t = talk(Reply(text=HEAD + "".join(f"print({n * n})\\n" for n in range(9000)), size=4))
    reply = await t.ask(request_of(max_tokens=300))
    assert reply.finish_reason == "length"
    assert len(t.deltas) < 500


@pytest.mark.parametrize(("spent", "made", "ending"), [(3900, 190, "context"), (1000, 500, "length")])
async def test_a_reply_that_is_cut_by_a_full_context_says_so(talk, request_of, spent, made, ending):
    usage = {"prompt_tokens": spent, "completion_tokens": made, "total_tokens": spent + made}
    t = talk(Reply(text=HEAD, finish_reason="length", usage=usage))
    t.model.window = 4096
    assert (await t.ask(request_of(max_tokens=500))).finish_reason == ending


@pytest.mark.parametrize("word", ["max_tokens", "MAX_TOKENS", "model_length", "max_output_tokens"])
async def test_every_word_for_too_long_is_understood(talk, request_of, word):
    assert (await talk(Reply(text=HEAD, finish_reason=word)).ask(request_of())).finish_reason == "length"


async def test_a_prompt_that_is_being_read_is_shown_and_waited_for(talk, request_of):
    pieces: list[bytes | float] = []
    for done in (0, 512, 1024, 1536, 2048, 2436):
        told = {"choices": [{"delta": {}}], "prompt_progress": {"total": 2436, "cache": 0, "processed": done}}
        pieces += [f"data: {json.dumps(told)}\n\n".encode(), 0.3]
    pieces += [b": ping\n\n", 0.3] * 3
    answer = json.dumps({"choices": [{"delta": {"content": WANTED}, "finish_reason": "stop"}]})
    t = talk(Raw(pieces=[*pieces, f"data: {answer}\n\ndata: [DONE]\n\n".encode()]))
    t.model.patience = type(t.model.patience)(first=0.9, stall=0.9, last=0.5)
    assert parse((await t.ask(request_of())).text).action.summary == "yes"
    told = [delta.status for delta in t.deltas if delta.status]
    assert told[4] == "reading the prompt, 2,048 of 2,436"


async def test_llama_server_is_asked_to_tell_how_far_it_is_and_others_are_not(talk, request_of):
    listed = [{"id": "scripted", "owned_by": "llamacpp", "meta": {"n_ctx_train": 32768}}]
    for models, told in ((listed, True), (["scripted"], False)):
        t = talk(finish(), models=models, pages={"/props": {"default_generation_settings": {"n_ctx": 4096}}})
        t.model.measure()
        await t.ask(request_of())
        assert ("return_progress" in t.wire.bodies[0]) is told
        assert t.model.context_window == (4096 if told else None)


@pytest.mark.parametrize(
    ("listed", "pages", "window"),
    [
        ({"meta": {"n_ctx_train": 32768, "n_ctx": 2048}, "owned_by": "llamacpp"}, {}, 2048),
        ({"meta": {"n_ctx": 2048}}, {}, 2048),
        ({"max_model_len": 8192, "owned_by": "vllm"}, {}, 8192),
        ({"context_length": 131072}, {}, 131072),
        ({"context_window": 8192}, {}, 8192),
        ({"loaded_context_length": 4096, "max_context_length": 32768}, {}, 4096),
        (
            {"owned_by": "organization_owner"},
            {"/api/v0/models": {"data": [{"id": "scripted", "loaded_context_length": 4096}]}},
            4096,
        ),
        ({"owned_by": "library"}, {"/api/ps": {"models": [{"name": "scripted:latest", "context_length": 4096}]}}, 4096),
        ({"meta": {"n_ctx_train": 32768}}, {"/props": {"n_ctx": "many"}}, None),
        ({"max_model_len": True}, {}, None),
        ({"max_model_len": -1, "meta": "none"}, {}, None),
        ({"context_length": "8192"}, {}, None),
    ],
)
async def test_the_window_is_read_where_each_server_tells_it(talk, listed, pages, window):
    t = talk(finish(), models=[{"id": "scripted", **listed}], pages=pages)
    t.model.measure()
    assert t.model.context_window == window


async def test_a_server_is_asked_for_its_window_until_it_has_answered(talk):
    t = talk(models=[{"id": "scripted", "max_model_len": 4096}])
    address = t.model.server
    t.model.server = dataclasses.replace(address, base_url="http://127.0.0.1:9/v1")
    t.model.measure()
    assert t.model.context_window is None
    t.model.server = address
    for _ in range(3):
        t.model.measure()
    assert t.model.context_window == 4096
    assert t.wire.gets == ["/v1/models"]


async def test_a_server_without_a_list_is_asked_once(talk):
    t = talk()
    t.model.server = dataclasses.replace(t.model.server, base_url=t.wire.base_url.replace("/v1", "/elsewhere"))
    for _ in range(3):
        t.model.measure()
    assert t.wire.gets == ["/elsewhere/models"]


@pytest.mark.parametrize("streams", [True, False])
async def test_an_overflow_says_how_long_it_may_be_wherever_it_is_told(talk, request_of, streams):
    told = {"error": {"code": 400, "message": "exceeds", "type": "exceed_context_size_error", "n_ctx": 4096}}
    t = talk(Answer(status=200, body=told), streams=streams)
    with pytest.raises(ContextOverflow) as caught:
        await t.ask(request_of())
    assert caught.value.limit == 4096


async def test_a_quota_is_never_waited_for(talk, request_of):
    for words in ("You exceeded your current quota", "Your credit balance is too low", "Insufficient Balance"):
        t = talk(error(429, words))
        with pytest.raises(PermanentFault, match="no credit left"):
            await t.ask(request_of())
