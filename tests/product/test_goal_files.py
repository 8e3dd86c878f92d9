"""From the shell a goal names files as the person sees them: they are there for the run, and stay as they are."""

from __future__ import annotations

import json
import os

import pytest

from agentloop_nb import run_agent
from agentloop_nb.session.goal_files import bring
from tests.wire import Wire, decision, finish


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("sales.csv", "data/north.csv", "data/south.csv", "my notes.txt", "plot", ".env", "deep/a/b/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"text of {name}")
    (tmp_path / "output").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("goal", "names"),
    [
        ("plot sales.csv", ["sales.csv"]),
        ("Plot sales.csv.", ["sales.csv"]),
        ("what is in ./sales.csv?", ["sales.csv"]),
        ("compare data/north.csv with “sales.csv”", ["data/north.csv", "sales.csv"]),
        ("add up all files in data/", ["data/north.csv", "data/south.csv"]),
        ("add up data/*.csv", ["data/north.csv", "data/south.csv"]),
        ("read 'my notes.txt'", ["my notes.txt"]),
        ("show deep/a/b/c.txt", ["deep/a/b/c.txt"]),
        ("read .env and say what it sets", []),  # keys stay where they are
        ("plot something", []),
        ("plot mysales.csv and sales.csv2", []),
        ("read /elsewhere/sales.csv and ../sales.csv and ~/sales.csv", []),
        ("north.csv is somewhere", []),
    ],
)
def test_what_a_goal_names_is_copied_under_that_name(home, goal, names):
    assert sorted(bring(goal, home, home / "output").copied) == names
    for name in names:
        assert (home / "output" / name).read_text() == f"text of {name}"


def test_the_original_is_never_changed_through_its_copy(home):
    bring("clean sales.csv", home, home / "output")
    copy = home / "output" / "sales.csv"
    copy.write_text("changed")
    os.truncate(copy, 0)
    assert (home / "sales.csv").read_text() == "text of sales.csv"


def test_a_later_run_sees_the_input_as_it_is_then_and_keeps_what_it_replaces(home):
    output = home / "output"
    assert bring("plot sales.csv", home, output).copied == ("sales.csv",)
    assert bring("plot sales.csv", home, output).copied == (), "it is the same"
    (output / "sales.csv").write_text("what a run made of it")
    (home / "sales.csv").write_text("new figures")
    assert bring("plot sales.csv", home, output).copied == ("sales.csv",)
    assert (output / "sales.csv").read_text() == "new figures"
    kept = [path.read_text() for path in (output / ".agentloop" / "files").iterdir()]
    assert "what a run made of it" in kept


def test_in_the_persons_own_folder_nothing_is_copied(home):
    assert bring("plot sales.csv", home, home).copied == ()


def test_a_file_that_cannot_be_read_is_named_and_stops_nothing(home, monkeypatch):
    monkeypatch.setattr("agentloop_nb.session.goal_files.LARGEST", 3)
    brought = bring("plot sales.csv", home, home / "output")
    assert brought.copied == ()
    assert "name it by its path" in brought.kept_out["sales.csv"]


def test_a_run_from_the_shell_reads_what_the_goal_names_and_its_export_lists_it(home, monkeypatch, capsys):
    monkeypatch.setenv("IPYTHONDIR", str(home / ".ipython"))
    code = "text = open('sales.csv').read()\nopen('copy.txt', 'w').write(text)\nprint(text)"
    with Wire([decision("run_code", code=code), finish("It is copied to copy.txt.")]) as wire:
        run = run_agent("copy sales.csv", base_url=wire.base_url, model="m")
    assert run.status == "finished"
    assert "Copied to output/ for the run: sales.csv" in capsys.readouterr().out
    assert (home / "output" / "copy.txt").read_text() == "text of sales.csv"
    assert not (home / "copy.txt").exists()
    told = wire.requests[0].body["messages"][1]["content"]
    assert "Files in the current folder: sales.csv." in told
    notebook = json.loads(run.export(home / "run.ipynb", verify=False).read_text())
    assert [file["path"] for file in notebook["metadata"]["agentloop"]["inputs"]] == ["sales.csv"]
