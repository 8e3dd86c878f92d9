from __future__ import annotations

import json
import re

import pytest

from tests.e2e.conftest import errors, text
from tests.wire import Reply, Wire, decision, error, finish

LOAD = "%load_ext agentloop_nb"
SALES = "import pandas as pd\nsales = pd.DataFrame({'month': ['Jan', 'Feb'], 'amount': [10, 30]})"
TOTAL = decision("run_code", code="total = int(sales.amount.sum())\nprint('total', total)\nsales.describe()")


@pytest.mark.parametrize("streams", [True, False])
def test_a_goal_is_met_on_the_users_variables(run_notebook, streams):
    with Wire([TOTAL, finish("The total is 40.")], streams=streams) as wire:
        notebook = run_notebook(
            [
                LOAD,
                SALES,
                "%%agent -m scripted\nWhat is the total of {sales}, in $x?",
                "assert total == 40\n_agent.status",
            ],
            wire,
        )
    assert errors(notebook) == []
    assert text(notebook, 3) == "'finished'"
    shown = notebook.cells[2].outputs[0].data
    assert re.search(r"The total is <a [^>]*>40</a>\.", shown["text/html"]), "the figure links to its step"
    assert "total 40" in shown["text/html"]
    assert "application/vnd.jupyter.widget-view+json" not in shown
    told = json.dumps(wire.bodies[0]["messages"])
    assert "What is the total of {sales}, in $x?" in told, "the goal is passed verbatim"
    assert "month" in told, "the columns of the table are told"
    assert "pd.DataFrame(" in told, "recent cells are told"
    assert "total 40" in json.dumps(wire.bodies[1]["messages"])


def test_a_goal_on_the_first_line_needs_no_body_and_follows_up(run_notebook):
    replies = [TOTAL, finish("40."), decision("run_code", code="total = total * 2"), finish("Doubled to 80.")]
    with Wire(replies) as wire:
        notebook = run_notebook(
            [
                LOAD,
                SALES,
                "%%agent -m scripted What is the total -x of   sales?",
                "%%agent -m scripted now double it",
                "total",
            ],
            wire,
        )
    assert errors(notebook) == []
    assert text(notebook, 4) == "80"
    assert "What is the total -x of   sales?" in json.dumps(wire.bodies[0]["messages"])
    followed = json.dumps(wire.bodies[2]["messages"])
    assert "What is the total -x of   sales?" in followed, "the goals of earlier runs are told"
    assert "40." in followed, "and their summaries"


def test_failing_code_is_told_with_its_line_and_is_not_run_again(run_notebook):
    broken = "tries = globals().get('tries', 0) + 1\ndef mean(xs):\n    print('before')\n"
    broken += "    return sum(xs) / len(xs)\nmean([])"
    with Wire([decision("run_code", code=broken), finish(), finish()]) as wire:
        notebook = run_notebook([LOAD, "%%agent -m scripted\ncompute", "tries"], wire)
    assert errors(notebook) == []
    assert text(notebook, 2) == "1"
    told = wire.bodies[1]["messages"][-1]["content"]
    assert "ZeroDivisionError: division by zero" in told
    assert "step 1, line 4" in told
    assert "return sum(xs) / len(xs)" in told
    assert told.startswith("run_code failed: ZeroDivisionError: division by zero\n"), "type and message first"
    assert told.index("before") < told.rindex("ZeroDivisionError")
    assert "No step has succeeded so far" in wire.bodies[2]["messages"][-1]["content"]


@pytest.mark.parametrize("magic", ["%%time", "%%capture captured"])
def test_under_another_cell_magic(run_notebook, magic):
    with Wire([decision("run_code", code="a = 1 + 1"), finish()]) as wire:
        notebook = run_notebook([LOAD, f"{magic}\n%%agent -m scripted\nadd", "a"], wire)
    assert errors(notebook) == []
    assert text(notebook, 2) == "2"


def test_run_agent_inside_a_running_loop_uses_the_users_namespace(run_notebook):
    cell = "from agentloop_nb import run_agent, arun_agent\nassert __import__('asyncio').get_running_loop()\n"
    with Wire(
        [decision("run_code", code="b = a + 1"), finish("b is 2"), decision("run_code", code="c = b + 1"), finish()]
    ) as wire:
        notebook = run_notebook(
            [
                "a = 1",
                cell + "run = run_agent('add one', model='scripted')",
                "b, run.is_complete, run.variables",
                "again = await arun_agent('once more', model='scripted')",
                "c",
            ],
            wire,
        )
    assert errors(notebook) == []
    assert text(notebook, 2) == "(2, True, {'b': 2})"
    assert text(notebook, 4) == "3"


def test_top_level_await_figures_and_shell_lines(run_notebook):
    steps = [
        decision("run_code", code="import asyncio\nawait asyncio.sleep(0.01)\nwaited = True"),
        decision("run_code", code="%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);"),
        decision("run_code", code="!echo from the shell"),
        decision("write_file", filename="notes/a.txt", content="written"),
        decision("run_code", code="print(open('notes/a.txt').read())"),
        finish("all of it", artifacts=["notes/a.txt"]),
    ]
    with Wire(steps) as wire:
        notebook = run_notebook([LOAD, "%%agent -m scripted\ndo things", "waited, _agent.artifacts"], wire)
    assert errors(notebook) == []
    shown = notebook.cells[1].outputs[0].data["text/html"]
    assert "data:image/" in shown
    assert "from the shell" in shown
    assert text(notebook, 2) == "(True, ['notes/a.txt'])"
    assert "written" in wire.bodies[5]["messages"][-1]["content"]


