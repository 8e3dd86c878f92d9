"""The command line, in a process of its own, against a real server where a model is needed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pexpect
import pytest

from agentloop_nb.cli import COMMANDS, main
from agentloop_nb.command_table import available
from tests.wire import Reply, Wire, decision, error, finish

COUNT = decision("run_code", "Counting is quick.", code="total = sum(range(4))\nprint('total', total)")
WRITE = decision("write_file", "Keep it.", filename="total.txt", content="6\n")
READ = decision("run_code", "Check it.", code="print(open('total.txt').read())")
DONE = finish("The total is 6.", ["total.txt"])
KEY = "sk-test-0123456789abcdef0123456789"


def served(wire: Wire) -> dict[str, str]:
    return {"OPENAI_BASE_URL": wire.base_url, "OPENAI_API_KEY": KEY}


def events(folder: Path) -> list[dict[str, object]]:
    (record,) = folder.glob(".agentloop/runs/*.jsonl")
    return [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]


def test_a_goal_is_met_shown_step_by_step_and_kept(agentloop, tmp_path):
    with Wire([COUNT, WRITE, READ, DONE]) as wire:
        done = agentloop("-m", "scripted", "-n", "9", "Add the numbers up to 3", **served(wire))
    assert (done.returncode, done.stderr) == (0, "")
    for line in (
        "🎯 GOAL: Add the numbers up to 3",
        "--- Step 1/9 ---",
        "🤔 Decision: run_code",
        "✅ Success: total 6",
    ):
        assert line in done.stdout
    assert done.stdout.index("📊 EXECUTION SUMMARY") < done.stdout.index("Steps taken: 4/9")
    assert (tmp_path / "output" / "total.txt").read_text() == "6\n", "code and files share ./output"
    assert events(tmp_path)[-1]["status"] == "finished"
    assert KEY not in done.stdout + json.dumps(events(tmp_path))


def test_what_was_run_can_be_listed_shown_exported_and_verified(agentloop, tmp_path):
    with Wire([COUNT, WRITE, READ, DONE]) as wire:
        first = agentloop("-m", "scripted", "Add", "the", "numbers", **served(wire))
    (run,) = re.findall(r"agentloop export (\S+) run.ipynb", first.stdout)
    listed = agentloop("runs")
    assert re.fullmatch(rf"{run}  finished +4/50 .*just now .*Add the numbers\n", listed.stdout)
    shown = agentloop("show", run[:-2])
    assert shown.returncode == 0
    assert shown.stdout.split("📊")[1].split("Estimated")[0] == first.stdout.split("📊")[1].split("Estimated")[0]

    exported = agentloop("export", run, "run.ipynb")
    assert (exported.returncode, exported.stdout.split(":")[0]) == (0, "run.ipynb"), exported.stderr
    assert agentloop("verify", "run.ipynb").returncode == 0
    damaged = (tmp_path / "run.ipynb").read_text(encoding="utf-8").replace("total 6", "total 7")
    (tmp_path / "run.ipynb").write_text(damaged, encoding="utf-8")
    verified = agentloop("verify", "run.ipynb")
    assert verified.returncode == 1
    assert "Traceback" not in verified.stdout + verified.stderr


def test_the_demo_needs_nothing_and_proves_its_notebook(agentloop, tmp_path):
    done = agentloop("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "scripted" in done.stdout.splitlines()[0]
    assert "ValueError: invalid literal for int() with base 10: 'closed'" in done.stdout, "it errs, and repairs that"
    assert (tmp_path / "output" / "cafe.svg").read_text().startswith("<svg")
    assert "knows one goal only" not in done.stdout
    closing = done.stdout.rpartition("=\n")[2]
    for line in re.findall(r"^(?:Files|Notebook|Record): +(.*)$", closing, re.MULTILINE):
        for path in line.partition(" (")[0].split(", "):
            assert (tmp_path / path).is_file(), "what it says is where it says"
    assert agentloop("verify", "output/cafe.ipynb").returncode == 0
    assert agentloop("demo").returncode == 0, "a second time as well"


def test_a_limit_is_not_finished_and_the_run_goes_on_from_there(agentloop, tmp_path):
    with Wire([COUNT, finish("Counted, not yet written.")]) as wire:
        met = agentloop("-m", "scripted", "--max-steps", "2", "Add", **served(wire))
    assert met.returncode == 1
    assert "Status: ⚠️ Out of steps" in met.stdout
    assert "agentloop resume --max-steps" in met.stdout, "it names the command that works here"
    assert "Summary: Counted, not yet written." in met.stdout
    with Wire([WRITE, DONE]) as wire:
        resumed = agentloop("resume", "--max-steps", "9", "--", "write it down", **served(wire))
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert (tmp_path / "output" / "total.txt").exists()
    assert "write it down" in json.dumps(wire.bodies[0]["messages"])


def test_export_and_quiet(agentloop, tmp_path):
    with Wire([COUNT, finish("6")]) as wire:
        done = agentloop("-m", "scripted", "--quiet", "--export", "made/run.ipynb", "Add up", **served(wire))
    assert done.returncode == 0
    assert "Decision" not in done.stdout
    assert "EXECUTION SUMMARY" in done.stdout
    assert (tmp_path / "made" / "run.ipynb").is_file()
    assert "Notebook: made/run.ipynb" in done.stdout


def test_an_export_finds_what_the_code_read_in_the_output_folder(agentloop, tmp_path):
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "numbers.csv").write_text("1,2\n")
    look = decision("run_code", "Look.", code="print(open('numbers.csv').read())")
    with Wire([look, finish("1 and 2")]) as wire:
        done = agentloop("-m", "scripted", "--quiet", "--export", "run.ipynb", "Read it", **served(wire))
    assert "Notebook: run.ipynb (Reproduced: " in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], 'agentloop "GOAL"'),
        ([""], "the goal is missing"),
        (["  "], "the goal is missing"),
        (["--budgt", "1", "goal"], "did you mean --budget"),
        (["--budget", "abc", "goal"], "--budget must be a positive amount in US dollars (--budget 0.50), not 'abc'"),
        (["--max-steps", "0", "goal"], "--max-steps must be a whole number"),
        (["--approve", "some", "goal"], "--approve must be auto, code or all"),
        (["-m", "replay:nowhere.jsonl", "goal"], "no record nowhere.jsonl"),
        (["-m", "demo", "--output-dir", "/proc/nowhere", "goal"], "/proc/nowhere"),
        (["-m", "demo", "-o", "not a name", "goal"], "-o names a variable"),
        (["a goal"], "no key for OpenAI"),
        (["demmo"], "did you mean agentloop demo"),
        (["show"], "no run is recorded"),
        (["show", "2026"], "no run '2026'"),
        (["verify", "nowhere.ipynb"], "nowhere.ipynb"),
        (["verify"], "agentloop verify"),
        (["export"], "agentloop export [--minimal | --session] [--share [--repository OWNER/NAME]] [RUN] OUT.ipynb"),
        (["resume"], "no run is recorded"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(agentloop, tmp_path, words, says):
    done = agentloop(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert done.stderr.startswith("agentloop: ")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob(".agentloop/runs/*")), "nothing was begun"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (error(404, "The model `nosuch` does not exist", code="model_not_found"), "nosuch"),
        (error(401, "Incorrect API key provided", code="invalid_api_key"), "key"),
    ],
)
def test_what_the_server_refuses_ends_the_run_with_a_reason(agentloop, answer, says):
    with Wire([answer]) as wire:
        done = agentloop("-m", "nosuch", "goal", **served(wire))
    assert done.returncode == 1
    assert "Status: ❌ Failed" in done.stdout
    assert says in done.stdout.split("Status:")[1].splitlines()[0]
    assert "Traceback" not in done.stdout + done.stderr
    assert "login" not in done.stdout, "that is of notebooks"
    assert "agent models" not in done.stdout
    assert KEY not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(text="{}", delay=60), id="waiting for the model"),
        pytest.param(decision("run_code", code="import time\nprint('asleep', flush=True)\ntime.sleep(60)"), id="code"),
    ],
)
def test_ctrl_c_stops_at_once_keeps_everything_and_says_how_to_go_on(tmp_path, environment, reply):
    with Wire([COUNT, reply]) as wire:
        process = subprocess.Popen(
            [sys.executable, "-m", "agentloop_nb", "-m", "scripted", "Add"],
            cwd=tmp_path,
            env=environment | served(wire),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        while len(wire.bodies) < 2 and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        shown, complained = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Traceback" not in shown + complained
    assert "Status: ⏹️ Stopped" in shown
    (run,) = re.findall(r"To go on: agentloop resume (\S+)", shown)
    assert events(tmp_path)[-1]["status"] == "stopped"
    with Wire([finish("6")]) as wire:
        resumed = subprocess.run(
            [sys.executable, "-m", "agentloop_nb", "resume", run],
            cwd=tmp_path,
            env=environment | served(wire),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr


def test_on_a_terminal_there_is_a_status_line_with_meters_and_it_goes_away(tmp_path, environment):
    slow = Reply(text=json.dumps(COUNT), delay=1.5)
    with Wire([slow, finish("6")]) as wire:
        child = terminal(tmp_path, environment | served(wire), "-m", "scripted", "Add")
        child.expect(r"thinking \d s · step 1/50 · \d+ tokens · \$0")
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 0
    assert "╭" in child.before, "code stands in a panel"
    after = child.before.rpartition("EXECUTION SUMMARY")[2]
    assert "thinking" not in after
    assert child.before.rpartition("\x1b[?25")[2].startswith("h"), "the cursor is shown again"


def test_approval_on_a_terminal(tmp_path, environment):
    with Wire([COUNT, COUNT, finish("done")]) as wire:
        child = terminal(tmp_path, environment | served(wire), "-m", "scripted", "--approve", "code", "Add")
        child.expect_exact("a reason: ")
        child.sendline("no, use range(10)")
        child.expect_exact("a reason: ")
        child.sendline("y")
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 0
    assert "use range(10)" in json.dumps(wire.bodies[1]["messages"])


def test_approval_with_nobody_there_is_refused_and_the_model_is_told(agentloop):
    with Wire([COUNT, finish("It was refused.")]) as wire:
        done = agentloop("-m", "scripted", "--approve", "all", "Add", **served(wire))
    assert done.returncode == 0
    assert "Refused by policy: nobody is there" in done.stdout
    assert "nobody is there" in json.dumps(wire.bodies[1]["messages"])


def test_a_closed_pipe_is_no_error(agentloop, tmp_path, environment):
    assert agentloop("demo").returncode == 0
    command = f"{sys.executable} -m agentloop_nb show | head -1"
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


def test_help_and_version_cost_no_heavy_import(agentloop):
    assert "--budget USD" in agentloop("--help").stdout
    assert re.fullmatch(r"agentloop \d+\.\d+\.\d+\n", agentloop("--version").stdout)
    code = (
        "import sys\nfrom agentloop_nb.cli import main\nmain(['--help'])\nprint(sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("pydantic", "IPython", "httpx2", "rich", "nbclient"):
        assert f"'{heavy}'" not in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["verfy", "run.ipynb"],
            'did you mean agentloop verify run.ipynb? As a goal it is typed: agentloop "verfy run.',
        ),
        (["Show", "me", "the", "sales"], 'as a goal it is typed: agentloop "Show me the sales"'),
        (["show", "me", "the", "sales"], 'agentloop "show me the sales"'),
        (["compare", "prices", "and", "plot"], 'agentloop "compare prices and plot"'),
        (["run", "tests"], "did you mean agentloop runs tests?"),
        (["-n", "5", "resume"], "did you mean agentloop resume?"),
        (["frobnicate"], "as a goal: agentloop -- frobnicate"),
        (["who"], "no run is recorded"),
        (["why"], "name a variable: agentloop why NAME"),
        (["undo", "2"], "undo is a command of notebooks"),
        (["login"], "login is a command of notebooks; set OPENAI_API_KEY"),
        (["help", "exprt"], "did you mean export?"),
        (["help", "a", "b"], "agentloop help export"),
        (["demo", "of", "it"], "agentloop demo [--output-dir DIR]"),
        (["verify", "a.ipynb", "b.ipynb"], "agentloop verify NOTEBOOK"),
        (["runs", "fast"], "runs lists all runs"),
        (["models", "opnai"], "there is no provider 'opnai'"),
        (["models"], "no key for OpenAI"),
    ],
)
def test_words_that_may_be_meant_as_a_command_start_no_run(words, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert main(words) == 2
    told = capsys.readouterr().err
    assert says.lower() in told.lower()
    assert told.startswith("agentloop: ")
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", list(available("shell")))
def test_every_command_has_its_help_and_it_costs_nothing(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert name in COMMANDS
    for words in ([name, "--help"], ["help", name], [name, "-h"]):
        if name == "app" and words[0] == "app":
            continue  # Voila has a help of its own
        assert main(words) == 0
        assert capsys.readouterr().out.startswith(f"agentloop {name}")
    assert list(tmp_path.iterdir()) == []


def test_nothing_carries_out_a_command_that_is_not_in_the_table():
    assert set(COMMANDS) == set(available("shell"))


@pytest.mark.parametrize(
    "words",
    [
        ["help me plot"],
        ["who wrote this?"],
        ["show me"],
        [" resume"],
        ["runs fast"],
        ["verfy run.ipynb"],
        ["--", "resume"],
    ],
)
def test_one_argument_that_holds_a_blank_is_always_a_goal(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Wire([finish("6"), finish("6")]) as wire:
        assert main(["-m", "scripted", "--base-url", wire.base_url, *words]) == 0
    assert events(tmp_path)[0]["goal"] == words[-1]


def test_options_of_an_export_stand_anywhere_and_a_fork_is_compared_with_its_origin(agentloop, tmp_path):
    with Wire([COUNT, finish("6")]) as wire:
        first = agentloop("-m", "scripted", "Add the numbers", **served(wire))
    (run,) = re.findall(r"agentloop export (\S+) run.ipynb", first.stdout)
    exported = agentloop("export", run, "--minimal", "made.ipynb")
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "made.ipynb").is_file()
    for words in (["who"], ["who", run], ["why", "total"], ["cost"], ["sent", "1"], ["status"], ["sent", "1", run]):
        asked = agentloop(*words)
        assert asked.returncode == 0, (words, asked.stderr)
        assert asked.stdout.strip()
    with Wire([decision("run_code", code="total = 7"), finish("7")]) as wire:
        assert agentloop("fork", "--at", "1", "take seven", **served(wire)).returncode == 0
    compared = agentloop("compare")
    assert compared.returncode == 0, compared.stderr
    assert "take seven" in compared.stdout or run in compared.stdout


def test_the_app_is_served(tmp_path, environment):
    pytest.importorskip("voila")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "agentloop_nb", "app", "--no-browser", f"--port={port}"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        while b"Voil" not in (line := process.stderr.readline()) and line:
            pass
        page = b""
        for _ in range(100):
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer,
            ):
                page = answer.read()
                break
            time.sleep(0.2)
    finally:
        for _ in range(10):  # as a person would who sees that it goes on
            os.killpg(process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(6)
                break
    assert process.returncode is not None
    assert b"<title>AgentLoop</title>" in page
    assert b"Traceback" not in page


def terminal(folder: Path, environment: dict[str, str], *words: str) -> pexpect.spawn:
    return pexpect.spawn(
        sys.executable,
        ["-m", "agentloop_nb", *words],
        cwd=folder,
        env=environment | {"TERM": "xterm-256color"},
        encoding="utf-8",
        timeout=40,
        dimensions=(40, 120),
    )
