"""What people type before and as a goal, on a magic's line and on a command line."""

import pytest

from agentloop_nb.command_table import BY_NAME
from agentloop_nb.errors import UserError
from agentloop_nb.settings import Settings, resolve
from agentloop_nb.settings.options import OPTIONS, describe, note_from, parse_command, parse_options, parse_words


@pytest.mark.parametrize(
    ("line", "settings", "goal"),
    [
        ("Plot the sales by month", {}, "Plot the sales by month"),
        ("  Plot   the  sales ", {}, "Plot   the  sales "),
        ("-n 5 -b 0.50 Plot", {"max_steps": "5", "budget": "0.50"}, "Plot"),
        ("-n5 --budget=0.50 --strict Plot", {"max_steps": "5", "budget": "0.50", "strict": True}, "Plot"),
        ("-m ollama:qwen3 explain ls -x and --strict", {"model": "ollama:qwen3"}, "explain ls -x and --strict"),
        ("--export 'my run.ipynb' go", {"export": "my run.ipynb"}, "go"),
        ('--export="my run.ipynb" go', {"export": "my run.ipynb"}, "go"),
        ("--export C:\\runs\\a.ipynb go", {"export": "C:\\runs\\a.ipynb"}, "go"),
        ("--strict -- --strict is a flag: explain it", {"strict": True}, "--strict is a flag: explain it"),
        ("don't use {x} or $x", {}, "don't use {x} or $x"),
        ("- a list\n- as a goal", {}, "- a list\n- as a goal"),
        ('"--strict" explained', {}, '"--strict" explained'),
        ("--quiet", {"quiet": True}, ""),
        ("", {}, ""),
        ("-n 5 -n 6 twice", {"max_steps": "6"}, "twice"),
    ],
)
def test_magic_line(line: str, settings: dict[str, object], goal: str) -> None:
    assert parse_options(line) == (settings, goal)


@pytest.mark.parametrize("source", ["-n 5 20261122 --budget 1", ["-n", "5", "20261122", "--budget", "1"]])
def test_options_may_follow_the_run_that_is_named(source: str | list[str]) -> None:
    assert parse_command(source, OPTIONS) == ({"max_steps": "5", "budget": "1"}, "20261122", "")


@pytest.mark.parametrize(
    "source",
    ['-n 5 "my work/a.jsonl" --strict go "on"', ["-n", "5", "my work/a.jsonl", "--strict", "go", '"on"']],
)
def test_a_path_with_spaces_stays_whole(source: str | list[str]) -> None:
    assert parse_command(source, OPTIONS) == ({"max_steps": "5", "strict": True}, "my work/a.jsonl", 'go "on"')


def test_a_note_is_what_stands_in_its_quotes() -> None:
    assert note_from("", '"in blue, please"') == "in blue, please"
    assert note_from("make", "it ", "  blue") == "make it blue"


@pytest.mark.parametrize(
    ("words", "settings", "goal"),
    [
        (["Plot  the sales"], {}, "Plot  the sales"),
        (["Plot", "the", "sales"], {}, "Plot the sales"),
        (["-n", "5", "a goal"], {"max_steps": "5"}, "a goal"),
        (["a quoted goal", "-n", "5", "--strict"], {"max_steps": "5", "strict": True}, "a quoted goal"),
        (["explain", "ls", "-x"], {}, "explain ls -x"),
        (["--", "-x", "explained"], {}, "-x explained"),
        (["--export", "my run.ipynb", "go"], {"export": "my run.ipynb"}, "go"),
        (["don't stop"], {}, "don't stop"),
        ([], {}, ""),
    ],
)
def test_command_line(words: list[str], settings: dict[str, object], goal: str) -> None:
    assert parse_options(words) == (settings, goal)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--modle x go", "did you mean --model?"),
        ("--zzz go", "the options are -m, --model"),
        ("-5 degrees", "stands after --"),
        ("--budget", "--budget needs a value, like --budget 0.50"),
        ("--budget --strict go", "--budget needs a value"),
        ("--budget= go", "--budget needs a value"),
        ("--export 'a b go", "a quote is not closed"),
        ("--strict=yes go", "--strict takes no value"),
        ("--help", "%%agent?"),
    ],
)
def test_wrong_use_is_one_line_that_says_what_to_type(line: str, says: str) -> None:
    with pytest.raises(UserError) as error:
        parse_options(line)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("line", "port", "goal"),
    [
        ("--http", True, ""),
        ("--http 8765", "8765", ""),
        ("--http 0 why did sales fall", "0", "why did sales fall"),
        ("--http=8765 go", "8765", "go"),
        ("--http why did sales fall", True, "why did sales fall"),
        ("--http 'why did' sales fall", True, "'why did' sales fall"),
        ("--http don't plot", True, "don't plot"),
        ("--http -- 12 monkeys", True, "12 monkeys"),
        ("--http 8765 12 monkeys", "8765", "12 monkeys"),
        ("--http 99999", "99999", ""),
        ("--http -1", "-1", ""),
        ("--http 127.0.0.1:80 go", "127.0.0.1:80", "go"),
        ("--http localhost:80", "localhost:80", ""),
    ],
)
def test_a_port_may_be_left_out_and_no_goal_is_taken_for_one(line: str, port: object, goal: str) -> None:
    assert parse_options(line, BY_NAME["serve"].options) == ({"http": port}, goal)


