"""`--until` in a notebook: refused finishes, the end of a cell, the export and its verdict, and every way to go on."""

from __future__ import annotations

import json

from tests.e2e.conftest import errors, text
from tests.wire import Wire, decision, finish

LOAD = "%load_ext agentloop_nb"
RUN = "%%agent -m scripted --until 'len(clean) == 2' remove the empty rows"
STEPS = [
    decision("run_code", code="clean = rows[:]\nprint(len(clean))"),
    finish("The empty rows are removed."),
    decision("run_code", code="clean = [row for row in rows if row]\nprint(len(clean))"),
    finish("The empty rows are removed now."),
]


def test_a_false_claim_is_refused_and_the_notebook_asserts_what_held(run_notebook, environment):
    with Wire(STEPS) as wire:
        notebook = run_notebook(
            [
                LOAD,
                "rows = ['a', '', 'b']",
                RUN,
                "_agent.status, _agent.until, [tuple(each) for each in _agent.checks]",
                "%agent export run.ipynb",
                "_agent.verdict.ok, _agent.verdict.contract, _agent.verdict.text",
                "%agent runs",
                "%%agent -m replay:run.ipynb do it again",
                "_agent.status, _agent.until, len(_agent.steps)",
            ],
            wire,
        )
    assert errors(notebook) == []
    assert text(notebook, 3) == "('finished', ['len(clean) == 2'], [('len(clean) == 2', True, 'True')])"
    told = wire.bodies[2]["messages"][-1]["content"]
    assert "    len(clean) == 2\n    is False\n      where len(clean) = 3\n      where clean = ['a', '', 'b']" in told
    assert text(notebook, 5).startswith("(True,\n True,\n 'Reproduced: 2 of 2 outputs are identical")
    assert "its contract holds" in text(notebook, 5)
    assert "[contract holds]" in text(notebook, 6)
    exported = json.loads((environment / "run.ipynb").read_text())
    last = [cell for cell in exported["cells"] if cell["cell_type"] == "code"][-1]
    assert "".join(last["source"]) == "assert len(clean) == 2"
    assert text(notebook, 8) == "('finished', ['len(clean) == 2'], 4)"


def test_one_that_is_not_met_ends_the_cell_with_an_error_and_goes_on_after_a_restart(run_notebook, environment):
    with Wire([STEPS[0], *[STEPS[1]] * 2]) as wire:
        told = run_notebook(
            [LOAD, "rows = ['a', '', 'b']", RUN.replace("-m", "--max-retries 1 -m")], wire, allow_errors=True
        )
    ((name, why),) = errors(told)
    assert name == "AgentFailed"
    assert why.startswith("the contract does not hold: len(clean) == 2 (is False)")
    with Wire(STEPS[2:]) as wire:
        notebook = run_notebook([LOAD, "%agent resume -- look again", "_agent.status, len(clean), _agent.until"], wire)
    assert errors(notebook) == []
    assert text(notebook, 2) == "('finished', 2, ['len(clean) == 2'])"


def test_isolated_and_forked_runs_are_held_against_theirs(run_notebook):
    with Wire([*STEPS, *STEPS[2:]]) as wire:
        notebook = run_notebook(
            [
                LOAD,
                "rows = ['a', '', 'b']",
                RUN.replace("-m", "--isolated --with rows -m"),
                "_agent.status, 'clean' in globals(), _agent.checks[0].held, len(_agent.steps)",
                "%agent fork --at 1 another way",
                "_agent.status, _agent.checks[0].held, _agent.until, len(_agent.steps)",
            ],
            wire,
        )
    assert errors(notebook) == []
    assert text(notebook, 3) == "('finished', False, True, 4)"
    assert text(notebook, 5) == "('finished', True, ['len(clean) == 2'], 3)"


def test_a_minimal_export_keeps_what_the_contract_needs(run_notebook, environment):
    steps = [
        decision("run_code", code="limit = 3"),
        decision("run_code", code="extra = 1"),
        decision("run_code", code="print('shown')"),
        finish("done"),
    ]
    with Wire(steps) as wire:
        notebook = run_notebook(
            [
                LOAD,
                "%%agent -m scripted --until 'limit == 3' set the limit",
                "_agent.export('small.ipynb', minimal=True).name, _agent.verdict.contract",
            ],
            wire,
        )
    assert errors(notebook) == []
    assert text(notebook, 2) == "('small.ipynb', True)"
    sources = ["".join(cell["source"]) for cell in json.loads((environment / "small.ipynb").read_text())["cells"]]
    assert "limit = 3" in sources
    assert "extra = 1" not in sources


def test_quotes_left_out_are_refused_before_anything_is_asked(run_notebook):
    with Wire([]) as wire:
        notebook = run_notebook(
            [
                LOAD,
                "rows = [1]",
                "%%agent -m scripted --until rows.count(1) > 0 count",
                "%%agent -m scripted --until rows count",
                "%%agent -m scripted --until 'len(rows)' count",
            ],
            wire,
            allow_errors=True,
        )
    assert len(wire.requests) == 0
    assert [why.partition(" ")[0] for _, why in errors(notebook)] == ["quotes"] * 3
