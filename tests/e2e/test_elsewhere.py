"""The same run where people also work: nbconvert, papermill, terminal IPython, a plain script, the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pexpect
import pytest

from tests.wire import Wire, decision, finish

ADD = [decision("run_code", "I add them up.", code="total = sum(numbers)\nprint('total', total)"), finish("It is 6.")]
CELLS = ["%load_ext agentloop_nb\nnumbers = [1, 2, 3]", "%%agent -m scripted add the numbers", "assert total == 6"]


@pytest.fixture
def wire(environment: Path):
    with Wire(ADD) as wire:
        os.environ.update(OPENAI_BASE_URL=wire.base_url, OPENAI_API_KEY="sk-test-0123456789abcdef0123456789")
        yield wire
        del os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]


def run(*command: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
        stdin=subprocess.DEVNULL,
        **options,
    )


@pytest.fixture
def notebook(environment: Path) -> Path:
    path = environment / "in.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS]), path)
    return path


def test_nbconvert(wire, notebook):
    done = run("-m", "jupyter", "nbconvert", "--to", "html", "--execute", "in.ipynb", "--output", "out.html")
    assert done.returncode == 0, done.stderr
    page = Path("out.html").read_text()
    assert "It is 6." in page
    assert "Error displaying widget" not in page


def test_papermill(wire, notebook):
    done = run("-m", "papermill", "in.ipynb", "out.ipynb", "-k", "python3", "--no-progress-bar")
    assert done.returncode == 0, done.stderr
    shown = nbformat.read("out.ipynb", 4).cells[1].outputs[0].data
    assert re.search(r"It is <a [^>]*>6</a>\.|It is 6\.", shown["text/html"])
    assert "It is 6." in shown["text/plain"]


def test_terminal_ipython(wire):
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor", "--no-confirm-exit"],
        encoding="utf-8",
        timeout=40,
        dimensions=(50, 200),
    )
    terminal.expect(r"In \[1\]:")
    for number, cell in enumerate(["%load_ext agentloop_nb", "numbers = [1, 2, 3]"], 2):
        terminal.sendline(cell)
        terminal.expect(rf"In \[{number}\]:")
    terminal.sendline("%%agent -m scripted add the numbers")
    for _ in range(2):  # the simple prompt wants two empty lines after a cell magic
        terminal.sendline("")
    terminal.expect("Step 1/50")
    terminal.expect("total 6")
    terminal.expect("It is 6.")
    terminal.expect(r"In \[4\]:")
    terminal.sendline("total")
    terminal.expect(r"Out\[4\]: 6")
    terminal.sendline("exit()")
    terminal.expect(pexpect.EOF)


def test_a_plain_script_gets_a_private_shell_and_an_output_folder(wire, environment):
    script = """
    from agentloop_nb import run_agent
    import __main__, sys
    mine = "untouched"
    run = run_agent("add", model="scripted")
    print(run.status, run.is_complete, run.current_step, run.total_cost, [a.action for a in run.actions_taken])
    print(sys.modules["__main__"] is __main__, mine, run.journal.relative_to(__import__("os").getcwd()))
    """
    replies = [
        decision("run_code", code="numbers = [1, 2, 3]\nopen('made.txt', 'w').write('x')\n__name__, sum(numbers)"),
        *ADD[1:],
    ]
    wire.script[:] = replies
    Path("script.py").write_text("\n".join(line[4:] for line in script.splitlines()))
    done = run("script.py")
    assert done.returncode == 0, done.stderr
    assert "finished True 2 0.0 ['run_code', 'finish']" in done.stdout
    assert "True untouched .agentloop/runs/" in done.stdout
    assert Path("output/made.txt").read_text() == "x"
    assert not Path("made.txt").exists()


def test_the_command_line(wire):
    wire.script[:] = [
        decision("write_file", "I write it.", filename="a.txt", content="6"),
        finish("It is 6.", ["a.txt"]),
    ]
    done = run("-m", "agentloop_nb", "-m", "scripted", "add", "the", "numbers", "--not-an-option")
    assert done.returncode == 0, done.stderr
    assert Path("output/a.txt").read_text() == "6"
    assert "add the numbers --not-an-option" in json.dumps(wire.bodies[0]["messages"])
    for shown in ("Step 1/50", "write_file", "I write it.", "EXECUTION SUMMARY", "It is 6."):
        assert shown in done.stdout
    assert "\x1b[" not in done.stdout, "plain lines in a pipe"


def test_the_command_line_says_what_is_wrong_in_one_line(environment):
    for words, code in (([""], 2), (["--budget", "abc", "x"], 2), (["--modle", "x", "y"], 2), (["show", "nope"], 2)):
        done = run("-m", "agentloop_nb", *words)
        assert done.returncode == code, (words, done)
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert "Traceback" not in done.stderr


def test_the_last_allowed_step_sums_up_and_the_exit_code_says_not_finished(wire):
    wire.script[:] = [decision("run_code", code="1"), finish("half of it")]
    done = run("-m", "agentloop_nb", "-n", "2", "-m", "scripted", "do", "it")
    assert done.returncode == 1
    assert "half of it" in done.stdout


def test_without_a_key_the_command_line_names_the_ways_forward(environment):
    done = run("-m", "agentloop_nb", "do something")
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert "OPENAI_API_KEY" in line
