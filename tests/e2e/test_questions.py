"""A question of the model where people work: in a cell, on a terminal, and where nobody is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pexpect
import pytest

from tests.e2e.conftest import errors, text
from tests.e2e.keyboard import LOAD, Kernel
from tests.wire import Wire, decision, finish

QUESTION = decision("ask_user", question="Net or gross?", choices=["net", "gross"], default="net")
SCRIPT = [QUESTION, decision("run_code", code="kind = 'gross'"), finish("gross it is")]


@pytest.fixture
def wire(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with Wire(SCRIPT) as wire:
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


def test_a_person_answers_in_the_cell_and_the_action_is_offered(kernel: Kernel, wire: Wire) -> None:
    (prompt,), _ = kernel.execute("%%agent -m scripted which prices?", "2")
    assert "The agent asks: Net or gross?" in prompt
    assert "nothing within 10 min 00 s means: net" in prompt
    assert "The person answered: gross" in told(wire, 1)
    assert "ask_user" in json.dumps(wire.bodies[0])
    assert kernel.execute("print(kind, _agent.status)")[1].count("gross finished") == 1


def test_a_question_in_the_cell_waits_no_longer_than_its_time(kernel: Kernel, wire: Wire) -> None:
    kernel.execute("%%agent -m scripted --answer-within 1 which prices?", None)
    assert "Your default holds, because nobody answered within 1.0 s: net" in told(wire, 1)
    assert kernel.execute("print(kind, _agent.status)")[1].count("gross finished") == 1


def test_a_question_of_synchronous_code_waits_no_longer_than_its_time_either(kernel: Kernel, wire: Wire) -> None:
    kernel.execute(
        "from agentloop_nb import run_agent\nr = run_agent('which?', model='scripted', answer_within=1)", None
    )
    assert "nobody answered within 1.0 s" in told(wire, 1)
    assert "finished" in kernel.execute("print(r.status)")[1]


def test_interrupt_ends_the_run_while_a_question_is_open(kernel: Kernel, wire: Wire) -> None:
    kernel.client.execute("%%agent -m scripted which prices?", allow_stdin=True)
    kernel.asked()
    kernel.manager.interrupt_kernel()
    kernel.shown()
    assert "stopped" in kernel.execute("print(_agent.status)")[1]


def test_an_isolated_run_asks_too(kernel: Kernel, wire: Wire) -> None:
    kernel.execute("%%agent -m scripted --isolated which prices?", "their sum")
    assert "The person answered: their sum" in told(wire, 1)


@pytest.mark.parametrize("option", ["--quiet", "--questions never"])
def test_it_is_not_offered_and_not_asked_where_that_is_not_wanted(kernel: Kernel, wire: Wire, option: str) -> None:
    kernel.execute(f"%%agent -m scripted {option} which prices?")
    assert "ask_user" not in json.dumps(wire.bodies[0])
    assert "Your default holds" in told(wire, 1)


def test_a_kernel_that_is_killed_with_an_open_question_asks_again_on_resume(kernel: Kernel, environment: Path) -> None:
    kernel.client.execute("%%agent -m scripted which prices?", allow_stdin=True)
    kernel.asked()
    kernel.kill()
    fresh = Kernel(environment)
    try:
        (prompt,), _ = fresh.execute("%agent resume", "gross")
        assert "The agent asks: Net or gross?" in prompt
        assert "gross finished 3" in fresh.execute("print(kind, _agent.status, _agent.current_step)")[1]
    finally:
        fresh.close()


def test_nobody_in_a_notebook_run_by_a_program_and_the_export_tells(run_notebook: Any) -> None:
    cells = [LOAD, "%%agent -m scripted --export made.ipynb which prices?", "kind, _agent.status"]
    with Wire(SCRIPT) as wire:
        notebook = run_notebook(cells, wire)
        assert errors(notebook) == []
        assert text(notebook, 2) == "('gross', 'finished')"
        assert "ask_user" not in json.dumps(wire.bodies[0])
        assert "because nobody is there to answer: net" in told(wire, 1)
    made = nbformat.read("made.ipynb", 4)
    quoted = "\n".join(cell.source for cell in made.cells if cell.cell_type == "markdown")
    assert "> Net or gross?" in quoted
    assert "by default, because nobody is there to answer" in quoted
    with Wire([]) as wire:
        notebook = run_notebook([LOAD, "%%agent -m replay:made.ipynb again", "kind, _agent.status"], wire)
        assert text(notebook, 2) == "('gross', 'finished')"


@pytest.mark.parametrize("program", ["nbconvert", "papermill"])
def test_programs_that_run_notebooks_never_hang(
    environment: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody settles the plan or answers, and code that hangs is stopped by the model."""
    cells = [LOAD, "%%agent -m scripted --plan --long-step 1 which prices?", "assert kind == 'gross'"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, environment / "in.ipynb")
    command = {
        "nbconvert": ("jupyter", "nbconvert", "--to", "html", "--execute", "in.ipynb"),
        "papermill": ("papermill", "in.ipynb", "out.ipynb", "-k", "python3", "--no-progress-bar"),
    }[program]
    plan = decision("plan", lines=["Ask.", "Look it up."])
    hangs = decision("run_code", "2: Look it up.", code="while True:\n    pass", timeout=300)
    with Wire([plan, QUESTION, hangs, decision("stop", "It hangs."), *SCRIPT[1:]]) as wire:
        monkeypatch.setenv("OPENAI_BASE_URL", wire.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef0123456789")
        done = shell("-m", *command)
        assert done.returncode == 0, done.stderr
        assert "The plan stands" in told(wire, 1)
        assert "nobody is there to answer" in told(wire, 2)
        assert "as you decided" in told(wire, 4)


def test_a_script_without_a_terminal_never_hangs(wire: Wire) -> None:
    done = shell("-m", "agentloop_nb", "-m", "scripted", "which prices?")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Your default holds, because nobody is there to answer: net" in done.stdout
    assert "ask_user" not in json.dumps(wire.bodies[0])


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        ("2\n", "The person answered: gross"),
        ("both of them\n", "The person answered: both of them"),
        ("\n", "The person answered: net"),
        ("\x04", "because nobody is there to answer: net"),
        ("", "because nobody answered within 1.0 s: net"),
    ],
)
def test_a_person_at_a_terminal_answers(wire: Wire, environment: Path, keys: str, answer: str) -> None:
    within = "60" if keys else "1"
    arguments = ["-m", "agentloop_nb", "-m", "scripted", "--answer-within", within, "which prices?"]
    child = pexpect.spawn(sys.executable, arguments, encoding="utf-8", timeout=60, cwd=environment)
    child.expect_exact("means: net)")
    child.send(keys)
    child.expect_exact(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert "ask_user" in json.dumps(wire.bodies[0])


def shell(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