def test_a_step_over_its_time_is_stopped_and_told(run_notebook):
    slow = decision("run_code", code="import time\nprint('begun', flush=True)\ntime.sleep(20)", timeout=1)
    with Wire([slow, finish(), finish()]) as wire:
        notebook = run_notebook([LOAD, "%%agent -m scripted\nwait"], wire)
    assert errors(notebook) == []
    told = wire.bodies[1]["messages"][-1]["content"]
    assert "begun" in told
    assert "Stopped after 1 s" in told


MALFORMED = [
    pytest.param("{ not json", "not one valid JSON object", id="malformed"),
    pytest.param(decision("fly"), "no action 'fly'", id="unknown-action"),
    pytest.param(decision("run_code"), "code: field required", id="missing-field"),
    pytest.param("", "empty", id="empty"),
    pytest.param(Reply(text='{"reasoning": "x", "act', finish_reason="length"), "cut off", id="cut-off"),
]


@pytest.mark.parametrize(("reply", "told"), MALFORMED)
def test_a_bad_reply_is_repaired_and_three_in_a_row_are_survived(run_notebook, reply, told):
    with Wire([reply, reply, reply, finish("after all")]) as wire:
        notebook = run_notebook([LOAD, "%%agent -m scripted\ntry", "_agent.status, _agent.current_step"], wire)
    assert errors(notebook) == []
    assert text(notebook, 2) == "('finished', 1)"
    assert told in wire.bodies[1]["messages"][-1]["content"]


def test_four_bad_replies_in_a_row_raise_one_line_and_lose_nothing(run_notebook):
    with Wire([decision("run_code", code="kept = 1"), "x", "x", "x", "x"]) as wire:
        notebook = run_notebook([LOAD, "%%agent -m scripted\ntry", "kept, _agent.status"], wire, allow_errors=True)
    [(name, message)] = errors(notebook)
    assert name == "AgentFailed"
    assert "4 replies in a row were no valid decision" in message
    assert text(notebook, 2) == "(1, 'failed')"


def test_a_server_that_dies_mid_stream_is_asked_again(run_notebook):
    broken = Reply(text=json.dumps(TOTAL), ending="reset", after=2)
    with Wire([broken, finish("done")]) as wire:
        notebook = run_notebook([LOAD, "%%agent -m scripted\ntry", "_agent.status"], wire)
    assert errors(notebook) == []
    assert text(notebook, 2) == "'finished'"
    assert len(wire.requests) == 2


WRONG = [
    pytest.param("%%agent -m scripted\n   ", "the goal is empty", id="empty-goal"),
    pytest.param("%%agent --modle x\ngoal", "did you mean --model", id="unknown-option"),
    pytest.param("%%agent --budget abc -m scripted\ngoal", "--budget must be a positive amount", id="bad-budget"),
    pytest.param("%%agent -m replay:missing.jsonl\ngoal", "missing.jsonl", id="missing-replay"),
    pytest.param("%%agent -m scripted --budget 1\ngoal", "AGENTLOOP_PRICE", id="unknown-price"),
    pytest.param("%agent shwo", "did you mean %agent show", id="unknown-command"),
    pytest.param("%agent export", "%agent export run.ipynb", id="export-without-path"),
]


@pytest.mark.parametrize(("cell", "message"), WRONG)
def test_wrong_input_is_one_line_that_says_what_to_type(run_notebook, monkeypatch, cell, message):
    if "--budget 1" in cell:  # a host that is not this machine, so that the price is unknown; nothing is sent
        monkeypatch.setenv("OPENAI_BASE_URL", "http://model.invalid/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        notebook = run_notebook([LOAD, "x = 1", cell, "x"], allow_errors=True)
    else:
        with Wire([]) as wire:
            notebook = run_notebook([LOAD, "x = 1", cell, "x"], wire, allow_errors=True)
        assert wire.requests == [], "nothing was spent"
    [(name, told)] = errors(notebook)
    assert name == "UserError"
    assert message in told
    assert len("\n".join(notebook.cells[2].outputs[-1].traceback).splitlines()) == 1, "no traceback"
    assert text(notebook, 3) == "1"


def test_an_unknown_model_is_named_in_one_line(run_notebook):
    unknown = error(404, "The model `gpt-9` does not exist", code="model_not_found", type="invalid_request_error")
    with Wire([unknown]) as wire:
        notebook = run_notebook([LOAD, "%%agent -m gpt-9\ngoal"], wire, allow_errors=True)
    [(name, told)] = errors(notebook)
    assert name == "AgentFailed"
    assert "gpt-9" in told
    assert "%agent models" in told
    assert len("\n".join(notebook.cells[1].outputs[-1].traceback).splitlines()) == 1


def test_without_a_key_the_ways_forward_are_named(run_notebook):
    notebook = run_notebook([LOAD, "%%agent\ngoal"], allow_errors=True)
    [(name, told)] = errors(notebook)
    assert name == "UserError"
    assert "OPENAI_API_KEY" in told
    assert "demo" in told


def test_the_exported_notebook_reruns_in_a_fresh_kernel(run_notebook, environment):
    import subprocess
    import sys

    with Wire(
        [
            TOTAL,
            decision("write_file", filename="out/report.md", content="# 40\n"),
            finish("It is 40.", ["out/report.md"]),
        ]
    ) as wire:
        notebook = run_notebook(
            [LOAD, SALES, "%%agent -m scripted\nsum it up", "%agent export run.ipynb", "_agent.journal.exists()"], wire
        )
    assert errors(notebook) == []
    assert "run.ipynb" in text(notebook, 3)
    fresh = environment / "fresh"
    fresh.mkdir()
    (environment / "run.ipynb").rename(fresh / "run.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", "run.ipynb"],
        cwd=fresh,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert (fresh / "out/report.md").read_text() == "# 40\n"
