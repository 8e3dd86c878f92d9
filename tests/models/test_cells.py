"""A small model behind llama.cpp's server writes cells of code, and the rest of the product sees decisions."""

from __future__ import annotations

import json

import pytest

from agentloop_nb.agent.offer import MOST_CELLS, WEB, in_cells, of_cells
from agentloop_nb.agent.prompt import Transcript
from agentloop_nb.agent.rules import RULES_OF_CELLS, system_prompt
from agentloop_nb.decision import parse
from agentloop_nb.events import DecisionRejected, RunStarted
from agentloop_nb.models.cells import CellReader, as_cell, grammar
from agentloop_nb.models.reply_assembler import ReplyAssembler
from agentloop_nb.protocols import Message
from agentloop_nb.state import State, fold
from agentloop_nb.testing import code, decide, finish
from tests.wire import Reply, error

LLAMA = [{"id": "tiny", "owned_by": "llamacpp", "meta": {"n_ctx_train": 8192, "n_params": 500_000_000}}]
CELL = "```python\nprint('é \"x\"')\nfor n in (1, 2):\n    print(n)\n```"
CODE = "print('é \"x\"')\nfor n in (1, 2):\n    print(n)"


def read(text: str, size: int, *, final: bool = False) -> str:
    """Read a text in pieces of a size."""
    reader = CellReader(final)
    pieces = [reader.feed(text[start : start + size]) for start in range(0, len(text), size)]
    return "".join(pieces) + reader.end()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 100])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CELL, CODE),
        ("```py\nx = 1\n```", "x = 1"),
        ("``` python \nx = 1\n```", "x = 1"),
        ("```\nx = 1\n```", "x = 1"),
        ("I read it first.\n```python\nx = 1\n```", "x = 1"),
        ("```python\nx = 1\n```\nThis sets x.\n```python\ny\n```", "x = 1"),
        ("```python\nx = 1", "x = 1"),
        ("```python\nx = '`'\n```", "x = '`'"),
        ("```python\nx = 'a\\nb'\n```", "x = 'a\\nb'"),
        ("```python\n\nx = 1\n\n```", "\nx = 1\n"),
    ],
)
def test_a_cell_is_a_decision_to_run_it(text, expected, size):
    assert parse(read(text, size)).action.code == expected


@pytest.mark.parametrize("size", [1, 4, 100])
@pytest.mark.parametrize(
    ("text", "final", "summary", "met"),
    [
        ("FINISH: 4242", False, "4242", None),
        ('FINISH:  It is "4".', False, 'It is "4".', None),
        ("FINISH: 4242", True, "4242", True),
        ("GIVE UP: there is no file", True, "there is no file", False),
    ],
)
def test_the_end_is_a_decision_to_finish(text, final, summary, met, size):
    action = parse(read(text, size, final=final)).action
    assert (action.summary, action.says_goal_met) == (summary, met)


@pytest.mark.parametrize("text", ['{"reasoning": "r", "action": {"name": "finish", "summary": "s"}}', "Hello.", ""])
def test_anything_else_stays_as_it_is(text):
    assert read(text, 3) == text


def test_a_grammar_allows_what_is_offered():
    assert "code | answer" in grammar(())
    assert "FINISH" not in grammar(("run_code", "write_file"))
    assert "python" not in grammar(("finish",))
    assert "GIVE UP" in grammar((), final=True)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (code(CODE), CELL),
        (finish("It is 4."), "FINISH: It is 4."),
        (finish("No.", goal_met=False), "GIVE UP: No."),
        (
            decide("write_file", filename="a.txt", content="it's\n"),
            "```python\nwith open('a.txt', 'w') as file:\n    file.write(\"it's\\n\")\n```",
        ),
    ],
)
def test_decisions_are_told_in_the_same_form(script, told):
    text = script if isinstance(script, str) else json.dumps(script)
    assert as_cell(Message(role="assistant", content=text)).content == told


@pytest.mark.parametrize(
    "content", ["(cut off)", "{", "[1]", '{"action": "finish"}', '{"action": {"name": "read_url"}}']
)
def test_other_replies_are_told_as_they_were(content):
    message = Message(role="assistant", content=content)
    assert as_cell(message) == message


async def test_the_server_keeps_it_to_the_form_and_the_reply_is_a_decision(talk, request_of):
    t = talk(Reply(text=CELL, size=3), Reply(text="FINISH: 2", size=3), model="tiny", models=LLAMA)
    t.model.measure()
    assert t.model.writes_cells
    reply = await t.ask(request_of(cells=True, only=("run_code",)))
    assert parse(reply.text).action.code == CODE
    assert "".join(delta.text for delta in t.deltas) == reply.text
    reply = await t.ask(request_of("s", "u", reply.text, "u", cells=True))
    assert parse(reply.text).action.summary == "2"
    first, second = t.wire.bodies
    assert first["grammar"] == grammar(("run_code",))
    assert "response_format" not in first
    assert second["messages"][2]["content"] == CELL


