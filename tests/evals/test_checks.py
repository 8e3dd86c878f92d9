"""Checks on what a run left: values, files, tables, figures, text and status, each right and wrong."""

from __future__ import annotations

import sqlite3
from datetime import date

import numpy as np
import pandas as pd
import pytest

from agentloop_nb.evals.check_process import FIGURES

FRAME = pd.DataFrame({"city": ["Rome", "Oslo"], "total": [10.0, 50.0]})
FIGURE = {
    "name": "fig",
    "title": "",
    "axes": [
        {
            "title": "Sales",
            "xlabel": "city",
            "ylabel": "",
            "xscale": "linear",
            "yscale": "log",
            "legend": ["a"],
            "lines": [{"label": "a", "x": [1, 2], "y": [3.0, 4.0]}],
            "bars": {"Rome": 10.0, "Oslo": 50.0},
            "points": [[[1.0, 2.0]]],
        }
    ],
}
VALUES = {
    "total": 60,
    "share": 0.30000001,
    "names": ["a", "b"],
    "means": {"Rome": np.float64(1.5)},
    "array": np.array([1.0, 2.0]),
    "series": pd.Series({"Rome": 10.0, "Oslo": 50.0}),
    "day": date(2024, 2, 29),
    "clean": FRAME,
    "nothing": None,
    "sum_": 1,
    FIGURES: [FIGURE],
}
FILES = {
    "a.txt": "one\n\ntwo\n",
    "b.json": '{"n": 3}',
    "c.csv": "city,total\nOslo,50\nRome,10\n",
    "d.tsv": "city\ttotal\nOslo\t50\n",
}
HOLD = [
    "total == 60",
    "close(share, 0.3, tol=1e-6)",
    "names == ['a', 'b']",
    "close(means, {'Rome': 1.5})",
    "close(array, [1, 2])",
    "close(series, {'Oslo': 50, 'Rome': 10})",
    "str(day) == '2024-02-29'",
    "list(clean.columns) == ['city', 'total']",
    "same_table(clean, {'city': ['Oslo', 'Rome'], 'total': [50, 10]})",
    "same_table(clean, table('c.csv'))",
    "same_table(clean, [{'total': 10, 'city': 'Rome'}, {'total': 50, 'city': 'Oslo'}], ordered=True)",
    "same_table(table('d.tsv'), {'city': ['Oslo'], 'total': [50]})",
    "nothing is None",
    "values['total'] == 60 and 'absent' not in values",
    "lines('a.txt') == ['one', 'two']",
    "text('a.txt').startswith('one')",
    "data('b.json')['n'] == 3",
    "files == ['a.txt', 'b.json', 'c.csv', 'd.tsv', 'x.db']",
    "sql('x.db', 'select sum(n) from t') == [(6,)]",
    "close(bars('fig'), {'Rome': 10, 'Oslo': 50})",
    "line()['y'] == [3, 4] and line()['label'] == 'a'",
    "points() == [[1, 2]]",
    "figure('fig')['axes'][0]['yscale'] == 'log'",
    "said(1234.5) and said(-3) and said('the Total')",
    "answers['mean'] == '2.50'",
    "answers_match({'mean': '2.5', 'name': 'Rome'})",
    "final_answer == 'Oslo, Rome'",
    "answer_is('Rome, Oslo')",
    "status == 'finished'",
    "all(n > 0 for n in [total, share])",
    "[total for _ in range(2)] == [60, 60]",
    "pd.api.types.is_float_dtype(clean.total) and np.isfinite(share)",
]
FAIL = [
    ("total == 61", "total is 60"),
    ("close(total, 61)", "60 is not 61"),
    ("close(array, [1, 3])", "2.0 at [1] is not 3"),
    ("close(means, {'Oslo': 1})", "the keys are ['Rome'], not ['Oslo']"),
    ("close(names, ['a'])", "there are 2 items, not 1"),
    ("close(True, 1)", "True is not 1"),
    ("same_table(clean, {'city': ['Rome'], 'total': [10]})", "there are 2 rows, not 1"),
    ("same_table(clean, {'town': ['a', 'b'], 'total': [10, 50]})", "the columns are"),
    ("same_table(clean, {'city': ['Oslo', 'Rome'], 'total': [50, 10]}, ordered=True)", "row 0, city"),
    ("same_table(total, clean)", "a int is no table"),
    ("absent == 1", "there is no variable absent"),
    ("model.x == 1", "model: a Model cannot be handed over"),
    ("exists('nowhere')", "there is no file nowhere"),
    ("text('nowhere') == ''", "there is no file nowhere"),
    ("text('../packed/0/value.json') != ''", "there is no file"),
    ("sql('x.db', 'insert into t values (9)') == []", "readonly"),
    ("said('nobody')", "the answer does not say nobody"),
    ("said(12345)", "the answer does not say 12345"),
    ("answers_match({'mean': '2.51'})", "@mean is 2.50, not 2.51"),
    ("answers_match({'median': '2'})", "@median is missing"),
    ("answer_is('Rome')", "the answer is Oslo, Rome, not Rome"),
    ("figure('other')['title'] == ''", "there is no figure other"),
    ("total", "it yields a int, not True or False"),
    ("total / 0 == 1", "ZeroDivisionError"),
    ("open('a.txt') == 1", "there is no variable open"),
    ("unchanged('a.txt')", "a.txt was changed"),
    ("expected('z.csv') is None", "lists no z.csv"),
    ("sum([total]) == 1", "sum([total]) is 60"),
]
SUMMARY = "**The  total** is 1,234.5, the change −3.\n@mean[2.50] @name[Rome]\nAnswer: Oslo, Rome."


