"""An evaluation of scripted models: every figure of its report is what was scripted."""

from __future__ import annotations

import json
import re
import signal
import threading
from decimal import Decimal
from pathlib import Path

import pytest

from agentloop_nb.errors import UserError
from agentloop_nb.evals import report_page
from agentloop_nb.evals.contender import Contender
from agentloop_nb.evals.evaluation import Evaluation
from agentloop_nb.evals.evaluation_report import COLUMNS, as_json, cells, compared, gather
from agentloop_nb.evals.report_text import as_text
from agentloop_nb.evals.suite import load_suite
from agentloop_nb.protocols import Usage
from agentloop_nb.testing import ScriptedModel, code, finish

pytestmark = pytest.mark.kernel

TASK = 'goal = "Bind {name} to 7."\nchecks = ["{name} == 7"]\n'
SUITE = {name: TASK.format(name=name) for name in ("a", "b", "c", "d")}
PRICES = ("1000", "1000")
"""Dollars per million tokens: a call of 100 tokens in and 20 out costs $0.12."""
DEAR = ("10000", "10000")


def right(name):
    return [code(f"{name} = 7\nprint({name})"), finish(f"{name} is 7")]


def lying(name):
    return [code(f"{name} = 8\nprint('7')"), finish(f"{name} is 7")]


def honest(name):
    return [code(f"{name} = None"), finish("It cannot be done.", goal_met=False)]


def stuck(name):
    return [code("print(1)")] * 9


def longer(name):
    return [code(f"{name} = 6"), code(f"{name} += 1\nprint({name})"), finish(f"{name} is 7")]


def unstable(name):
    return [code(f"import time\n{name} = 7\nprint(time.time_ns())"), finish(f"{name} is 7")]


def failing(name):
    return [RuntimeError("the wire is cut")] * 9


BEHAVIOURS = {
    "right": right,
    "lying": lying,
    "honest": honest,
    "stuck": stuck,
    "expensive": right,
    "unstable": unstable,
    "longer": longer,
    "mixed": lambda name: {"a": right, "b": longer, "c": lying, "d": honest}[name](name),
}


def scripted(trial):
    replies = BEHAVIOURS[trial.contender.model.partition(":")[0]](trial.task.name)
    prices = DEAR if trial.contender.model == "expensive" else PRICES
    return ScriptedModel(replies, usage=Usage(input=100, output=20), prices=prices)


@pytest.fixture
def evaluation(suite, tmp_path):
    def make(*models, tasks=SUITE, **options):
        made = Evaluation(
            suite=load_suite(str(suite(**tasks))),
            contenders=[Contender(model) for model in models],
            home=tmp_path / "out",
            **{"make_model": scripted, "prove": False, "jobs": 2, "variables": {}} | options,
        )
        made.prepare()
        return made

    return make


def row(report, name):
    score = next(each for each in report.scores if each.contender == name)
    return dict(zip(COLUMNS, cells(score), strict=True))


def test_every_column_is_what_was_scripted(evaluation, tmp_path):
    made = evaluation("mixed", "right", "lying")
    made.run()
    report = gather(made)
    mixed = row(report, "mixed")
    seconds = sum(each.seconds for each in report.scores[0].outcomes)
    assert mixed.pop("seconds per right answer") == (f"{seconds / 2:.1f} s" if seconds < 20 else f"{seconds / 2:.0f} s")
    assert mixed == {
        "right": "2 of 4",
        "accuracy": "50%",
        "95% interval": "15% to 85%",  # Wilson for 2 of 4
        "dollars per right answer": "$0.54",  # 2 + 3 + 2 + 2 calls of $0.12, for two right answers
        "tokens per right answer": "540",
        "steps per right answer": "4.5",
        "reproduced": "—",
        "wrong but claimed": "1 of 2",
    }
    assert row(report, "right")["accuracy"] == "100%"
    assert row(report, "right")["dollars per right answer"] == "$0.24"
    assert row(report, "lying") | {"seconds per right answer": ""} == {
        "right": "0 of 4",
        "accuracy": "0%",
        "95% interval": "0% to 49%",
        "dollars per right answer": "—",
        "tokens per right answer": "—",
        "steps per right answer": "—",
        "seconds per right answer": "",
        "reproduced": "—",
        "wrong but claimed": "4 of 4",
    }
    told = [compared(pair) for pair in report.pairings]
    assert told[0] == (
        "On 4 tasks mixed alone is right on 0, right alone on 2: p = 0.500 (exact McNemar test on tasks, two-sided), "
        "so no difference is shown."
    )
    assert "right alone is right on 4, lying alone on 0: p = 0.125" in told[2]
    assert_views_agree(report, tmp_path)


