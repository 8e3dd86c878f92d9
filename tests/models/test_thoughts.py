"""A whole decision is taken at the first reply, however the model thought aloud around it, over a real socket."""

from __future__ import annotations

import json

import pytest

from agentloop_nb._internal.thoughts import decision_in, split
from agentloop_nb.decision import parse
from agentloop_nb.errors import DecisionError
from tests.wire import Answer, Reply, decision, finish

WANTED = json.dumps(finish("yes"))
DRAFT = json.dumps(decision("run_code", code="draft()"))
BRACES = "maybe {this}, {'or': 1} or {}"

FINAL = "<|end|><|start|>assistant<|channel|>final"
JSON = "<|constrain|>json<|message|>"

FORMS = {
    "one block": f"<think>{BRACES}</think>\n{WANTED}",
    "closing tag only": f"{BRACES}\n</think>\n\n{WANTED}",
    "two blocks": f"<think>{BRACES}</think><think>{DRAFT}</think>{WANTED}",
    "a block before and one after": f"<think>{BRACES}</think>{WANTED}\n<think>was {DRAFT} better?</think>",
    "thinking": f"<thinking>\n{BRACES}\n</thinking>{WANTED}",
    "thought": f"<thought>{DRAFT}</thought>{WANTED}",
    "reasoning": f"<reasoning>{BRACES}</reasoning>{WANTED}",
    "a tag of a vendor": f"<seed:think>{DRAFT}</seed:think>{WANTED}",
    "capitals": f"<Think>{DRAFT}</Think>{WANTED}",
    "a tag with attributes": f'<think lang="en">{DRAFT}</think>{WANTED}',
    "unclosed": f"<think>{BRACES} so:\n{WANTED}",
    "unclosed with a draft": f"<think>{DRAFT} no, better: {WANTED}",
    "square brackets": f"[THINK]{DRAFT}[/THINK]{WANTED}",
    "diamonds": f"◁think▷{DRAFT}◁/think▷{WANTED}",
    "begin of thought": f"<|begin_of_thought|>{DRAFT}<|end_of_thought|>\n<|begin_of_solution|>{WANTED}",
    "closing tag only with a draft": f"{DRAFT} hm.</think>{WANTED}",
    "nested": f"<think>a <think>{DRAFT}</think> b {BRACES}</think>{WANTED}",
    "harmony": f"<|channel|>analysis<|message|>{BRACES}{FINAL}<|message|>{WANTED}<|return|>",
    "harmony with a draft": f"<|channel|>analysis<|message|>{DRAFT}{FINAL}<|message|>{WANTED}",
    "harmony with a constraint": f"<|channel|>analysis<|message|>hm{FINAL} {JSON}{WANTED}<|return|>",
    "harmony without a final channel": f"<|channel|>analysis<|message|>{BRACES} {WANTED}",
    "commentary": f"<|channel|>commentary to=functions.x <|constrain|>json<|message|>{WANTED}<|call|>",
    "half a channel mark": f"<|channel>thought\n{BRACES}\n<channel|>{WANTED}",
    "a fence": f"Here it is:\n```json\n{WANTED}\n```\nI hope {{this}} helps.",
    "a fence without a language": f"<think>x</think>```\n{WANTED}\n```",
    "an unclosed fence": f"```json\n{WANTED}",
    "prose before and after": f"Let me see {BRACES}. {WANTED} That is {{all}}.",
    "a draft in prose": f"I could do {DRAFT} but the goal is met: {WANTED}",
    "an answer tag": f"<think>{BRACES}</think><answer>{WANTED}</answer>",
    "a byte order mark": f"\ufeff{WANTED}",
    "a list of one": f"[{WANTED}]",
    "a string of JSON": json.dumps(WANTED),
    "what comes of it, imagined": f"{WANTED}\nResult: done\n{json.dumps(decision('run_code', code='more()'))}",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("streams", [True, False])
async def test_a_whole_decision_is_taken_at_the_first_reply(talk, request_of, form, streams):
    t = talk(FORMS[form], streams=streams)
    reply = await t.ask(request_of())
    assert parse(reply.text).action.summary == "yes"
    assert parse(FORMS[form]).action.summary == "yes"


@pytest.mark.parametrize("form", [form for form in FORMS if form not in ("a fence", "unclosed")][:19])
def test_thoughts_are_no_part_of_what_is_kept(form):
    thoughts, answer = split(FORMS[form])
    if thoughts:
        assert json.loads(answer) == finish("yes")
        assert not any(mark in thoughts for mark in ("<think", "</think", "<|", "[THINK]"))


@pytest.mark.parametrize(
    "code",
    ["re.sub('<think>.*?</think>', '', x)", "x = '</think>'", "print('<|channel|>final')", '{"action": {"name": "x"}}'],
)
def test_code_that_speaks_of_thoughts_stays_as_it_is(code):
    text = json.dumps(decision("run_code", code=code))
    for around in (text, f"So: {text}", f"<think>a</think>{text}", f"```json\n{text}\n```", f"a</think>{text}"):
        assert parse(split(around)[1]).action.code == code


@pytest.mark.parametrize(
    "text",
    [
        "<think>only thoughts {",
        '<think>a</think>{"reasoning": "cut off he',
        '{"reasoning": "x", "action": {"name": "run_code", "code": "a = {\\"action\\": 1',
        "{" * 5000,
        '{"a":' * 3000,
        "<think>" * 2000,
        '{"n": ' + "9" * 5000 + "}",
    ],
)
def test_what_is_no_whole_decision_is_none(text):
    assert decision_in(text) is None
    with pytest.raises(DecisionError):
        parse(split(text)[1] or text)


def chunks(*deltas, reason="stop"):
    events = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    return Answer(
        status=200, body="".join(f"data: {json.dumps(e)}\n\n" for e in events), content_type="text/event-stream"
    )


HALVES = (WANTED[:20], WANTED[20:])
PLACES = {
    "reasoning_content": [{"content": None, "reasoning_content": half} for half in HALVES],
    "reasoning": [{"content": None, "reasoning": half} for half in HALVES],
    "thinking": [{"content": "", "thinking": half} for half in HALVES],
    "reasoning around it": [{"content": None, "reasoning": f"hm {BRACES} so {WANTED} then"}],
    "an object": [{"content": finish("yes")}],
    "parts": [{"content": [{"type": "text", "text": half}]} for half in HALVES],
    "parts of strings": [{"content": [half]} for half in HALVES],
    "output parts": [{"content": [{"type": "output_text", "text": WANTED}]}],
    "parts with a value": [{"content": [{"type": "text", "text": {"value": WANTED}}]}],
    "parts with thoughts": [
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": DRAFT}]},
                {"type": "text", "text": WANTED},
            ]
        }
    ],
    "an object as a part": [{"content": [finish("yes")]}],
    "parsed": [{"content": None, "parsed": finish("yes")}],
    "a function call": [
        {"content": None, "tool_calls": [{"index": 0, "function": {"name": "decision", "arguments": half}}]}
        for half in HALVES
    ],
    "an old function call": [{"content": None, "function_call": {"name": "decision", "arguments": WANTED}}],
    "details": [{"content": None, "reasoning_details": [{"type": "reasoning.text", "text": WANTED}]}],
    "nulls beside it": [{"role": None, "content": half, "reasoning": None, "tool_calls": None} for half in HALVES],
}


