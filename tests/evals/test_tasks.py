"""What is wrong with a suite is told in one line, before anything is spent."""

from __future__ import annotations

import pytest

from agentloop_nb import cli
from agentloop_nb.evals.judge import refuse_certain
from agentloop_nb.evals.suite import load_suite
from tests.evals.conftest import TASK

WRONG = {
    "no TOML": ("goal = 'a", "is no TOML that can be read"),
    "not text": ("\x00", "is no TOML that can be read"),
    "a bomb": ("a = " + "[" * 5000 + "]" * 5000, "is no TOML that can be read"),
    "no goal": ("checks = ['total == 1']", "it has no goal"),
    "blank goal": ("goal = '  '\nchecks = ['total == 1']", "it has no goal"),
    "goal no text": ("goal = 3\nchecks = ['total == 1']", "goal must be a text"),
    "no checks": ("goal = 'a'", "it has no checks"),
    "guards alone": ("goal = 'a'\nguards = ['untouched()']", "it has no checks"),
    "checks no list": ("goal = 'a'\nchecks = 'total == 1'", "checks must be a list of texts"),
    "no expression": ("goal = 'a'\nchecks = ['total = 1']", "is no Python expression"),
    "names nothing": ("goal = 'a'\nchecks = ['1 == 1']", "names nothing"),
    "unknown helper": ("goal = 'a'\nchecks = ['clsoe(total, 1)']", "did you mean close?"),
    "private attribute": ("goal = 'a'\nchecks = ['total.__class__ == 1']", "is private"),
    "unknown key": ("goal = 'a'\nchecks = ['t == 1']\nmodle = 'x'", "no place for modle"),
    "missing file": ("goal = 'a'\nchecks = ['t == 1']\nfiles = ['nowhere.csv']", "there is no file 'nowhere.csv'"),
    "file above": ("goal = 'a'\nchecks = ['t == 1']\nfiles = ['../x.csv']", "lies outside of the suite"),
    "file elsewhere": ("goal = 'a'\nchecks = ['t == 1']\nfiles = ['/etc/hostname']", "lies outside of the suite"),
    "expected above": ("goal = 'a'\nchecks = ['t == 1']\nexpected = ['../x.csv']", "lies outside of the suite"),
    "inline above": ("goal = 'a'\nchecks = ['t == 1']\ninline = {'../x' = 'a'}", "leads out of the working folder"),
    "inline no text": ("goal = 'a'\nchecks = ['t == 1']\ninline = {x = 3}", "inline files are texts"),
    "wrong number": ("goal = 'a'\nchecks = ['t == 1']\noptions = {max_steps = 0}", "max_steps must be a whole number"),
    "wrong limits": ("goal = 'a'\nchecks = ['t == 1']\noptions = {limits = 'memory=much'}", "--limits takes memory"),
    "wrong contract": ("goal = 'a'\nchecks = ['t == 1']\noptions = {until = 't ='}", "t ="),
    "twice inline": (
        "goal = 'a'\nchecks = ['t == 1']\nfiles = ['good.toml']\ninline = {'good.toml' = 'x'}",
        "leave one out",
    ),
    "reference": ("goal = 'a'\nchecks = ['t == 1']\nreference = {says = 3}", "a reference holds code"),
}
FORBIDDEN = ("base_url", "model", "trust_web", "privacy", "mcp", "approve", "allow_hosts", "isolated", "output_dir")


@pytest.mark.parametrize(("text", "told"), WRONG.values(), ids=WRONG)
def test_a_task_that_is_wrong_is_one_line_that_names_its_file(suite, capsys, text, told):
    folder = suite(good=TASK, wrong=text)
    assert cli.main(["eval", str(folder), "-m", "reference"]) == cli.WRONG_USE
    said = capsys.readouterr().err
    assert told in said
    assert "wrong.toml" in said
    assert said.count("\n") == 1
    assert not list(folder.parent.glob("eval-*"))


@pytest.mark.parametrize("key", FORBIDDEN)
def test_a_task_may_not_set_what_is_the_persons(suite, capsys, key):
    folder = suite(wrong=f"goal = 'a'\nchecks = ['t == 1']\noptions = {{{key} = 'x'}}")
    assert cli.main(["eval", str(folder), "-m", "reference"]) == cli.WRONG_USE
    assert f"a task may not set {key}; it may set max_steps" in capsys.readouterr().err