def assert_views_agree(report, folder):
    """Terminal, page and JSON say the same."""
    found, text = as_json(report), as_text(report, 160)
    report_page.write_page(report, folder / "out" / "report.html")
    page = (folder / "out" / "report.html").read_text()
    for score in report.scores:
        for cell in cells(score):
            assert cell in text
            assert cell in page
    mixed = found["contenders"][0]
    assert mixed["a_right_answer"]["dollars"] == "0.54"
    assert mixed["claimed_success"] == {"of_wrong": 1, "wrong": 2}
    assert [(each["task"], each["right"]) for each in found["runs"]][:3] == [("a", True), ("a", True), ("a", False)]
    json.dumps(found)
    assert not re.search(r"<script|src=|@import|url\(", page)
    links = re.findall(r'class="mark \w+" href="([^"]+)"', page)
    assert len(links) == 12
    assert all((folder / "out" / link).is_file() for link in links)


def test_a_right_answer_is_proven_and_its_proof_is_counted(evaluation):
    made = evaluation("right", "unstable", tasks={"a": SUITE["a"]}, prove=True)
    made.run()
    report, (outcome, other) = gather(made), made.outcomes.values()
    assert (outcome.reproduced, other.reproduced) == (True, False), outcome.verdict
    assert [row(report, name)["reproduced"] for name in ("right", "unstable")] == ["1 of 1", "0 of 1"]
    assert [row(report, name)["right"] for name in ("right", "unstable")] == ["1 of 1", "1 of 1"]
    assert (made.home / outcome.folder / "run.ipynb").is_file()


def test_a_model_that_is_stuck_or_expensive_is_told_in_every_column(evaluation):
    tasks = {
        "a": SUITE["a"] + "options = { max_steps = 3 }",
        "b": SUITE["b"] + "options = { budget = 0.01 }",
    }
    made = evaluation("stuck", "expensive", tasks=tasks)
    made.run()
    found = {(each.task, each.contender): each for each in made.outcomes.values()}
    assert found["a", "stuck"].status == "step_limit", found["a", "stuck"].reason
    assert {found["b", name].status for name in ("stuck", "expensive")} == {"cost_limit"}
    report = gather(made)
    nothing = dict.fromkeys((f"{each} per right answer" for each in ("dollars", "tokens", "steps", "seconds")), "—")
    assert row(report, "stuck") == nothing | {
        "right": "0 of 2",
        "accuracy": "0%",
        "95% interval": "0% to 66%",  # Wilson for 0 of 2
        "reproduced": "—",
        "wrong but claimed": "0 of 2",
    }
    assert row(report, "expensive") | {"seconds per right answer": ""} == {
        "right": "1 of 2",
        "accuracy": "50%",
        "95% interval": "9% to 91%",
        "dollars per right answer": "$2.40",  # 2 calls of $1.20, and none where the budget is smaller than a call
        "tokens per right answer": "240",
        "steps per right answer": "2.0",
        "seconds per right answer": "",
        "reproduced": "—",
        "wrong but claimed": "0 of 1",
    }


def test_a_task_that_breaks_fails_alone(evaluation):
    def breaking(trial):
        if trial.task.name == "b":
            trial.task.options["limits"] = "memory=much"
        return scripted(trial)

    made = evaluation("right", tasks={name: SUITE[name] for name in "abc"})
    made.make_model = breaking
    made.run()
    report = gather(made)
    broken = next(each for each in report.outcomes if each.task == "b")
    assert "--limits takes memory" in broken.fault
    assert row(report, "right")["right"] == "2 of 2"
    assert "1 broke and count for nothing" in report.head


def test_one_budget_holds_for_all_runs_and_a_second_start_with_more_goes_on(evaluation):
    def dear(trial):
        return ScriptedModel(right(trial.task.name), usage=Usage(input=4000, output=20), prices=PRICES)

    made = evaluation("right", jobs=3, budget=Decimal(25), make_model=dear)
    made.run()
    assert made.exhausted
    assert 0 < made.missing < 4
    assert sum(each.cost for each in made.outcomes.values()) <= Decimal(25)
    before = {each.run for each in made.outcomes.values()}
    again = evaluation("right", jobs=3, budget=Decimal(90), make_model=dear)
    assert {each.run for each in again.outcomes.values()} == before
    again.run()
    assert again.missing == 0
    assert before <= {each.run for each in again.outcomes.values()}


