"""`%agent retry`, `%agent fix`, and a goal after one that was not met."""

from __future__ import annotations

import json

from agentloop_nb.record import locating
from tests.e2e.conftest import errors, text
from tests.wire import Wire, decision, finish

LOAD = "%load_ext agentloop_nb"


def test_a_retry_begins_from_the_namespace_before_and_knows_why(run_notebook, environment):
    first = [
        decision("run_code", code="rows.append(3)\nmade = 1\nopen('out.txt', 'w').write('x')"),
        decision("finish", summary="The table is empty.", goal_met=False),
    ]
    again = [decision("run_code", code="print(rows, 'made' in globals())\ntotal = sum(rows)"), finish("The sum is 3.")]
    with Wire([*first, *again]) as wire:
        notebook = run_notebook(
            [
                LOAD,
                "rows = [1, 2]",
                "%%agent -m scripted -n 7 --timeout 11 add the rows up",
                '%agent retry -n 9 "only add"',
                "rows, total, _agent.goal, _agent.max_steps, _agent.state.settings['timeout'], _agent.status",
            ],
            wire,
        )
    assert errors(notebook) == []
    told = text(notebook, 3)
    assert told.index("What cannot be taken back:") < told.index("Step 1 is taken back.")
    assert "out.txt" in told
    assert "%agent resume" not in told
    assert text(notebook, 4) == "([1, 2], 3, 'add the rows up', 9, 11, 'finished')"
    asked = json.dumps(wire.bodies[2]["messages"])
    assert "which ended not_met" in asked
    assert "data from run" in asked, "what it said may quote anybody"
    assert "the model reports that the goal is not met" in asked
    assert "The table is empty." in asked
    assert "Note from the user: only add" in asked
    assert "[1, 2] False" in json.dumps(wire.bodies[3]["messages"])


def test_a_goal_after_one_that_was_not_met_knows_why(run_notebook):
    unmet = decision("finish", summary="There is no table.", goal_met=False)
    with Wire([unmet, finish("ok")]) as wire:
        run_notebook([LOAD, "%%agent -m scripted find the table", "%%agent -m scripted go on"], wire)
    asked = json.dumps(wire.bodies[1]["messages"])
    assert "The goal was not met: the model reports that the goal is not met" in asked
    assert "%agent resume" not in asked, "what a person can type is no word to a model"


def test_fix_takes_the_last_cell_that_failed_with_its_error_and_values(run_notebook, environment):
    with Wire([decision("run_code", code="total = sum(map(int, prices))"), finish("The prices were text.")]) as wire:
        notebook = run_notebook(
            [
                LOAD,
                "prices = ['1', '2']\nunrelated = 'elsewhere'",
                "total = sum(prices)",
                "print('another cell')",
                '%agent fix -m scripted "keep the names"',
                "total, _agent.status",
            ],
            wire,
            allow_errors=True,
        )
    assert [name for name, _ in errors(notebook)] == ["TypeError"]
    assert text(notebook, 5) == "(3, 'finished')"
    asked = wire.bodies[0]["messages"]
    goal, told = str(asked[1]["content"]), json.dumps(asked)
    assert "total = sum(prices)" in goal
    assert "keep the names" in goal
    assert "unsupported operand type(s) for +" in told
    assert "cell In[3], line 1" in told
    assert "<<data from the error" in told
    values = goal.partition("the values it touched")[2].partition("data>>")[0]
    assert "prices" in values
    assert "unrelated" not in values


def test_below_full_privacy_a_fix_tells_the_kind_of_the_error_only(run_notebook):
    with Wire([finish("ok")]) as wire:
        run_notebook(
            [
                LOAD,
                "secret = {'a': 'canary'}",
                "secret['canary-' + secret['a']]",
                "%agent fix -m scripted --privacy schema",
            ],
            wire,
            allow_errors=True,
        )
    asked = json.dumps(wire.bodies[0]["messages"])
    assert "KeyError" in asked
    assert "canary-canary" not in asked


def test_with_nothing_to_follow_both_say_what_to_type(run_notebook):
    notebook = run_notebook([LOAD, "%agent retry", "%agent fix", "%agent fix"], allow_errors=True)
    assert [why for _, why in errors(notebook)] == [
        "there is no run in this kernel to try again; give a goal first: %%agent what you want",
        *["no cell of yours has failed in this kernel; %%agent gives a goal in words"] * 2,
    ]


def test_the_shell_runs_its_newest_goal_again(environment, monkeypatch, capsys):
    from agentloop_nb.cli import main

    with Wire([decision("finish", summary="no", goal_met=False), finish("yes")]) as wire:
        monkeypatch.setenv("OPENAI_BASE_URL", wire.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef0123456789")
        assert main(["-m", "scripted", "-n", "5", "say yes"]) == 1
        assert main(["retry", "--quiet", "try harder"]) == 0
    asked = json.dumps(wire.bodies[1]["messages"])
    assert "which ended not_met" in asked
    assert "Note from the user: try harder" in asked
    assert {state.goal for state in locating.runs(environment)} == {"say yes"}
