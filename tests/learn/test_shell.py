"""`agentloop learn` in a shell: the same command, the run and the name as words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentloop_nb import run_agent
from agentloop_nb.actions.own import LIVE
from agentloop_nb.cli import main
from agentloop_nb.learn import library
from tests.learn.scene import SALES, STEPS, proposed
from tests.wire import Wire, decision, finish

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    made = tmp_path / "work"
    made.mkdir()
    (made / "sales.csv").write_text(SALES)
    monkeypatch.chdir(made)
    LIVE.clear()
    yield made
    LIVE.clear()


def test_a_terminal_is_asked_and_a_pipe_learns_nothing(folder, monkeypatch, capsys):
    with Wire([*STEPS, proposed()]) as wire:
        run = run_agent("What did N sell?", model="m", base_url=wire.base_url, output_dir=".", verbose=False)
        assert main(["learn", run.id, "total_of"]) == 2
        assert "nobody is there to look at it" in capsys.readouterr().err
        monkeypatch.setattr("sys.stdin", Terminal("y\n"))
        monkeypatch.setattr("builtins.input", lambda prompt: print(prompt) or "y")
        assert main(["learn", run.id, "total_of", "1-2", "--base-url", wire.base_url, "-m", "m"]) == 0
    shown = capsys.readouterr().out
    assert '+def total_of(path: str, region: str = "N") -> int:' in shown
    assert "Saved as .agentloop/actions/total_of.py" in shown
    assert library.named(folder, "total_of").standing == "allowed"
    steps = [decision("total_of", path="sales.csv", region="S", into="south"), finish("It is 20.")]
    with Wire(steps) as wire:
        again = run_agent("And S?", model="m", base_url=wire.base_url, output_dir=".", verbose=False)
    assert again.variables["south"] == 20
    assert main(["actions"]) == 0
    assert "learned (.agentloop/actions/total_of.py)" in capsys.readouterr().out


class Terminal:
    """Standard input that a person sits at."""

    def __init__(self, text: str) -> None:
        self.text = text

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self.text


WRONG = [
    (["learn", "total_of"], "no run"),
    (["learn", "--allow", "total_of"], "no action 'total_of' was learned"),
    (["learn", "a", "b", "c", "d"], "learn"),
]


@pytest.mark.parametrize(("words", "why"), WRONG)
def test_wrong_words_are_one_line(words, why, folder):
    program = [sys.executable, "-m", "agentloop_nb", *words]
    done = subprocess.run(
        program, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=os.environ, check=False
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert why in done.stderr or "nobody is there" in done.stderr


def test_nothing_learned_is_said(folder, capsys):
    assert main(["learn"]) == 0
    assert "No action was learned in" in capsys.readouterr().out
