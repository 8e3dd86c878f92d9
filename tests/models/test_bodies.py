"""What a body is counts, not its label, and an error inside a body counts as the error it is; over real sockets."""

from __future__ import annotations

import json

import pytest

from agentloop_nb.decision import parse
from agentloop_nb.errors import ContextOverflow, ModelFault, PermanentFault, TransientFault
from tests.wire import Answer, Raw, error, finish

WANTED = json.dumps(finish("ja, größer"), ensure_ascii=False)
USAGE = {"prompt_tokens": 900, "completion_tokens": 30, "total_tokens": 930}


def chunk(text="", reason=None, **fields) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}], **fields})


EVENTS = [chunk(WANTED[:20]), chunk(WANTED[20:]), chunk("", "stop"), json.dumps({"choices": [], "usage": USAGE})]
STREAM = "".join(f"data: {event}\n\n" for event in EVENTS) + "data: [DONE]\n\n"
WHOLE = {"choices": [{"index": 0, "message": {"content": WANTED}, "finish_reason": "stop"}], "usage": USAGE}
BODIES = {
    "plain": STREAM,
    "no end mark": STREAM.removesuffix("data: [DONE]\n\n"),
    "no blank at the end": STREAM.rstrip(),
    "carriage returns": STREAM.replace("\n", "\r\n"),
    "only carriage returns": STREAM.replace("\n", "\r"),
    "no blank lines": STREAM.replace("\n\n", "\n"),
    "no space": STREAM.replace("data: ", "data:"),
    "a byte order mark": f"\ufeff{STREAM}",
    "comments": f": ping\n\n: OPENROUTER PROCESSING\n\n{STREAM}: bye\n\n",
    "comments as data": f"data: : PROCESSING\n\n{STREAM}",
    "empty data": f"data:\n\ndata: \n\n{STREAM}",
    "names and numbers": STREAM.replace("data: {", "event: message\nid: 1\nretry: 100\ndata: {"),
    "data over two lines": STREAM.replace('"delta"', '\ndata: "delta"'),
    "garbage between": STREAM.replace("data: [DONE]", "hello\n\ndata: nonsense\n\ndata: [1, 2]\n\ndata: [DONE]"),
    "leading blanks": f"\n\n \n{STREAM}",
    "json a line": "\n".join(EVENTS),
    "one answer": json.dumps(WHOLE),
    "one pretty answer": json.dumps(WHOLE, indent=2),
    "one answer in a list": json.dumps([WHOLE]),
    "one answer as an event": f"data: {json.dumps(WHOLE)}\n\n",
    "one answer behind a mark": f"\ufeff{json.dumps(WHOLE)}",
    "null choices between": f'data: {{"choices": null}}\n\ndata: {{"choices": [null]}}\n\n{STREAM}',
}
LABELS = ["text/event-stream", "text/plain", "application/json", "application/octet-stream", "text/html", None]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("body", BODIES)
async def test_a_body_is_read_for_what_it_is(talk, request_of, body, label):
    t = talk(Raw(pieces=[BODIES[body].encode()], content_type=label))
    reply = await t.ask(request_of())
    assert parse(reply.text).action.summary == "ja, größer"
    assert (reply.usage.input, reply.usage.estimated) == (900, False)


@pytest.mark.parametrize(
    "body", ["plain", "carriage returns", "only carriage returns", "data over two lines", "one answer"]
)
@pytest.mark.parametrize("size", [1, 7])
async def test_wherever_it_is_cut_on_its_way(talk, request_of, body, size):
    data = BODIES[body].encode()
    t = talk(Raw(pieces=[data[at : at + size] for at in range(0, len(data), size)]))
    assert parse((await t.ask(request_of())).text).action.summary == "ja, größer"


