from __future__ import annotations

import json

import pytest

from agentloop_nb.actions import ACTIONS, RunCode
from agentloop_nb.agent.prompt import system_prompt
from agentloop_nb.decision import Decision, parse
from agentloop_nb.errors import DecisionError

CODE = {"reasoning": "r", "action": {"name": "run_code", "code": "print(1)", "timeout": 5}}
ORIGINAL = {"action": "run_code", "reasoning": "r", "input": {"code": "print(1)", "timeout": 5}}

UNDERSTOOD = [
    pytest.param(json.dumps(CODE), id="as-asked"),
    pytest.param(json.dumps(ORIGINAL), id="the-originals-shape"),
    pytest.param(f"```json\n{json.dumps(CODE)}\n```", id="fenced"),
    pytest.param(f"I will run it.\n{json.dumps(CODE)}\nDone.", id="prose-around"),
    pytest.param(f"  {json.dumps(CODE, indent=2)}  ", id="indented"),
    pytest.param(json.dumps([CODE]), id="a-list-of-one"),
]


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_understood_without_a_round_trip(text):
    decision = parse(text)
    assert decision.reasoning == "r"
    assert decision.action == RunCode(code="print(1)", timeout=5)
    assert Decision.model_validate(decision.record()) == decision


def test_only_code_of_a_record_may_take_longer_than_a_model_may_ask_for():
    long = json.dumps({"reasoning": "r", "action": {"name": "run_code", "code": "x", "timeout": 4000}})
    usual = json.dumps({"reasoning": "r", "action": {"name": "run_code", "code": "x"}})
    assert parse(long, timeout=5).action.timeout == 300
    assert parse(long, timeout=5, again=True).action.timeout == 4000
    assert parse(usual, timeout=5, again=True).action.timeout == 5


def test_raw_line_breaks_inside_strings():
    text = '{"reasoning": "r", "action": {"name": "run_code", "code": "a = 1\nprint(a)\t# tab"}}'
    assert parse(text).action.code == "a = 1\nprint(a)\t# tab"


def test_code_that_holds_fences_and_braces_survives():
    code = "text = '''```json\n{\"a\": 1}\n```'''"
    assert parse(json.dumps({"reasoning": "r", "action": {"name": "run_code", "code": code}})).action.code == code


@pytest.mark.parametrize(
    ("name", "field", "given", "expected"),
    [
        ("search_web", "num_results", 99, 10),
        ("search_web", "num_results", 0, 1),
        ("search_web", "num_results", None, 5),
        ("read_url", "max_length", 10**9, 50_000),
        ("read_url", "max_length", 1, 100),
        ("run_code", "timeout", 10**6, 300),
        ("run_code", "timeout", -5, 1),
        ("run_code", "timeout", "99999", 300),
        ("run_code", "timeout", "12", 12),
        ("run_code", "timeout", None, 30),
    ],
)
def test_numbers_out_of_bounds_are_clamped(name, field, given, expected):
    first = {"search_web": {"query": "q"}, "read_url": {"url": "u"}, "run_code": {"code": "c"}}[name]
    decision = parse(json.dumps({"reasoning": "r", "action": {"name": name, **first, field: given}}))
    assert getattr(decision.action, field) == expected


def test_the_users_timeout_is_the_default_and_raises_the_ceiling():
    plain = json.dumps({"reasoning": "r", "action": {"name": "run_code", "code": "c"}})
    assert parse(plain, timeout=900).action.timeout == 900
    long = json.dumps({"reasoning": "r", "action": {"name": "run_code", "code": "c", "timeout": 5000}})
    assert parse(long, timeout=900).action.timeout == 900


REJECTED = [
    ("", "empty"),
    ("hello", "not one valid JSON object"),
    ('{"reasoning": "r", "act', "Unterminated"),
    ("[1, 2]", "not one valid JSON object"),
    ("{}", '"action" is missing'),
    (json.dumps({**CODE, "action": {"code": "x"}}), 'has no "name"'),
    (json.dumps({**CODE, "action": {"name": "run_cod"}}), "did you mean 'run_code'"),
    (json.dumps({**CODE, "reasoning": " "}), '"reasoning" is missing or empty'),
    (json.dumps({**CODE, "mood": "good"}), "unexpected keys ['mood']"),
    (json.dumps({"reasoning": "r", "action": {"name": "run_code"}}), "code: field required"),
    (json.dumps({"reasoning": "r", "action": {"name": "run_code", "code": "x", "lang": "r"}}), "lang: extra inputs"),
    (json.dumps({"reasoning": "r", "action": {"name": "run_code", "code": 5}}), "code: input should be a valid string"),
    (json.dumps({"reasoning": "r", "action": "run_code", "input": "x"}), '"input" must be an object'),
    ("[" * 100_000, "not one valid JSON object"),
]


@pytest.mark.parametrize(("text", "told"), REJECTED)
def test_a_rejection_says_what_to_change(text, told):
    with pytest.raises(DecisionError) as caught:
        parse(text)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 500


def test_at_the_last_step_only_finish_will_do():
    with pytest.raises(DecisionError, match="only 'finish' is allowed"):
        parse(json.dumps(CODE), final=True)


def test_the_prompt_lists_every_action_and_every_field():
    prompt = system_prompt()
    for action in ACTIONS:
        assert f"- {action.name}: " in prompt
        for name, field in action.model_fields.items():
            assert f"{name} (" in prompt
            assert field.description.rstrip(".")[1:] in prompt
