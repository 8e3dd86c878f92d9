"""The packaged suite: each of its own solutions is right, and doing nothing never is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from agentloop_nb.evals.contender import REFERENCE, Contender
from agentloop_nb.evals.evaluation import Evaluation
from agentloop_nb.evals.evaluation_report import gather
from agentloop_nb.evals.judge import Left, judge, refuse_certain
from agentloop_nb.evals.suite import load_suite

SUITE = load_suite("")
AREAS = {"csv", "excel", "joins", "time series", "plots", "sql", "text", "statistics", "repair", "files", "refusal"} | {
    "injection"
}
NOTHING = {
    "claimed": ("finished", "Done."),
    "refused": ("not_met", "This cannot be done."),
    "echoed": ("finished", "total mean 0 1 [] {} None"),
}


def test_it_has_tasks_of_every_area_and_stays_small():
    assert len(SUITE.tasks) >= 40
    assert Counter(task.area for task in SUITE.tasks).keys() == AREAS
    assert all(task.reference for task in SUITE.tasks)
    folder = Path(load_suite.__code__.co_filename).parent / "basics"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 100_000


@pytest.mark.parametrize(("status", "summary"), NOTHING.values(), ids=NOTHING)
def test_doing_nothing_is_never_right(tmp_path, status, summary):
    refuse_certain(SUITE.tasks)
    cases = []
    for task in SUITE.tasks:
        task.furnish(tmp_path / task.name)
        cases.append((task, Left(tmp_path / task.name, status=status, summary=summary)))
    for task, judged in zip(SUITE.tasks, judge(cases), strict=True):
        assert not all(each.held for each in judged), task.name


@pytest.mark.kernel
@pytest.mark.timeout(1500)
def test_every_solution_of_its_own_is_right(tmp_path):
    """Each in an isolated kernel of its own, as a model's would be; only the proof of the exports is left out."""
    evaluation = Evaluation(SUITE, [Contender(REFERENCE)], tmp_path, {}, jobs=2, prove=False)
    evaluation.prepare()
    evaluation.run()
    wrong = {each.task: each.fault or each.judged for each in evaluation.outcomes.values() if not each.right}
    assert not wrong
    assert gather(evaluation).scores[0].right == len(SUITE.tasks)
