"""The same decision again: told from the second on, the fourth in a row ends the run, and what goes on may go on."""

from __future__ import annotations

from itertools import count

import pytest

from agentloop_nb.agent.rebinding import only_rebinds
from agentloop_nb.protocols import Change, CodeError, CodeOutcome
from agentloop_nb.testing import code, decide, finish


def printing(text):
    return CodeOutcome(ending="ok", outputs=({"output_type": "stream", "name": "stdout", "text": f"{text}\n"},))


def failing(kind):
    return CodeOutcome(ending="error", error=CodeError(type=kind, message="no", traceback=f"{kind}: no"))


async def test_the_same_success_is_told_and_the_fourth_ends_the_run(scenario):
    s = scenario([code("look")] * 9)
    state = await s.run()
    assert s.workspace.ran == ["look"] * 3
    assert (state.status, state.reason.partition(":")[0]) == ("not_met", "stuck")
    last = [request.messages[-1].content for request in s.model.requests]
    assert "same as step 1" not in last[1]
    assert "the same as step 1, with the same result, for the second time" in last[2]
    assert "for the third time. Do not do it again: " in last[3]
    assert "Once more ends the run." in last[3]


async def test_what_can_only_fail_again_is_not_done_again(scenario):
    s = scenario([code("x")] * 9, outcomes={"x": failing("NameError")})
    state = await s.run()
    assert s.workspace.ran == ["x"]
    assert (
        "exactly what failed in step 1, and was not done again (NameError: no)"
        in s.model.requests[2].messages[-1].content
    )
    assert (state.status, state.current_step) == ("not_met", 4)


async def test_a_failure_that_may_pass_is_tried_again(scenario):
    s = scenario([code("x")] * 9, outcomes={"x": failing("ConnectionError")})
    assert (await s.run()).status == "not_met"
    assert s.workspace.ran == ["x"] * 3


def changing(name, detail=""):
    return CodeOutcome(ending="ok", changes=(Change(name=name, how="changed", detail=detail),))


GOES_ON = [
    ("next(batch)", lambda n: printing(f"batch {n}")),
    ("x += 1", lambda n: changing("x")),
    ("rows.append(row)", lambda n: changing("rows", "len 9")),
    ("time.sleep(60); status()", lambda n: printing("pending")),
    ("await asyncio.sleep(5)\njob.state", lambda n: printing("running")),
    ("print(random.random())", printing),
]


@pytest.mark.parametrize(("source", "outcomes"), GOES_ON)
async def test_what_goes_on_may_go_on(scenario, source, outcomes):
    s = scenario([*[code(source)] * 8, finish()])
    number, run_code = count(), s.workspace.run_code

    async def run(source, **options):
        s.workspace.outcomes[source] = outcomes(next(number))
        return await run_code(source, **options)

    s.workspace.run_code = run
    assert (await s.run()).status == "finished"
    assert len(s.workspace.ran) == 8


async def test_a_table_that_is_loaded_again_and_again_is_no_progress(scenario):
    source = "import pandas as pd\ndf = pd.read_csv('a.csv')"
    loaded = CodeOutcome(ending="ok", changes=(Change(name="df", how="changed", type="DataFrame", detail="3 x 2"),))
    s = scenario([code(source)] * 9, outcomes={source: loaded})
    assert (await s.run()).status == "not_met"
    assert len(s.workspace.ran) == 3


async def test_something_else_in_between_that_changes_something_begins_anew(scenario):
    change = CodeOutcome(ending="ok", changes=(Change(name="y", how="added", type="int"),))
    replies = [code("look"), code("look"), code("look"), code("y = 1"), code("look"), code("look"), finish()]
    s = scenario(replies, outcomes={"y = 1": change})
    assert (await s.run()).status == "finished"
    assert s.workspace.ran.count("look") == 5


async def test_two_decisions_in_turn_are_noticed_too(scenario):
    s = scenario([code("a"), code("b")] * 9)
    state = await s.run()
    assert (state.status, state.current_step) == ("not_met", 7)


async def test_new_looks_in_between_are_no_repetition(scenario):
    replies = [each for number in range(8) for each in (code("look"), code(f"other({number})"))]
    s = scenario([*replies, finish()])
    assert (await s.run()).status == "finished"


async def test_the_same_address_is_read_three_times_at_most(scenario):
    s = scenario([decide("read_url", url="https://a.example.org/")] * 9)
    state = await s.run()
    assert (state.status, state.current_step) == ("not_met", 4)


async def test_another_timeout_is_no_other_decision(scenario):
    s = scenario([code("look", timeout=number) for number in range(1, 9)])
    assert (await s.run()).current_step == 4


@pytest.mark.parametrize(
    ("source", "name", "anew"),
    [
        ("x = 1", "x", True),
        ("x += 1", "x", False),
        ("x = x + 1", "x", False),
        ("df = read()\ndf['b'] = df.a", "df", True),
        ("df['b'] = 1", "df", False),
        ("def f(): return 1", "f", True),
        ("import numpy as np", "np", True),
        ("for i in range(3): pass", "i", True),
        ("a, b = 1, 2", "b", True),
        ("%time x = 1", "x", False),
        ("rows.append(1)", "rows", False),
    ],
)
def test_names_that_are_bound_anew(source, name, anew):
    assert only_rebinds(source, [name]) is anew


HEADS = {
    "with open('a') as f:\n    print(f.read())": ("f", True),
    "for n in rows:\n    print(n)": ("n", True),
    "for n in n:\n    print(n)": ("n", False),
    "with open(f) as f:\n    f.read()": ("f", False),
    "for row in rows:\n    total += row": ("total", False),
    "async with get() as r:\n    r.json()": ("r", True),
    "with a as x, b(x) as y:\n    y()": ("y", True),
    "print(f)\nwith open('a') as f:\n    f.read()": ("f", False),
}


@pytest.mark.parametrize("source", HEADS)
def test_a_block_that_binds_a_name_at_its_head_only_rebinds_it(source):
    name, right = HEADS[source]
    assert only_rebinds(source, [name]) is right