@pytest.mark.parametrize("size", [1, 7, 200])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("```python\n# Load the table\nx = 1\n```", "Load the table"),
        ("```python\nimport os\nfrom a import b\n\n## Count\tthem \nx = 1\n```", "Count\tthem"),
        ("```python\nimport os\n# The last words\n```", "The last words"),
        ('```python\n# Say "é"\nx\n```', 'Say "é"'),
        ("```python\nx = 1\n# Load the table\n```", "Run this cell."),
        ("```python\nimports = 1\nx\n```", "Run this cell."),
        ("```python\nimport os\n```", "Run this cell."),
        ("```python\n#\nx\n```", "Run this cell."),
        ("```python\nprint(4)", "Run this cell."),
        ("FINISH: 4", "Finish with this answer."),
        ("GIVE UP: no file", "Give up."),
    ],
)
def test_the_comment_that_a_cell_begins_with_is_its_reason(text, reason, size):
    assert parse(read(text, size)).reasoning == reason


@pytest.mark.parametrize("status", [400, 422, 500])
async def test_a_server_that_refuses_a_grammar_is_asked_for_json_from_then_on(talk, request_of, status):
    def refuse(body):
        return error(status, "failed to parse grammar") if "grammar" in body else None

    t = talk(Reply(text=CELL), model="tiny", models=LLAMA, refuse=[refuse])
    t.model.measure()
    assert parse((await t.ask(request_of(cells=True))).text).action.code == CODE
    assert ["grammar" in body for body in t.wire.bodies] == [True, False]
    assert not t.model.writes_cells


async def test_what_runs_on_inside_a_cell_is_cut_off(talk, request_of):
    endless = "```python\nimport numpy as np\n" + "plot(again)\n" * 2000
    t = talk(Reply(text=endless, size=6), model="tiny", models=LLAMA)
    t.model.measure()
    reply = await t.ask(request_of(cells=True))
    assert parse(reply.text).action.code.startswith("import numpy as np")
    assert len(reply.text) < 1000


@pytest.mark.parametrize("text", ["```python\nx = 1", "FINISH: 4242"])
def test_an_end_that_is_told_twice_is_one_end(text):
    reply = ReplyAssembler.of_a_small_model(CellReader())
    for chunk in ({"delta": {"content": text}}, *[{"delta": {}, "finish_reason": "stop"}] * 2):
        reply.take({"choices": [chunk]})
    assert reply.text == read(text, 100)


async def test_prose_without_end_is_cut_off_where_a_server_heeds_neither_grammar_nor_length(talk, request_of):
    endless = " ".join(f"Thought {number} leads to another one." for number in range(4000))
    t = talk(Reply(text=endless, size=6), model="tiny", models=LLAMA)
    t.model.measure()
    reply = await t.ask(request_of(cells=True))
    assert reply.finish_reason == "length"
    assert reply.usage.output < 2000


@pytest.mark.parametrize("model", ["tiny", "coder:0.5b"])
async def test_other_servers_are_asked_for_json(talk, model):
    t = talk(finish(), model=model)
    t.model.measure()
    assert not t.model.writes_cells


def started(goal: str = "count", **settings) -> State:
    return fold([RunStarted(run="20260101-000000-0001", goal=goal, context="", settings={"max_steps": 6, **settings})])


def test_cells_are_for_runs_that_need_no_other_action():
    state = started()
    assert in_cells(state, ("run_code", "write_file", "finish"))
    assert not in_cells(state, ())
    assert not in_cells(state, (*WEB, "run_code"))
    assert not in_cells(started(plan=True), ("run_code",))
    assert not in_cells(started(asks=True), ("run_code",))


def test_a_model_that_ends_no_cell_is_asked_for_json():
    state = started()
    for rejected in range(MOST_CELLS):
        assert in_cells(state, ("run_code", "finish")), rejected
        state.apply(DecisionRejected(step=1, reason="the reply was cut off because it was too long"))
    assert not in_cells(state, ("run_code", "finish"))


def test_code_comes_before_the_end():
    assert of_cells(started(), ("run_code", "finish")) == ("run_code",)


def test_the_rules_follow_the_form_even_in_the_middle_of_a_run():
    transcript, state = Transcript(3), started()
    assert transcript.messages(state)[0].content == system_prompt(state.actions)
    assert transcript.messages(state, cells=True)[0].content == RULES_OF_CELLS
    assert transcript.messages(state)[0].content == system_prompt(state.actions)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_code_that_an_answer_quotes_is_not_run(size):
    said = read(f"FINISH: do it so:\n{CELL}", size)
    assert parse(said).action.name == "finish"