INSIDE = {
    "429 as a number": ({"error": {"code": 429, "message": "slow down"}}, TransientFault, True),
    "429 as a string": ({"error": {"code": "429", "message": "slow down"}}, TransientFault, True),
    "502": ({"error": {"code": 502, "message": "Upstream"}}, TransientFault, True),
    "503": ({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, TransientFault, True),
    "a rate limit by type": ({"error": {"type": "rate_limit_error", "message": "x"}}, TransientFault, True),
    "overloaded": (
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        TransientFault,
        True,
    ),
    "exhausted": ([{"error": {"status": "RESOURCE_EXHAUSTED", "message": "x"}}], TransientFault, True),
    "in words": ({"error": "The model is overloaded, please try again later"}, TransientFault, True),
    "at the top": ({"code": 503, "message": "Service Unavailable"}, TransientFault, True),
    "a server error": ({"error": {"type": "server_error", "message": "x"}}, TransientFault, False),
    "in the choice": (
        {"choices": [{"error": {"code": 429, "message": "x"}, "finish_reason": "error"}]},
        TransientFault,
        True,
    ),
    "no credit": ({"error": {"code": 402, "message": "Insufficient credits"}}, PermanentFault, False),
    "no quota": ({"error": {"code": "insufficient_quota", "message": "x"}}, PermanentFault, False),
    "a wrong key": ({"error": {"code": 401, "message": "No auth"}}, PermanentFault, False),
    "detail": ({"detail": "nobody knows why"}, PermanentFault, False),
    "too long": ({"error": {"code": 400, "message": "maximum context length is 4096 tokens"}}, ContextOverflow, False),
}


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize("form", ["json", "event"])
async def test_an_error_inside_a_good_answer_is_what_its_code_says(talk, request_of, inside, form):
    body, family, waits = INSIDE[inside]
    text = json.dumps(body)
    answer = Raw(pieces=[text.encode()], content_type="application/json")
    if form == "event" and family is not PermanentFault:
        answer = Raw(pieces=[f"data: {text}\n\n".encode()])
    t = talk(answer, finish())
    with pytest.raises(ModelFault) as caught:
        await t.ask(request_of())
    assert type(caught.value) is family
    assert "\n" not in str(caught.value)
    if family is TransientFault:
        assert (caught.value.patience is not None) is waits
    assert "done" in (await t.ask(request_of())).text


@pytest.mark.parametrize("choices", [[None], [], None, [{}], [{"delta": None}], [{"message": None}], ["x"], {}, "no"])
@pytest.mark.parametrize("form", ["json", "event"])
async def test_an_answer_without_a_choice_is_tried_again(talk, request_of, choices, form):
    text = json.dumps({"id": "1", "choices": choices})
    body = text if form == "json" else f"data: {text}\n\ndata: [DONE]\n\n"
    t = talk(Raw(pieces=[body.encode()], content_type=None), finish())
    with pytest.raises(TransientFault, match="the reply was empty"):
        await t.ask(request_of())
    assert "done" in (await t.ask(request_of())).text


TOLD = {
    "data policy": (404, "No endpoints found matching your data policy. Configure: https://openrouter.ai/settings"),
    "providers": (404, "No allowed providers are available for the selected model."),
    "deployment": (404, "The API deployment for this resource does not exist. If you created it, wait 5 minutes."),
    "nothing loaded": (404, "No models loaded. Please load a model in the developer page or use `lms load`."),
    "region": (404, "This feature cannot be reached from your region"),
    "gone": (410, "This version was retired on 1 May"),
    "expired": (404, "Your trial has expired"),
    "workspace": (404, "Project proj_1 does not have access to this endpoint"),
    "conflict": (400, "Organization must be verified to stream"),
    "access": (403, "Your project may not use it from here"),
}


@pytest.mark.parametrize("told", TOLD)
async def test_a_reason_is_told_in_the_servers_words(talk, request_of, told):
    status, words = TOLD[told]
    t = talk(error(status, words))
    with pytest.raises(PermanentFault) as caught:
        await t.ask(request_of())
    assert words in str(caught.value)
    assert "usually ends in /v1" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    ["Not Found", "404 page not found", "404 Not Found", "", "Unexpected endpoint or method. (POST /chat/completions)",
     "Invalid URL (POST /chat/completions)", "File Not Found", "Cannot POST /chat/completions", "Resource not found",
     "Method Not Allowed"],
)  # fmt: skip
async def test_a_place_that_is_none_is_a_wrong_base_url(talk, request_of, words):
    t = talk(error(404, words))
    with pytest.raises(PermanentFault, match=r"has no chat completions at .*; the base URL usually ends in /v1"):
        await t.ask(request_of())


PAGE = (
    "<!DOCTYPE html>\n<html><head><style>b{}</style><title>502 &amp; Bad\nGateway</title></head><body>%s</body></html>"
)


@pytest.mark.parametrize("status", [200, 400, 403, 500, 502, 503, 504, 520, 524, 530])
async def test_a_page_is_told_by_its_title(talk, request_of, status):
    t = talk(Answer(status=status, body=PAGE % ("x" * 9000), content_type="text/html"))
    with pytest.raises(ModelFault) as caught:
        await t.ask(request_of())
    assert "502 & Bad Gateway" in str(caught.value)
    assert "<" not in str(caught.value)
