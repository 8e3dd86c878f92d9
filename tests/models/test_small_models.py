"""Small models on this machine: cut off soon when they run on, short replies, and no look-ups that nobody asked for."""

from __future__ import annotations

import json

import pytest

from agentloop_nb.agent.offer import offered
from agentloop_nb.decision import parse
from agentloop_nb.models.repeated_text import Repetition
from agentloop_nb.models.salvage import salvaged
from agentloop_nb.models.size import SMALL_REPLY, is_small
from agentloop_nb.state import State
from agentloop_nb.testing import finish
from tests.wire import Reply, error

HEAD = '{"reasoning": "I list them.", "action": {"name": "run_code", "code": "'
ENDLESS = {
    "one line": "plot(again)\\n",
    "imports": "import numpy as np\\nimport pandas as pd\\n",
    "a sentence": "Then I look at the data once more. ",
    "a word": "very ",
    "a paragraph": "The data is in the table; its columns are the date, the region and the amount. " * 3,
    "another language": "И так далее. ",
    "blanks": "\\n",
    "zeros": "0, ",
    "a number": "0",
}
WHOLE = {"one line": "plot(again)", "imports": "import numpy as np\nimport pandas as pd"}
"""The code that is carried out of those that are Python: what is repeated, once."""
LEGITIMATE = {
    "a loop": "for n in range(12):\n    print(n)\n    print(n * n)\n",
    "a few prints": "".join(f"print('line {number}')\n" for number in range(9)),
    "prints between": "".join(f"mean = data[{n}].mean()\nprint('column {n}', mean)\n" for n in range(12)),
    "a table": "rows = [\n" + "".join(f"    ({n}, {n * n}, {n * 7919 % 100}),\n" for n in range(30)) + "]",
    "numbered lines": "".join(f"ax{n}.set_title('sales of the region {n}')\n" for n in range(20)),
    "zeros": "grid = [[0, 0, 0, 0, 0, 0, 0, 0]] * 8",
    "a rule": "print('-' * 60)\n#" + "-" * 300,
    "indentation": "if a:\n    if b:\n        if c:\n            x = 1\n            y = 2\n            z = 3\n",
    "imports": "import os\nimport sys\nimport json\nimport math\nimport re\n",
    "braces": "print(f'{{x}} stands for the value of x')\nd = {1: {2: 3}}\n# The end of it all is near.\nf(d)",
    "indented prints": "for n in x:\n" + "".join(f"    print({n})\n" for n in range(8)),
    "equal calls": "step()\nstep()\nstep()\nshow_the_board()\n",
}


@pytest.mark.parametrize(
    ("name", "small"),
    [
        ("qwen2.5-coder:0.5b", True),
        ("llama3.2:1b", True),
        ("SmolLM2-135M-Instruct", True),
        ("gemma-3-270m-it", True),
        ("qwen3:4b-instruct", False),
        ("Qwen3-30B-A3B", False),
        ("mixtral-8x7b", False),
        ("llama3.1:70b", False),
        ("gpt-oss:20b", False),
        ("gpt-5", False),
        ("model-v2.5", False),
    ],
)
def test_a_name_may_tell_the_size(name, small):
    assert is_small(name) is small


def test_the_servers_word_counts_more_than_a_name():
    assert is_small("coder", 494_032_768)
    assert not is_small("coder-0.5b", 32_000_000_000)