def test_a_price_that_is_unknown_is_told_before_anything_is_spent(evaluation, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="the price of nowhere is unknown"):
        evaluation(
            "nowhere",
            budget=Decimal(1),
            make_model=lambda trial: None,
            arguments={"base_url": "http://192.0.2.1/v1"},
        )
    assert not (tmp_path / "out").exists()


def test_ctrl_c_keeps_what_is_done_and_a_second_start_goes_on(evaluation):
    def slow(trial):
        replies = [code("import time\ntime.sleep(60)")] if trial.task.name == "c" else right(trial.task.name)
        return ScriptedModel(replies, prices=PRICES)

    def tell(outcome):
        if outcome.task == "b":
            threading.Timer(2, signal.raise_signal, [signal.SIGINT]).start()

    made = evaluation("right", jobs=1, make_model=slow)
    made.run(tell)
    assert made.stopped
    assert sorted(each.task for each in made.outcomes.values()) == ["a", "b"]
    again = evaluation("right")
    assert len(again.outcomes) == 2
    told = []
    again.run(told.append)
    assert sorted(each.task for each in told) == ["c", "d"]
    assert row(gather(again), "right")["right"] == "4 of 4"


def test_a_task_that_has_changed_is_run_anew(evaluation):
    evaluation("right", tasks={"a": SUITE["a"], "b": SUITE["b"]}).run()
    changed = {"a": SUITE["a"], "b": SUITE["b"].replace("to 7", "to seven, which is 7")}
    again = evaluation("right", tasks=changed)
    assert [each.task for each in again.outcomes.values()] == ["a"]


def test_repeats_count_each_task_once_for_the_interval(evaluation):
    made = evaluation("right", "lying", tasks={"a": SUITE["a"], "b": SUITE["b"]}, repeats=2)
    made.run()
    report = gather(made)
    assert row(report, "right")["right"] == "4 of 4"
    assert row(report, "right")["95% interval"] == "34% to 100%"  # Wilson for 2 of 2
    assert report.pairings[0].tasks == 2


def test_prompts_are_compared_as_models_are(evaluation):
    made = evaluation("right")
    made.contenders = [Contender("right", "p.md", "Be brief."), Contender("right", "q.md", "Be thorough.")]
    asked = []

    def remembering(trial):
        asked.append(scripted(trial))
        return asked[-1]

    made.make_model = remembering
    made.run()
    said = [str(model.requests[0].messages) for model in asked]
    assert sum("Be brief." in each for each in said) == sum("Be thorough." in each for each in said) == 4
    assert [score.contender for score in gather(made).scores] == ["right + p.md", "right + q.md"]


def test_what_a_run_cannot_reach_is_the_users(evaluation, monkeypatch, tmp_path):
    """Neither settings of the environment nor AGENTS.md of the folder change what is measured."""
    tmp_path.joinpath("AGENTS.md").write_text("Answer in French.")
    monkeypatch.chdir(tmp_path)
    asked = []

    def remembering(trial):
        asked.append(scripted(trial))
        return asked[-1]

    made = evaluation("right", tasks={"a": SUITE["a"]}, make_model=remembering, variables={"AGENTLOOP_CACHE": "1"})
    made.run()
    assert "French" not in str(asked[-1].requests)
    assert not Path(".agentloop").exists()


def test_a_variable_that_should_not_be_there_and_one_that_is_no_data_are_told(evaluation):
    tasks = {
        "a": """goal = "Refuse."\nchecks = ["status == 'not_met'"]\nguards = ["'a' not in values"]""",
        "b": SUITE["b"],
        "c": SUITE["c"],
    }
    scripts = {
        "a": [code("a = 1"), finish("It cannot be done.", goal_met=False)],
        "b": [code("class B: pass\nb = B()"), finish("b is 7")],
        "c": [code("print(7)"), finish("it is 7")],
    }
    made = evaluation("x", tasks=tasks, make_model=lambda trial: ScriptedModel(scripts[trial.task.name]))
    made.run()
    why = {each.task: [judged.why for judged in each.judged] for each in made.outcomes.values()}
    assert [each.right for each in made.outcomes.values()] == [False] * 3
    assert why["b"] == ["b: a B cannot be handed over as data"]
    assert why["c"] == ["there is no variable c"]
