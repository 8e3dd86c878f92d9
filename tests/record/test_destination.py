"""Where an export goes: over an earlier export, and over nothing else, however it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agentloop_nb import demo
from agentloop_nb.api import run_agent
from agentloop_nb.cli import main
from agentloop_nb.errors import UserError
from agentloop_nb.export import export
from agentloop_nb.notebook.kernel.private_shell import in_charge, private_shell
from agentloop_nb.notebook.run_manager import RunManager
from agentloop_nb.record import journal, locating, reading
from agentloop_nb.run import Run
from agentloop_nb.state import fold
from agentloop_nb.verify import Verdict
from agentloop_nb.verify.certified_export import publish
from tests.record.made import counting

SUFFIXES = (".ipynb", ".py", ".html")
THEIRS = {
    "mine.ipynb": json.dumps({"cells": [], "metadata": {"kernelspec": {}}, "nbformat": 4, "nbformat_minor": 5}),
    "agentloop.ipynb": json.dumps({"cells": [], "metadata": {"agentloop": "a note"}}),
    "list.ipynb": "[]",
    "deep.ipynb": "[" * 100_000,
    "broken.ipynb": '{"cells": [',
    "empty.ipynb": "",
    "bytes.ipynb": "\udcff\udcfe\udcff",
    "mine.py": "import agentloop_nb\n",
    "empty.py": "",
    "mine.html": "<!DOCTYPE html><html><head><title>agentloop-nb</title></head></html>",
}


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The record of a finished run in the current folder."""
    monkeypatch.chdir(tmp_path)
    kept = journal.Journal.create(tmp_path, "20261122-101500-3fa2")
    for event in counting():
        kept.append(event)
    kept.close()
    return kept.path


@pytest.mark.parametrize("name", THEIRS)
def test_a_file_that_no_export_wrote_stays_and_one_line_says_what_to_do(record, name, monkeypatch):
    monkeypatch.setattr(
        "agentloop_nb.verify.certified_export.verify", lambda path: pytest.fail("it was run all the same")
    )
    mine = Path(name)
    mine.write_text(THEIRS[name], errors="surrogateescape")
    before = mine.read_bytes()
    for write in (partial(publish, record), Run(fold(reading.read(record)), record).export, partial(_magic, record)):
        with pytest.raises(UserError) as error:
            write(mine)
        assert f"name another file (such as {mine.stem}-run{mine.suffix}), or move that one away" in str(error.value)
        assert "\n" not in str(error.value)
    assert mine.read_bytes() == before
    assert sorted(path.name for path in Path.cwd().iterdir()) == sorted([".agentloop", name])


def _magic(record: Path, destination: Path) -> None:
    shell = private_shell()
    with in_charge(shell):
        shell.run_line_magic("load_ext", "agentloop_nb")
        shell.run_line_magic("agent", f"export {record.stem} {destination}")


def test_the_command_line_leaves_it_too_and_says_so_on_one_line(record, capsys):
    Path("mine.ipynb").write_text("mine")
    Path("mine.html").write_text("mine")
    assert main(["export", "mine.ipynb"]) == 2
    assert main(["compare", record.stem, str(demo.RECORD), "--html", "mine.html"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.endswith("or move that one away") for line in said.err.splitlines()] == [True, True]
    assert {Path(name).read_text() for name in ("mine.ipynb", "mine.html")} == {"mine"}


def test_a_page_that_compares_replaces_the_one_before(record, capsys):
    for _ in range(2):
        assert main(["compare", record.stem, str(demo.RECORD), "--html", "both.html"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_export_is_replaced_by_the_next_with_the_same_bytes(record, suffix):
    path = export(record, Path(f"run{suffix}"))
    first = path.read_bytes()
    assert export(record, path).read_bytes() == first


def test_a_notebook_that_jupyter_saved_again_is_still_an_export(record):
    path = export(record, Path("run.ipynb"))
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4), encoding="utf-8-sig")
    export(record, path)
    assert not path.read_bytes().startswith(b"\xef\xbb\xbf")


def test_a_folder_and_a_link_to_a_file_of_the_users_are_left_alone(record):
    Path("folder.ipynb").mkdir()
    Path("mine.txt").write_text("mine")
    Path("link.ipynb").symlink_to("mine.txt")
    for name in ("folder.ipynb", "link.ipynb"):
        with pytest.raises(UserError, match="stays as it is"):
            export(record, Path(name))
    assert Path("link.ipynb").read_text() == "mine"


def _cell(destination: str) -> Any:
    manager = RunManager(private_shell())
    return manager.begin("goal", manager.settings({"model": "demo", "export": destination}))


def _resumed(destination: str) -> Any:
    return RunManager(private_shell()).resume(None, {"export": destination})


def _forked(destination: str) -> Any:
    return RunManager(private_shell()).fork(None, None, {"export": destination})


@pytest.mark.parametrize("start", [_cell, _resumed, _forked, lambda to: run_agent("goal", model="demo", export=to)])
@pytest.mark.parametrize(("name", "told"), [("mine.ipynb", "stays as it is"), ("mine.txt", "name it mine.ipynb")])
def test_a_run_that_could_not_be_exported_does_not_begin(record, start: Callable[[str], Any], name, told):
    Path(name).write_text("mine")
    before = record.read_bytes()
    with pytest.raises(UserError, match=told):
        start(name)
    assert [path.name for path in locating.runs_folder(Path.cwd()).glob("*.jsonl")] == [record.name]
    assert (record.read_bytes(), Path(name).read_text()) == (before, "mine")


@pytest.mark.parametrize("words", [["-m", "demo", "goal"], ["resume"], ["fork", "another way"]])
def test_nor_does_one_of_the_command_line(record, words, capsys):
    Path("mine.ipynb").write_text("mine")
    options = ["--export", "mine.ipynb"]
    assert main([*words[:-1], *options, words[-1]] if len(words) > 1 else [*words, *options]) == 2
    assert "move that one away" in capsys.readouterr().err
    assert [path.name for path in locating.runs_folder(Path.cwd()).glob("*.jsonl")] == [record.name]


def test_what_came_there_while_the_run_went_on_stays_and_is_reported(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    launch = _cell("late.ipynb")
    Path("late.ipynb").write_text("mine")
    launch.verbose = False
    assert launch.drive().is_complete
    assert "Export to late.ipynb: " in (out := capsys.readouterr().out)
    assert "stays as it is" in out
    assert Path("late.ipynb").read_text() == "mine"


@pytest.mark.parametrize("unchecked", [{}, {"step-1-code": "it shows the time"}])
def test_a_verdict_with_nothing_compared_claims_nothing(unchecked):
    text = Verdict(ok=True, checked=0, unchecked=unchecked).text
    assert "nothing to compare" in text
    assert "sound" not in text
    assert ("1 not compared" in text) == bool(unchecked)