@pytest.mark.parametrize("place", PLACES)
async def test_a_decision_is_found_wherever_a_server_puts_it(talk, request_of, place):
    t = talk(chunks(*PLACES[place]))
    assert parse((await t.ask(request_of())).text).action.summary == "yes"


@pytest.mark.parametrize("place", ["an object", "parts with thoughts", "parsed", "an old function call"])
async def test_also_in_one_whole_answer(talk, request_of, place):
    message = {"role": "assistant", **PLACES[place][0]}
    t = talk(Answer(status=200, body={"choices": [{"message": message, "finish_reason": "stop"}]}))
    assert parse((await t.ask(request_of())).text).action.summary == "yes"


async def test_the_whole_message_after_its_pieces_is_not_taken_twice(talk, request_of):
    events = [
        {"choices": [{"delta": {"content": WANTED}}]},
        {"choices": [{"message": {"content": WANTED}, "finish_reason": "stop"}]},
    ]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    t = talk(Answer(status=200, body=body, content_type="text/event-stream"))
    assert (await t.ask(request_of())).text == WANTED


async def test_thoughts_of_their_own_field_stay_apart(talk, request_of):
    t = talk(Reply(text=WANTED, reasoning=f"hm {DRAFT}"))
    reply = await t.ask(request_of())
    assert (reply.text, reply.reasoning) == (WANTED, f"hm {DRAFT}")