def test_options_follow_a_port_that_was_left_out() -> None:
    typed = parse_options("--http --name x go", BY_NAME["serve"].options)
    assert typed == ({"http": True, "name": "x"}, "go")


def test_a_misspelt_option_after_a_quoted_goal_is_not_taken_for_goal() -> None:
    with pytest.raises(UserError, match="did you mean --budget"):
        parse_options(["plot the sales", "--budgt", "0.10"])


def test_every_option_is_a_setting_and_its_example_is_accepted() -> None:
    for option in OPTIONS:
        assert option.setting in Settings.__dataclass_fields__
        typed, goal = parse_options([option.flags[-1], *([option.example] if option.value else []), "the goal"])
        assert goal == "the goal"
        resolve(typed, {}, {})


def test_help_names_every_flag() -> None:
    text = describe()
    assert all(flag in text for option in OPTIONS for flag in option.flags)


@pytest.mark.parametrize(
    "line",
    [
        "--export bob's.ipynb plot it",
        "--export=bob's.ipynb plot it",
        "-o 'a plot it",
        '--output "a plot it',
        "-m bob's-model go",
        "--with bob's,sales go",
        "--base-url http://it's go",
        '--export my"run.ipynb go',
        "--limits memory='2 go",
        "-n '5 go",
    ],
)
def test_a_quote_that_is_not_closed_is_one_line_and_splits_nothing(line: str) -> None:
    with pytest.raises(UserError, match="a quote is not closed") as error:
        parse_options(line)
    assert "\n" not in str(error.value)


def test_a_quote_in_quotes_and_in_a_goal_is_fine() -> None:
    assert parse_options('--export "bob\'s.ipynb" plot it') == ({"export": "bob's.ipynb"}, "plot it")
    assert parse_options("--strict don't plot bob's data") == ({"strict": True}, "don't plot bob's data")
    assert parse_options(["--export", "bob's.ipynb", "plot", "it"]) == ({"export": "bob's.ipynb"}, "plot it")
    assert parse_command("don't do it this way", OPTIONS) == ({}, "don't", "do it this way")


@pytest.mark.parametrize(
    ("source", "settings", "words", "note"),
    [
        ("--minimal RUN PATH", {"minimal": True}, ["RUN", "PATH"], ""),
        ("RUN --minimal PATH", {"minimal": True}, ["RUN", "PATH"], ""),
        ("RUN PATH --minimal", {"minimal": True}, ["RUN", "PATH"], ""),
        (
            ["RUN", "--repository", "me/it", "PATH", "--share"],
            {"repository": "me/it", "shared": True},
            ["RUN", "PATH"],
            "",
        ),
        ("'my run' --minimal", {"minimal": True}, ["my run"], ""),
        ("RUN -- go --minimal on", {}, ["RUN"], "go --minimal on"),
        ("", {}, [], ""),
        ([], {}, [], ""),
    ],
)
def test_options_of_a_command_stand_anywhere(source, settings, words, note) -> None:
    assert parse_words(source, BY_NAME["export"].options) == (settings, words, note)