@pytest.fixture
def holds(judged, tmp_path):
    def evaluate(expression):
        folder = tmp_path / "left"
        folder.mkdir(exist_ok=True)
        if not folder.joinpath("x.db").exists():
            with sqlite3.connect(folder / "x.db") as connection:
                connection.executescript("create table t (n); insert into t values (1), (2), (3);")
            connection.close()
        refused = {"model": "a Model cannot be handed over as data"}
        return judged(expression, FILES, values=VALUES, refused=refused, status="finished", summary=SUMMARY)

    return evaluate


def test_checks_hold(holds):
    for expression in [" and ".join(f"({each})" for each in HOLD)]:
        assert holds(expression)[2:] == (True, "")


@pytest.mark.parametrize("expression", HOLD[::6])
def test_each_holds_alone(holds, expression):
    assert holds(expression)[2:] == (True, "")


def test_checks_fail_and_say_why(judged, tmp_path, holds):
    from agentloop_nb.evals.judge import Left, judge
    from agentloop_nb.evals.task import Criterion, Task

    holds("total == 60")  # puts files and values there
    task = Task("one", "a goal", tuple(Criterion(each) for each, _ in FAIL), inline={"a.txt": "before"})
    left = Left(
        tmp_path / "left",
        tmp_path / "packed",
        list(VALUES),
        {"model": "a Model cannot be handed over as data"},
        "finished",
        SUMMARY,
    )
    for found, (expression, why) in zip(judge([(task, left)])[0], FAIL, strict=True):
        assert not found.held, expression
        assert why in found.why, expression


@pytest.mark.parametrize("name", ["len", "close", "values", "sorted", "status"])
def test_a_runs_variable_never_stands_for_a_helper(judged, name):
    assert judged("len([1]) == 1 and close(1, 1) and sorted([2, 1]) == [1, 2]", values={name: 0, "x": 1}).held


def test_values_that_were_tampered_with_are_no_values(judged, tmp_path):
    place = tmp_path / "packed" / "0"
    place.mkdir(parents=True)
    place.joinpath("value.json").write_text('{"is": "os.system", "text": "true"}')
    found = judged("total == 1", values={}, refused={})
    assert found.why == "there is no variable total"


def test_a_check_that_never_ends_is_ended(judged, monkeypatch):
    import agentloop_nb.evals.judge as judge

    monkeypatch.setattr(judge, "SPARE", 2)
    monkeypatch.setattr(judge, "SECONDS", 1)
    found = judged("len([total for _ in range(10**12)]) == 1", values={"total": 1})
    assert not found.held
    assert "took longer" in found.why


@pytest.mark.parametrize(
    ("given", "wanted", "same"),
    [
        ("3.14", "3.14", True),
        ("3.141", "3.14", True),
        ("3.15", "3.14", False),
        ("about 1,234.50 EUR", "1234.50", True),
        ("12%", "12", True),
        ("12", "13", False),
        ("Rome", "rome", True),
        ("Credit Card", "credit-card", True),
        ("Oslo", "Rome", False),
        ("a, b, c", "c, b, a", True),
        ("a, b", "a, b, c", False),
        ("1.0, 2", "2, 1.0", True),
        ("NL: 5, BE: 7", "BE:7, NL:5", True),
        ("Not Applicable", "not applicable", True),
        ("", "3", False),
    ],
)
def test_closed_answers(given, wanted, same):
    from agentloop_nb.evals.closed_answers import same_answer

    assert same_answer(given, wanted) is same


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("total == 1", {"total"}),
        ("close(total, limit)", {"total", "limit"}),
        ("values['len'] == 1", {"len"}),
        ("'profit' not in values and values.get('cost') is None", {"profit", "cost"}),
        ("[x for x in rows] == []", {"rows"}),
        ("said('total') and status == 'finished'", set()),
    ],
)
def test_the_variables_that_a_check_looks_at_are_known(expression, names):
    from agentloop_nb.evals.expressions import variables_in

    assert variables_in(expression) == names
