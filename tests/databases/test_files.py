"""Runs over SQLite and DuckDB connections are replayed from what was recorded, with the database gone."""

from __future__ import annotations

import sqlite3

import pytest

pytest.importorskip("duckdb")

import duckdb

from agentloop_nb.actions import ActionResult, Query
from agentloop_nb.actions.effects import Effects, Queried
from agentloop_nb.sql import answers
from tests.databases.replaying import asked, replayed_without
from tests.wire import decision, finish

SETUP = "CREATE TABLE sales (region text, amount real); INSERT INTO sales VALUES ('N', 1.5), ('S', NULL), ('N', 3.0)"
STEPS = [
    decision("query", sql="SELECT region, amount FROM sales ORDER BY region, amount", source="con", into="sales"),
    decision("query", sql="SELECT no_such_column FROM sales", source="con"),
    decision("query", sql="SELECT count(*) AS n FROM sales", source="con"),
    decision("run_code", code="print(len(sales))"),
    finish("done"),
]


def opened(kind: str):
    connection = sqlite3.connect(":memory:") if kind == "sqlite" else duckdb.connect()
    for statement in SETUP.split("; "):
        connection.execute(statement)
    return connection


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_run_is_replayed_with_the_connection_gone(kind, tmp_path):
    connection = opened(kind)
    run = asked(tmp_path, {"con": connection}, STEPS)
    connection.close()
    assert [result.success for result in run.action_results] == [True, False, True, True, True]
    assert not run.state.steps[0].effects.query.answer, "an export asks again"
    replayed_without(run, tmp_path)


DATA = [
    "pd.DataFrame({'a': [1, -2, None, True]}).astype({'a': 'object'})",
    "pd.DataFrame({'a': [1.5, float('nan')], 'b': ['x', 'y']}).astype({'a': 'float64', 'b': 'object'})",
    "pd.DataFrame({'a': [pd.Timestamp('2024-02-29T00:00:00').date()]}).astype({'a': 'object'})",
]
CODE = [
    "__import__('os').system('x')",
    "pd.DataFrame({'a': [__import__('os')]}).astype({})",
    "pd.read_pickle('x')",
    "pd.io.common.os.system('x')",
    "pd.DataFrame({'a': [1]}).to_csv('x')",
    "pd.DataFrame({'a': [1]}).astype({}).__class__",
    "pd.DataFrame(data={'a': [1]}).astype({})",
    "pd.DataFrame({'a': [x for x in y]}).astype({})",
    "pd.DataFrame({'a': [(lambda: 1)()]}).astype({})",
    "open('x')",
    "float.fromhex('1')",
    "pd.DataFrame({}).date().system('x')",
    "no python",
    "",
]


@pytest.mark.parametrize("source", DATA)
def test_an_answer_in_a_record_is_data(source):
    assert answers.again(source) is not None


@pytest.mark.parametrize("source", CODE)
def test_an_answer_that_is_more_than_data_is_not_run(source):
    with pytest.raises(ValueError, match="no readable answer"):
        answers.again(source)
    effects = Effects(query=Queried(answer=source))
    (cell,) = Query(sql="SELECT 1", source="con").cells(ActionResult(success=True, output="", effects=effects), 1)
    assert cell.source.endswith('pd.read_sql("""SELECT 1""", con)')
