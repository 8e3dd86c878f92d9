"""`agentloop eval` as it is typed, against a model server on loopback."""

from __future__ import annotations

import json

import pytest

from agentloop_nb import cli
from tests.evals.conftest import TASK
from tests.wire import Wire, decision, error, finish

pytestmark = pytest.mark.kernel

SOLVED = [decision("run_code", code="total = 60\nprint(total)"), finish("The total is 60.")]
WRONG = [decision("run_code", code="total = 61\nprint(total)"), finish("The total is 61.")]


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "MAX_STEPS"):
        monkeypatch.delenv(name, raising=False)


def test_a_model_on_a_server_is_measured_and_a_second_start_asks_nothing(suite, tmp_path, capsys, monkeypatch):
    suite(one=TASK, two=TASK)
    monkeypatch.setenv("AGENTLOOP_PRICE", "1,1")
    with Wire([*SOLVED, *WRONG]) as wire:
        typed = ["eval", "suite", "-m", "some-model", "--base-url", wire.base_url, "--budget", "1", "-o", "out"]
        assert cli.main(typed) == cli.FINISHED
        asked = len(wire.bodies)
        told = capsys.readouterr().out
        assert "2 tasks of suite for some-model" in told
        assert "1/2 ✓ one  2 steps" in told
        assert "2/2 ✗ two  2 steps" in told
        assert "61 is not 60" in told
        assert "1 of 2" in told
        assert "Report: out/report.html" in told
        assert cli.main(typed) == cli.FINISHED
        assert len(wire.bodies) == asked == 4
    again = capsys.readouterr().out
    assert "2 runs already done" in again
    found = json.loads(tmp_path.joinpath("out", "report.json").read_text())
    (score,) = found["contenders"]
    assert (score["right"], score["runs"], score["claimed_success"]) == (1, 2, {"of_wrong": 1, "wrong": 1})
    assert score["reproduced"] == {"of_right": 1, "tried": 1}
    assert float(score["dollars"]) == pytest.approx(sum(float(run["cost"]) for run in found["runs"]))
    assert float(score["dollars"]) > 0
    ledger = tmp_path.joinpath("out", "ledger.jsonl").read_text()
    assert "settle" in ledger


def test_the_suites_own_solutions_are_played_and_one_that_is_wrong_is_told(suite, capsys):
    suite(good=TASK)
    assert cli.main(["eval", "suite", "-m", "reference", "--jobs", "2"]) == cli.FINISHED
    assert "Report: eval-suite/report.html" in capsys.readouterr().out
    suite(bad=TASK.replace("total = sum", "total = 1 + sum"))
    assert cli.main(["eval", "suite", "-m", "reference"]) == cli.NOT_FINISHED
    assert "1 run already done" in capsys.readouterr().out


def test_a_server_that_refuses_says_nothing_of_the_model_and_is_asked_again(suite, capsys):
    suite(one=TASK)
    with Wire([error(401, "no such key"), *SOLVED]) as wire:
        typed = ["eval", "suite", "-m", "some-model", "--base-url", wire.base_url]
        assert cli.main(typed) == cli.NOT_FINISHED
        told = capsys.readouterr().out
        assert "1/1 ! one" in told
        assert "1 broke and count for nothing" in told
        assert "0 of 0" in told
        assert cli.main(typed) == cli.FINISHED
        assert "1 of 1" in capsys.readouterr().out


def test_a_notebook_says_where_the_command_lives():
    from agentloop_nb import command_table
    from agentloop_nb.errors import UserError

    with pytest.raises(UserError, match="type !agentloop eval"):
        command_table.check_lives("eval", "notebook")