def test_a_link_that_leads_out_of_the_suite_is_refused(suite, tmp_path, capsys):
    tmp_path.joinpath("secret.csv").write_text("a\n")
    folder = suite(wrong="goal = 'a'\nchecks = ['t == 1']\nfiles = ['x.csv']")
    folder.joinpath("x.csv").symlink_to(tmp_path / "secret.csv")
    assert cli.main(["eval", str(folder), "-m", "reference"]) == cli.WRONG_USE
    assert "lies outside of the suite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "there is no suite 'nowhere'"),
        ([], "which model?"),
        (["-m", "reference", "-m", "reference"], "named twice"),
        (["-m", "reference", "-n", "0"], "--tasks must be a whole number"),
        (["-m", "reference", "--repeat", "x"], "--repeat must be a whole number"),
        (["-m", "reference", "--jobs", "-1"], "--jobs must be a whole number"),
        (["-m", "reference", "--budget", "none"], "--budget must be"),
        (["-m", "reference", "--instructions", "nowhere.md"], "nowhere.md cannot be read"),
        (["-m", "nobody:x"], "there is no provider 'nobody'"),
        (["a", "b"], "not 'a b'"),
    ],
)
def test_a_command_that_is_wrong_is_one_line(suite, tmp_path, monkeypatch, capsys, words, told):
    suite(good=TASK)
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    typed = words if words and not words[0].startswith("-") else ["suite", *words]
    assert cli.main(["eval", *typed]) == cli.WRONG_USE
    assert told in capsys.readouterr().err


def test_a_folder_without_tasks_is_told(tmp_path, capsys):
    assert cli.main(["eval", str(tmp_path), "-m", "reference"]) == cli.WRONG_USE
    assert "holds no tasks" in capsys.readouterr().err


@pytest.mark.parametrize(
    "check", ["exists('a.txt')", "len(files) == 1", "status != 'finished'", "summary == ''", "unchanged('a.txt')"]
)
def test_a_check_that_cannot_fail_is_refused_unless_it_is_a_guard(suite, capsys, check):
    task = f'goal = "a"\nchecks = ["t == 1", "{check}"]\ninline = {{"a.txt" = "x"}}'
    folder = suite(wrong=task)
    assert cli.main(["eval", str(folder), "-m", "reference"]) == cli.WRONG_USE
    assert "holds before anything is done" in capsys.readouterr().err
    suite(wrong=f'goal = "a"\nchecks = ["t == 1"]\nguards = ["{check}"]\ninline = {{"a.txt" = "x"}}')
    refuse_certain(load_suite(str(folder)).tasks)


def test_modules_that_are_not_there_are_told(suite, capsys):
    folder = suite(wrong='goal = "a"\nchecks = ["t == 1"]\nneeds = ["no_such_module"]')
    assert cli.main(["eval", str(folder), "-m", "reference"]) == cli.WRONG_USE
    assert "pip install no_such_module" in capsys.readouterr().err


def test_a_task_without_a_reference_cannot_be_played(suite, capsys):
    folder = suite(wrong='goal = "a"\nchecks = ["t == 1"]')
    assert cli.main(["eval", str(folder), "-m", "reference"]) == cli.WRONG_USE
    assert "has no [reference]" in capsys.readouterr().err


def test_fewer_tasks_are_spread_over_the_suite(suite):
    whole = load_suite(str(suite(**{f"t{number}": TASK for number in range(9)})))
    assert [task.name for task in whole.spread(3).tasks] == ["t0", "t3", "t6"]
    assert whole.spread(20) is whole


def test_a_task_that_asks_something_else_has_another_digest(suite):
    first = load_suite(str(suite(one=TASK))).tasks[0].digest
    assert load_suite(str(suite(one=TASK))).tasks[0].digest == first
    assert load_suite(str(suite(one=TASK.replace("50", "51")))).tasks[0].digest != first
    assert load_suite(str(suite(one=TASK.replace("60)", "61)")))).tasks[0].digest != first


def test_two_files_of_one_name_are_refused(suite, capsys):
    folder = suite(wrong="goal = 'a'\nchecks = ['t == 1']\nfiles = ['x/a.csv', 'y/a.csv']")
    for name in ("x", "y"):
        folder.joinpath(name).mkdir()
        folder.joinpath(name, "a.csv").write_text("a\n")
    assert cli.main(["eval", str(folder), "-m", "reference"]) == cli.WRONG_USE
    assert "two files would be called a.csv" in capsys.readouterr().err
