"""A plan before the first step, where people work: in a cell, on a terminal, and where nobody is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pexpect
import pexpect.popen_spawn
import pytest

from tests.e2e.conftest import errors, text
from tests.e2e.keyboard import LOAD, Kernel
from tests.wire import Wire, decision, finish

PLAN = decision("plan", lines=["Make the total.", "Check it."])
STEPS = [decision("run_code", "1: add them", code="total = 6"), finish("It is 6.")]
SCRIPT = [PLAN, *STEPS]


@pytest.fixture
def wire(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with Wire(SCRIPT, repeat=True) as wire:
        monkeypatch.setenv("OPENAI_BASE_URL", wire.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef0123456789")
        yield wire


@pytest.fixture
def kernel(wire: Wire, environment: Path) -> Iterator[Kernel]:
    made = Kernel(environment)
    yield made
    made.close()


def told(wire: Wire, request: int) -> str:
    return str(wire.bodies[request]["messages"][-1]["content"])


def test_a_person_edits_a_plan_in_the_cell_and_it_is_followed(kernel: Kernel, wire: Wire) -> None:
    prompts, shown = kernel.execute("%%agent -m scripted --plan add", "e 2 Check it twice.", "g")
    assert "1. Make the total.\n2. Check it." in prompts[0]
    assert "There are no earlier runs here with scripted" in prompts[0]
    assert "2. Check it twice." in prompts[1]
    assert "The person changed the plan" in told(wire, 1)
    assert "Check it twice." in shown
    assert "6 finished 2" in kernel.execute("print(total, _agent.status, _agent.current_step)")[1]


def test_earlier_runs_here_make_a_forecast(kernel: Kernel, wire: Wire) -> None:
    for _ in range(4):
        (prompt,), _ = kernel.execute("%%agent -m scripted --plan add", "g")
    assert "Likely 2 to 2 steps" in prompt
    assert "3 earlier runs here with scripted" in prompt


def test_a_rejected_plan_is_made_again(kernel: Kernel, wire: Wire) -> None:
    wire.script[1:1] = [PLAN]
    kernel.execute("%%agent -m scripted --plan add", "no, be quick", "go")
    assert "The person rejected this plan: be quick" in told(wire, 1)
    assert "finished" in kernel.execute("print(_agent.status)")[1]


def test_a_kernel_that_is_killed_while_a_plan_is_open_shows_it_again(kernel: Kernel, environment: Path) -> None:
    kernel.client.execute("%%agent -m scripted --plan add", allow_stdin=True)
    kernel.asked()
    kernel.kill()
    fresh = Kernel(environment)
    try:
        (prompt,), _ = fresh.execute("%agent resume", "g")
        assert "1. Make the total." in prompt
        assert "6 finished" in fresh.execute("print(total, _agent.status)")[1]
    finally:
        fresh.close()


def test_nobody_there_follows_the_plan_and_export_and_replay_have_it(run_notebook: Any) -> None:
    cells = [LOAD, "%%agent -m scripted --plan --export made.ipynb add", "total, _agent.status"]
    with Wire(SCRIPT) as wire:
        notebook = run_notebook(cells, wire)
    assert errors(notebook) == []
    assert text(notebook, 2) == "(6, 'finished')"
    assert "Make the total." in notebook.cells[1].outputs[0].data["text/html"]
    made = nbformat.read("made.ipynb", 4)
    assert any("## Plan\n\n1. Make the total.\n2. Check it." in cell.source for cell in made.cells)
    assert any("1. add them" in cell.source for cell in made.cells), "the number of the line is no part of the heading"
    with Wire([]) as wire:
        cells = [LOAD, "%%agent -m replay:made.ipynb again", "_agent.state.plan, _agent.state.plan_line, _agent.status"]
        notebook = run_notebook(cells, wire)
    assert text(notebook, 2) == "(('Make the total.', 'Check it.'), 1, 'finished')"


@pytest.mark.parametrize("keys", [["g"], ["", "go"], ["e 1 Add.", "g"], ["not this way", "y"]])
def test_a_person_at_a_terminal_settles_a_plan(wire: Wire, environment: Path, keys: list[str]) -> None:
    if keys[0].startswith("not"):
        wire.script[1:1] = [PLAN]
    arguments = ["-m", "agentloop_nb", "-m", "scripted", "--plan", "add"]
    child = pexpect.spawn(sys.executable, arguments, encoding="utf-8", timeout=60, cwd=environment)
    for each in keys:
        child.expect_exact("or why not: ")
        child.sendline(each)
    child.expect_exact("Line 1 of the plan: ")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert len(wire.bodies) == len(wire.script)


def test_a_script_without_a_terminal_follows_the_plan(wire: Wire, environment: Path) -> None:
    child = pexpect.popen_spawn.PopenSpawn(
        [sys.executable, "-m", "agentloop_nb", "-m", "scripted", "--plan", "add"], timeout=60, cwd=str(environment)
    )
    child.sendeof()
    child.expect_exact(b"Nobody is there to see the plan, so it is followed")
    child.expect_exact(b"Task completed!")
    assert json.dumps(wire.bodies[0]).count("plan") > 1
