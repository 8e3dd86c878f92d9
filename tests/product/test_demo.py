"""The demo's story: data of its own, a mistake and its repair, a chart, an answer; honest about what it cannot do."""

from __future__ import annotations

import asyncio
import csv
import json
import subprocess
import sys
from statistics import mean

import pytest
from IPython.core.interactiveshell import InteractiveShell

from agentloop_nb import demo, run_agent
from agentloop_nb.api import resume_run
from agentloop_nb.models import registry
from agentloop_nb.notebook.panel.html import advice
from agentloop_nb.protocols import ModelRequest
from agentloop_nb.record import reading
from agentloop_nb.settings import Settings
from tests.product.demos import CAFE, SUMMARY


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shell = InteractiveShell()
    monkeypatch.setattr(InteractiveShell, "_instance", shell)
    yield shell
    shell.history_manager.end_session()


def test_twice_in_a_kernel_nothing_comes_out_differently(shell):
    first, second = (run_agent(demo.goal(), model="demo", verbose=False) for _ in range(2))
    for run in (first, second):
        assert run.is_complete
        assert run.state.differences == ""
        assert [result.success for result in run.action_results] == [True, False, True, True, True]


def test_its_numbers_are_those_of_its_data():
    rows = [row for row in csv.DictReader(demo.DATA.open(newline="")) if row["cups"].isdigit()]
    cups = {
        (day, weather): mean(int(row["cups"]) for row in rows if (row["weekday"], row["weather"]) == (day, weather))
        for day in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
        for weather in ("dry", "rain")
    }
    for day, number in (("Sat", "171 cups"), ("Fri", "with 137"), ("Sun", "with 86")):
        assert f"{cups[day, 'dry']:.0f}" in number
        assert number in SUMMARY
    lost = [1 - cups[day, "rain"] / cups[day, "dry"] for day in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")]
    assert f"{min(lost[:4]) * 100:.0f} to {max(lost[:4]) * 100:.0f} % from Monday to Thursday" in SUMMARY
    assert f"{min(lost[4:]) * 100:.0f} to {max(lost[4:]) * 100:.0f} % from Friday to Sunday" in SUMMARY
    assert f"{cups['Sat', 'dry'] - cups['Sat', 'rain']:.0f} cups less" in SUMMARY


@pytest.mark.parametrize("asked", [CAFE.goal, f"  {CAFE.goal}\n", CAFE.goal.rstrip("."), CAFE.goal.upper()])
def test_its_own_goal_needs_no_word(asked):
    assert demo.known_goal_only(asked) == ""


@pytest.mark.parametrize("asked", ["Prove the Riemann hypothesis", "cafe", CAFE.goal + " Then dance.", "2 + 2"])
def test_of_any_other_goal_it_says_so_before_the_run(asked, shell, capfd):
    run_agent(asked, model="demo")
    told = capfd.readouterr().out
    assert told.startswith("The demo knows one goal only and cannot do another. It shows this one instead: Which day")


def test_a_word_to_a_demo_that_is_over_is_answered_by_what_to_type(shell, capfd):
    run = run_agent("2 + 2", model="demo")
    capfd.readouterr()
    resumed = resume_run(run.id, note="and three more")
    assert "knows one goal only" not in capfd.readouterr().out
    assert resumed.reason.startswith("demo has no more decisions after 5: "), "it names no file of the package"
    assert advice(resumed.state.ending())[1] == "%agent resume -m MODEL"


def test_a_file_of_the_same_name_stays_as_it_is(tmp_path):
    (tmp_path / "cafe.csv").write_text("mine")
    demo.prepare(tmp_path)
    assert (tmp_path / "cafe.csv").read_text() == "mine"


@pytest.mark.parametrize("pace", [0.0, 0.02])
def test_a_reply_comes_at_once_or_piece_by_piece_and_is_the_same(pace):
    model = registry.create(Settings(model="demo"), {})
    model.pace = pace
    pieces: list[str] = []
    request = ModelRequest(messages=())
    reply = asyncio.run(model.reply(request, lambda delta: pieces.append(delta.text)))
    assert "".join(pieces) == reply.text
    assert (len(pieces) > 5) is bool(pace)


def test_it_needs_nothing_but_the_core_install(tmp_path):
    blocked = "import sys\nfor name in ('pandas', 'numpy', 'matplotlib'):\n    sys.modules[name] = None\n"
    code = (
        f"{blocked}from agentloop_nb import demo, run_agent\nr = run_agent(demo.goal(), model='demo', verbose=False)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + "print(r.status, r.artifacts)"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "finished ['cafe.svg']", done.stderr


def test_its_record_names_no_place_and_no_person():
    text = demo.RECORD.read_text(encoding="utf-8")
    assert "/tmp" not in text
    assert "/home" not in text
    assert all(json.loads(line) for line in text.splitlines())
    assert reading.read(demo.RECORD)[0].context.startswith("No model took these decisions")
