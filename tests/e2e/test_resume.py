from __future__ import annotations

import json

import pytest
from nbclient.exceptions import DeadKernelError

from tests.e2e.conftest import errors, text
from tests.wire import Wire, decision, finish

LOAD = "%load_ext agentloop_nb"


def test_a_killed_kernel_resumes_with_its_variables_and_asks_nobody_meanwhile(run_notebook, environment):
    first = decision("run_code", code="table = {k: k * base for k in range(3)}\nprint(len(table))")
    die = decision("run_code", code="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with Wire([first, die]) as wire, pytest.raises(DeadKernelError):
        run_notebook([LOAD, "base = 10", "%%agent -m scripted make a table"], wire)
    assert len(wire.requests) == 2
    with Wire([decision("run_code", code="total = sum(table.values())"), finish("30 in all")]) as wire:
        notebook = run_notebook([LOAD, "%agent resume", "total, table[2], base, _agent.status", "%agent runs"], wire)
    assert errors(notebook) == []
    assert text(notebook, 2) == "(30, 20, 10, 'finished')"
    told = json.dumps(wire.bodies[0]["messages"])
    assert "The kernel died while this ran" in told
    assert len(wire.requests) == 2
    assert text(notebook, 3).count("finished") == 1


def test_a_step_limit_is_raised_and_a_note_is_told(run_notebook):
    steps = [decision("run_code", code="a = 1"), finish("half")]
    with Wire([*steps, decision("run_code", code="b = a + 1"), finish("whole")]) as wire:
        notebook = run_notebook(
            [
                LOAD,
                "%%agent -m scripted -n 2 make b",
                "_agent.status",
                '%agent resume -n 9 -- "use addition"',
                "b, _agent.status",
            ],
            wire,
        )
    assert errors(notebook) == []
    assert text(notebook, 2) == "'step_limit'"
    assert text(notebook, 4) == "(2, 'finished')"
    assert "Note from the user: use addition" in wire.bodies[2]["messages"][-1]["content"]


def test_undo_takes_back_variables_files_and_memory_together(run_notebook, environment):
    steps = [
        decision("run_code", code="kept = 1"),
        decision("write_file", filename="a.txt", content="new"),
        decision("run_code", code="numbers.append(4)\nmade = 1"),
        finish("done"),
    ]
    with Wire([*steps, finish("again")]) as wire:
        notebook = run_notebook(
            [
                LOAD,
                "numbers = [1, 2, 3]",
                "%%agent -m scripted change numbers",
                "%agent who",
                "%agent why made",
                "%agent undo 2",
                "numbers, 'made' in globals(), kept, __import__('os').path.exists('a.txt')",
                "%agent resume -- do less",
                "%agent sent",
            ],
            wire,
        )
    assert errors(notebook) == []
    assert "step 3: changed numbers" in text(notebook, 3)
    assert "run_code: numbers.append(4)" in text(notebook, 4)
    assert "files put back: a.txt" in text(notebook, 5)
    assert text(notebook, 6) == "([1, 2, 3], False, 1, False)"
    told = json.dumps(wire.bodies[-1]["messages"])
    assert "append" not in told, "the model does not remember what was taken back"
    assert "kept = 1" in told
    assert "Note from the user: do less" in text(notebook, 8)