@pytest.mark.parametrize("unit", ENDLESS)
async def test_a_small_model_is_cut_off_soon(talk, request_of, unit):
    text = HEAD + ENDLESS[unit] * (20_000 // len(ENDLESS[unit]))
    t = talk(Reply(text=text, size=8), finish(), model="coder:0.5b")
    reply = await t.ask(request_of(max_tokens=30_000))
    assert sum(len(delta.text) for delta in t.deltas) < 1_600
    await t.ask(request_of(repairs=1))
    if unit in WHOLE:
        assert reply.finish_reason == "stop"
        assert parse(reply.text).action.code == WHOLE[unit]
    else:
        assert reply.finish_reason == "repetition"
        assert [body["temperature"] for body in t.wire.bodies] == [0.2, 0.8]


CUT = {
    "a block again and again": (
        "x = 1\nwith open('a') as f:\n    print(f.read())\n" * 2 + "with open('a') a",
        "x = 1\nwith open('a') as f:\n    print(f.read())\n" * 2,
    ),
    "a head without its body": ("total = 0\nfor n in rows:\n", "total = 0"),
    "a line break in quotes": ("f.write('\n')\nf.wri", r"f.write('\n')"),
    "a string that is open": ('x = 1\ny = """abc\nabc\nabc', "x = 1"),
    "magic": ("%matplotlib inline\n%matplotlib inli", None),
    "one line": ("print(1, 2, 3", None),
    "prose": ("Then I look at it.\nThen I look", None),
}


@pytest.mark.parametrize("name", CUT)
def test_code_that_was_cut_off_is_kept_up_to_its_last_whole_statement(name):
    code, kept = CUT[name]
    found = salvaged(HEAD + json.dumps(code)[1:-1] + "…")
    assert (found and parse(found).action.code.rstrip()) == (kept and kept.rstrip())


def test_an_escape_that_was_cut_in_its_middle_is_left_out():
    assert parse(salvaged(HEAD + r"x = 1\ny = 2" + "\\")).action.code == "x = 1"
    assert parse(salvaged(HEAD + r"x = 1\ns = '\u00")).action.code == "x = 1"


def test_a_reply_without_code_has_nothing_to_keep():
    assert salvaged('{"reasoning": "again and again') is None


async def test_the_reasoning_of_a_small_model_is_bounded_as_long_as_the_server_takes_it(talk, request_of):
    t = talk(finish(), finish(), model="coder:0.5b")
    await t.ask(request_of())
    reasoning = t.wire.bodies[0]["response_format"]["json_schema"]["schema"]["properties"]["reasoning"]
    assert reasoning == {"type": "string", "maxLength": 200}
    t.wire.refuse = (_no_lengths,)
    await t.ask(request_of())
    assert [json.dumps(body).count("maxLength") for body in t.wire.bodies] == [1, 1, 0]


def _no_lengths(body):
    told = error(400, "maxLength is not supported", param="response_format")
    return told if "maxLength" in json.dumps(body) else None


async def test_the_reasoning_of_any_other_model_is_not(talk, request_of):
    t = talk(finish(), model="coder:7b")
    await t.ask(request_of())
    assert "maxLength" not in json.dumps(t.wire.bodies)


PRINTS = {
    "one line": ["print('again')"] * 60,
    "constants": [f"print('name {number}')" for number in range(60)],
    "values": [f"print('column', data[{number}].mean())" for number in range(60)],
    "double quotes": [f'print("name {number}")' for number in range(60)],
    "indented": ["for n in rows:", *(f"    print('name {number}')" for number in range(60))],
    "in turns": [f"    print('{'saved' if number % 2 else number}')" for number in range(60)],
    "after other lines": ["import os", "x = 1", *(f"print(x, 'name {number}')" for number in range(60))],
}


@pytest.mark.parametrize("name", PRINTS)
async def test_code_that_prints_on_and_on_is_ended_after_a_whole_line(talk, request_of, name):
    lines = PRINTS[name]
    text = json.dumps({"reasoning": "so", "action": {"name": "run_code", "code": "\n".join(lines)}})
    t = talk(Reply(text=text, size=8), model="coder:0.5b")
    reply = await t.ask(request_of(max_tokens=30_000))
    done = parse(reply.text).action.code.splitlines()
    assert done == list(dict.fromkeys(lines))[: len(done)]
    assert 1 <= len(done) <= 14
    assert reply.finish_reason == "stop"


COUNTING = {
    "branches": "if n == 99:\n    print('It was done 99 times, which is too often.')\n"
    + "".join(f"elif n == {n}:\n    print('It was done {n} times, which is too often.')\n" for n in range(98, 0, -1)),
    "a text": "text = '"
    + "".join(f"On day {n} the harvest was brought to the town and then was sold. " for n in range(99)),
}


@pytest.mark.parametrize("name", COUNTING)
async def test_counting_on_and_on_is_cut_off(talk, request_of, name):
    t = talk(Reply(text=HEAD + json.dumps(COUNTING[name])[1:-1], size=8), model="coder:0.5b")
    reply = await t.ask(request_of(max_tokens=30_000))
    assert len(reply.text) < 1000
    if name == "branches":
        assert parse(reply.text).action.code.startswith("if n == 99:\n    print(")


PROSE = [
    "}}. The error occurred because the package was not found in the folder, so it has to be installed.",
    "}}}. This is the same as step 2, with the same failure, for the third time: nothing new. The goal is not met.",
    '}}"\nThen I finish with the answer that the output shows, as I was told to do by the person.',
]


@pytest.mark.parametrize("prose", PROSE)
async def test_prose_behind_the_end_of_a_decision_is_not_waited_for(talk, request_of, prose):
    text = HEAD + json.dumps(f"x = 1\nprint(x){prose * 9}")[1:-1]
    t = talk(Reply(text=text, size=8), model="coder:0.5b")
    reply = await t.ask(request_of(max_tokens=30_000))
    assert parse(reply.text).action.code == "x = 1\nprint(x)"
    assert sum(len(delta.text) for delta in t.deltas) < len(HEAD) + 250


@pytest.mark.parametrize("name", LEGITIMATE)
async def test_what_a_small_model_means_is_not_cut(talk, request_of, name):
    text = json.dumps({"reasoning": "so", "action": {"name": "run_code", "code": LEGITIMATE[name]}})
    t = talk(Reply(text=text, size=8), model="coder:0.5b")
    reply = await t.ask(request_of(max_tokens=30_000))
    assert reply.finish_reason == "stop"
    assert parse(reply.text).action.code == LEGITIMATE[name]


async def test_a_small_model_answers_shortly_and_longer_after_a_reply_that_did_not_fit(talk, request_of):
    cut = Reply(text=HEAD + "x = 1", finish_reason="length")
    t = talk(cut, finish(), finish(), model="coder:0.5b")
    for _ in range(3):
        await t.ask(request_of(max_tokens=4000))
    assert [body["max_tokens"] for body in t.wire.bodies] == [SMALL_REPLY, 2 * SMALL_REPLY, SMALL_REPLY]


async def test_a_large_model_on_this_machine_may_answer_at_length(talk, request_of):
    t = talk(finish(), model="coder:70b")
    await t.ask(request_of(max_tokens=4000))
    assert [body["max_tokens"] for body in t.wire.bodies] == [4000]


def test_a_look_is_taken_often_enough_to_stop_before_many_lines():
    watch, line = Repetition(small=True), "print('again')\\n"
    fed = 0
    while not watch.found:
        watch.feed(line)
        fed += 1
    assert fed < 14


@pytest.mark.parametrize(
    "goal",
    [
        "how many rows has sales.csv?",
        "print the current folder",
        "plot rain by day and save it as rain.png",
        "compute 3 * 4",
        "sort names.txt",
        "fit a line to points.csv",
        "write a poem to poem.txt",
        "what is the median of [1, 2, 3]?",
        "convert a.json to a.csv",
        "train a model on iris.csv",
    ],
)
def test_a_small_model_is_offered_the_web_only_where_the_goal_speaks_of_it(goal):
    assert offered(State(goal=goal), small=True) == ("run_code", "write_file", "finish")
    assert offered(State(goal=goal)) == ()


@pytest.mark.parametrize(
    "goal",
    [
        "search the web for the newest release of numpy",
        "read https://example.org and sum it up",
        "what does www.python.org say today?",
        "look up the population of Oslo",
        "find the latest exchange rate online",
        "download the table from data.gov",
        "what is on the news?",
        "suche im Netz nach dem Wetter",
        "cherche le prix de l'or sur internet",
        "東京の人口は?",
    ],
)
def test_a_goal_that_speaks_of_the_web_has_it(goal):
    assert offered(State(goal=goal), small=True) == ()
