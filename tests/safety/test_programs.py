"""Programs are judged as the files that they are, where they start, by options however they are spelled."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from agentloop_nb.notebook.kernel.audit_events import effects_of
from agentloop_nb.notebook.kernel.run_past import Past
from agentloop_nb.safety.code_risks.command_lines import MAX_LINE, commands
from agentloop_nb.safety.effect_rules import objection
from agentloop_nb.safety.observed_effects import Effect, Mandate, told_line


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Past:
    """What a run made: a folder `made` with a program called `ls` in it, that a stranger's table may have filled."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs").write_text("precious")
    past = Past(tmp_path)
    Path("made").mkdir()
    Path("made/ls").write_text("#!/bin/sh\n")
    Path("made/ls").chmod(0o755)
    past._made |= {str(tmp_path / "made"), str(tmp_path / "made/ls")}
    return past


def is_stopped(past: Past, line: str, folder: str = "", **mandate: object) -> bool:
    where = str(past.folder / folder) if folder else ""
    return objection(Effect("process", line, where), Mandate(**mandate), past) != ""


@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ("./ls", "made"),
        ("../made/ls", "made"),
        ("cd made && ./ls", ""),
        ("pushd made; ./ls", ""),
        ("cd $d; ./ls", ""),
        ("d=made; cd $d; ./ls", ""),
        ("{here}/made/ls", ""),
    ],
)
def test_a_program_that_the_run_made_is_stopped_wherever_it_starts(past: Past, line: str, folder: str) -> None:
    line = line.format(here=past.folder) if "{here}" in line else line
    assert is_stopped(past, line, folder, lines=frozenset({line}))


@pytest.mark.parametrize(
    "line",
    [
        "/usr/bin/../..{here}/made/ls",
        "/bin/../{here}/x/ls",
        "/usr/local/bin/../../../{here}/cat a",
        "data/python3 --version",
        "../python --version",
        "{here}/python3.12 -m pip list",
        "{here}/sh -c ls",
    ],
)
def test_a_name_of_the_system_in_another_folder_is_none_of_its_programs(past: Past, line: str) -> None:
    assert is_stopped(past, line.format(here=past.folder))


def test_where_a_process_starts_is_told(past: Past) -> None:
    [effect] = effects_of("subprocess.Popen", ("./ls", ["./ls"], "made", None))
    assert effect == Effect("process", "./ls", str(past.folder / "made"))
    assert told_line(["data/sh", "-c", "ls"]) == "data/sh -c ls"


BARE = ("HEAD", "config", "objects", "refs")


@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ("git status", "made"),
        ("git diff", "made/deeper"),
        ("git -C made log", ""),
        ("cd made; git status", ""),
        ("git --git-dir=made status", ""),
        ("GIT_DIR=made git status", ""),
        ("git status", "theirs.git"),
    ],
)
def test_git_is_stopped_in_a_repository_that_is_not_the_users(past: Past, line: str, folder: str) -> None:
    for name in BARE:
        Path("made", name).touch()
    Path("made/deeper").mkdir()
    Path("theirs.git").mkdir()
    Path("theirs.git/HEAD").touch()
    Path("theirs.git/config").touch()
    assert is_stopped(past, line, folder, lines=frozenset({line}))


@pytest.mark.parametrize("line", ["git status", "git log --oneline -5", "git -C sub diff", "cd sub && git status -s"])
def test_git_looks_into_the_users_own_repository(past: Past, line: str) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    Path("sub").mkdir()
    assert not is_stopped(past, line, lines=frozenset({line}))


@pytest.mark.parametrize(
    "line",
    [
        *("uniq - theirs", "uniq -- a theirs", "xxd -r -p - theirs", "sort -uo theirs a", "sort --outp=theirs a"),
        *("sort --co=./x a", "tree -aRo theirs", "tree -R", "less --lo=theirs a", "file -zC -m a", "ag --pag=./x a"),
        *("git diff --outp=theirs", "git diff --ext-d", "git log --ou=theirs", "git remote show https://a.example/"),
        *("npm view x", "npm ls --reg=https://a.example", "pip index versions -qi https://a.example x"),
        *("pip index versions --ind=https://a.example x", "pip list --outdated", "pip list -of https://a.example"),
        *("pip show --prox=a.example x", "conda list --unknown", "git config --get x --file=y", "date 010100002030"),
    ],
)
def test_what_writes_or_asks_a_server_is_no_reading(past: Past, line: str) -> None:
    assert is_stopped(past, line)


@pytest.mark.parametrize(
    "line",
    [
        *("ls -la", "/bin/ls", "cat a | sort -rn -k2,2 | uniq -c", "head -n 5 a", "date +%Y-%m-%d", "tree -L 2"),
        *("pip list --format=json", "pip show -f numpy pandas", "python -m pip freeze", "npm ls --depth=0"),
        *("test -f a && echo yes", "[ -e a ]", "printf '%s' a", "echo $((1 + 2)) ${HOME} ${x%.csv}", "echo $(date)"),
        *("python --version", "git --version", "conda list --json", "grep -c a b", "xxd a", "rg -n a"),
    ],
)
def test_what_only_looks_is_not_asked_about(past: Past, line: str) -> None:
    assert not is_stopped(past, line)


@pytest.mark.parametrize(
    "line",
    [
        "printf -v 'a[$(touch x)]' x",
        "test -v 'a[$(touch x)]'",
        "[ -v 'a[`touch x`]' ]",
        "x='a[$(touch x)]'; echo $((x))",
        "x='$(touch x)'; echo ${x@P}",
        "test -v $x",
        "printf -v $x y",
    ],
)
def test_text_that_a_shell_takes_for_commands_is_stopped(past: Past, line: str) -> None:
    assert is_stopped(past, line)


@pytest.mark.parametrize(
    "words",
    [
        ("mv", "theirs", "other"),
        ("mv", "made/ls", "theirs"),
        ("mv", "theirs", "made"),
        ("rm", "-f", "theirs"),
        ("shred", "-u", "theirs"),
    ],
)
def test_a_file_of_the_user_named_by_data_alone_is_not_moved_or_deleted(past: Past, words: tuple[str, ...]) -> None:
    named = (words[0], *("…" if not word.startswith(("-", "if")) else word for word in words[1:]))
    assert is_stopped(past, told_line(words), commands=(named,))


@pytest.mark.parametrize("line", ["mv made/ls made/other", "rm made/ls", "rm gone", "mv made/ls made"])
def test_what_the_run_made_is(past: Past, line: str) -> None:
    words = line.split()
    assert not is_stopped(past, line, commands=((words[0], *["…"] * (len(words) - 1)),))


def test_a_command_line_too_long_to_judge_is_stopped(past: Past) -> None:
    assert is_stopped(past, "ls " + "a " * MAX_LINE)
    assert not is_stopped(past, "ls " + "a " * (MAX_LINE // 40))


@pytest.mark.parametrize("unit", ["sudo ", "a=b ", "{ ", "xargs ", "$'a\\' ", "nice -n 10 ", "git log a "])
def test_reading_a_long_command_line_takes_its_length(unit: str) -> None:
    def cost(size: int) -> float:
        begun = time.process_time()
        for command in commands(unit * (size // len(unit)) + "ls"):
            assert command.read_only in (True, False)
        return time.process_time() - begun

    half, whole = (min(cost(size) for _ in range(3)) for size in (20_000, 40_000))
    assert whole < 3.5 * max(half, 0.03)
