"""SQL over the live namespace: results as the exported cell gives them, stopped at once, undone, recorded."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

import pandas as pd

from agentloop_nb.actions import Query
from agentloop_nb.actions.registry import choose
from agentloop_nb.decision import parse
from agentloop_nb.errors import DecisionError
from agentloop_nb.notebook.kernel import cell_history
from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace
from agentloop_nb.notebook.kernel.private_shell import private_shell
from agentloop_nb.sql.answers import source_of
from agentloop_nb.sql.cells import as_cell, plain_cell, step_code
from agentloop_nb.testing import FakeWeb, decide


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    found = KernelWorkspace(private_shell(), web=FakeWeb(), folder=tmp_path)
    names = set(found.shell.user_ns)
    cell_history._ran.pop(found.shell, None)
    yield found
    for name in set(found.shell.user_ns) - names:
        found.shell.user_ns.pop(name, None)


async def asked(workspace: KernelWorkspace, sql: str, step: int = 1, timeout: int = 30, **fields: Any):
    action = Query.model_validate({"sql": sql, **fields}, context={"timeout": timeout})
    return action, await action.perform(workspace, step=step, on_output=lambda output: None)


def frame() -> pd.DataFrame:
    return pd.DataFrame({"region": ["N", "S", "N"], "sales": [10, 20, 30]})


async def test_a_table_by_its_name_is_bound_and_shown(workspace):
    workspace.shell.user_ns["df"] = frame()
    action, result = await asked(workspace, "SELECT region, sum(sales) AS s FROM df GROUP BY 1 ORDER BY 1", into="by")
    assert result.success, result.output
    assert workspace.shell.user_ns["by"]["s"].tolist() == [40, 20]
    assert "40.0" in result.output
    assert "As float64, which may round: s (HUGEINT)." in result.output
    assert "added by: DataFrame 2 x 2" in result.output
    assert [change.name for change in result.changes] == ["by"]
    assert result.metadata["query"]["tables"] == ["df"]
    (cell,) = action.cells(result, 1)
    assert cell.source.startswith('import duckdb\n\nby = duckdb.sql("""SELECT')
    assert "agentloop" not in cell.source


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ("sum(sales)", "x (HUGEINT)"),
        ("1.50::DECIMAL(10, 2)", "x (DECIMAL(10,2))"),
        ("sum(1.5)", "x (DECIMAL(38,1))"),
        ("'sum('", ""),
        ("sum(sales)::BIGINT", ""),
        ("avg(sales)", ""),
        ("max(sales)", ""),
        ("SUM(sales::DOUBLE)", ""),
    ],
)
async def test_a_type_that_changes_is_told_from_the_column_itself(column, told, workspace):
    workspace.shell.user_ns["df"] = frame()
    _, result = await asked(workspace, f"SELECT {column} AS x FROM df")
    assert result.success, result.output
    assert (f"As float64, which may round: {told}." in result.output) is bool(told)
    assert ("As float64" in result.output) is bool(told)


async def test_undo_takes_the_result_back(workspace):
    workspace.shell.user_ns |= {"df": frame(), "by": 1}
    await asked(workspace, "SELECT * FROM df", into="by")
    undone = workspace.undo(1)
    assert undone.names == ("by",)
    assert workspace.shell.user_ns["by"] == 1


async def test_a_later_run_is_told_the_plain_cell(workspace):
    workspace.shell.user_ns["df"] = frame()
    await asked(workspace, "SELECT * FROM df", into="x")
    (noted,) = workspace.history()
    assert noted == 'import duckdb\n\nx = duckdb.sql("""SELECT * FROM df""").df()\nx'


async def test_files_of_the_folder_are_tables(workspace, tmp_path):
    frame().to_csv(tmp_path / "sales.csv", index=False)
    workspace.shell.user_ns["df"] = frame()
    sql = "SELECT count(*) AS n FROM 'sales.csv' a JOIN df USING (region), read_csv(['./sales.csv'])"
    _, result = await asked(workspace, sql)
    assert result.success, result.output
    assert sorted(result.metadata["query"]["files"]) == ["./sales.csv", "sales.csv"]


async def test_a_connection_of_sqlite_and_one_of_duckdb(workspace, tmp_path):
    import duckdb

    lite, duck = sqlite3.connect(tmp_path / "a.db"), duckdb.connect(":memory:")
    lite.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2);")
    duck.execute("CREATE TABLE t AS SELECT range AS a FROM range(5)")
    workspace.shell.user_ns |= {"lite": lite, "duck": duck}
    action, result = await asked(workspace, "SELECT sum(a) AS s FROM t", source="lite", into="x")
    assert workspace.shell.user_ns["x"]["s"].tolist() == [3]
    assert 'x = pd.read_sql("""SELECT sum(a) AS s FROM t""", lite)' in action.cells(result, 1)[0].source
    action, result = await asked(workspace, "SELECT count(*) AS n FROM t", source="duck", into="y")
    assert workspace.shell.user_ns["y"]["n"].tolist() == [5]
    assert action.cells(result, 1)[0].source == 'y = duck.sql("""SELECT count(*) AS n FROM t""").df()\ny'
    lite.close(), duck.close()


async def test_a_connection_reads_no_file_by_the_name_of_a_schema_and_table(workspace):
    import duckdb

    duck = workspace.shell.user_ns["duck"] = duckdb.connect(":memory:")
    duck.execute("CREATE SCHEMA shop; CREATE TABLE shop.sales AS SELECT 1 AS a")
    for name in ("shop", "main", "nowhere"):
        Path(f"{name}.csv").write_text("a\n2\n")
        _, result = await asked(workspace, f"SELECT * FROM {name}.csv", source="duck")
        assert "a connection reads its own tables" in result.output
    _, result = await asked(workspace, "SELECT * FROM shop.sales", source="duck", into="x")
    assert workspace.shell.user_ns["x"]["a"].tolist() == [1]
    duck.close()


async def test_a_connection_whose_configuration_is_locked_is_read(workspace):
    import duckdb

    duck = workspace.shell.user_ns["duck"] = duckdb.connect(":memory:")
    duck.execute("CREATE TABLE t AS SELECT 7 AS a; SET lock_configuration=true")
    _, result = await asked(workspace, "SELECT a FROM t", source="duck", into="x")
    assert result.success, result.output
    assert workspace.shell.user_ns["x"]["a"].tolist() == [7]
    duck.close()


ENDLESS = {
    "duckdb": ("SELECT count(*) FROM range(10000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3", None),
    "sqlite": ("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c", "lite"),
}


@pytest.mark.parametrize("engine", ENDLESS)
async def test_what_runs_on_is_cut_at_its_limit_and_the_connection_lives(engine, workspace):
    sql, source = ENDLESS[engine]
    workspace.shell.user_ns["lite"] = lite = sqlite3.connect(":memory:")
    _, result = await asked(workspace, sql, timeout=1, source=source)
    assert not result.success
    assert "stopped after 1 s" in result.error
    assert lite.execute("SELECT 1").fetchone() == (1,)
    lite.close()


WRONG = {
    "no sql": "this is no SQL that DuckDB reads",
    "SELECT * FROM nowhere": "there is no variable 'nowhere'",
    "SELECT * FROM alist": "alist is a list, not a table; make it one with run_code: pd.DataFrame(alist)",
    "SELECT * FROM series": "series.to_frame()",
    "SELECT nothing FROM df": "nothing",
    "DROP TABLE df": "only one SELECT",
    "SELECT * FROM 'gone.csv'": "there is no file 'gone.csv'",
}


@pytest.mark.parametrize("sql", WRONG)
async def test_what_is_wrong_is_told_to_the_model(sql, workspace):
    workspace.shell.user_ns |= {"df": frame(), "alist": [1], "series": pd.Series([1])}
    action, result = await asked(workspace, sql)
    assert not result.success
    assert WRONG[sql] in result.output
    (cell,) = action.cells(result, 1)
    assert cell.cell_type == "markdown"


async def test_a_result_beyond_the_bounds_is_refused(workspace):
    _, result = await asked(workspace, "SELECT * FROM range(1000001)")
    assert "more than 1,000,000 rows; aggregate, or add a LIMIT" in result.error
    _, result = await asked(workspace, "SELECT repeat('x', 20000) FROM range(40000)")
    assert "more than 512 MB" in result.error


@pytest.mark.parametrize(
    ("privacy", "shown"), [("full", "N"), ("schema", "added x: DataFrame 3 x 2"), ("none", "added x")]
)
async def test_values_are_withheld_where_that_was_asked_for(privacy, shown, workspace):
    workspace.shell.user_ns["df"] = frame().assign(region=["Nord-7", "Sud-7", "Nord-7"])
    workspace.privacy = privacy
    _, result = await asked(workspace, "SELECT * FROM df", into="x")
    assert shown in result.output
    assert ("Nord-7" in result.output) == (privacy == "full")


@pytest.mark.parametrize("privacy", ["full", "schema", "none"])
async def test_a_label_made_of_a_value_is_no_label_to_tell(privacy, workspace):
    workspace.shell.user_ns["df"] = frame().assign(**{"Nord-7": [1, 2, 3]})
    workspace.privacy = privacy
    _, result = await asked(workspace, "SELECT sum(COLUMNS('Nord-7')) FROM df", into="x")
    assert "As float64, which may round: " in result.output
    assert ("Nord-7" in result.output) == (privacy == "full")


TYPES = [
    *("1::TINYINT", "1::SMALLINT", "1::INTEGER", "1::BIGINT", "1::HUGEINT", "1::UTINYINT", "1::UBIGINT", "1.5::FLOAT"),
    *("1.5::DOUBLE", "1.5::DECIMAL(10, 2)", "true", "NULL::BOOLEAN", "'x'", "''", "NULL::VARCHAR", "DATE '2026-01-02'"),
    *("TIMESTAMP '2026-01-02 03:04:05'", "TIMESTAMPTZ '2026-01-02 03:04:05+00'", "TIME '03:04:05'", "INTERVAL 3 DAY"),
    *("[1, 2]", "[]::INTEGER[]", "{'a': 1}", "MAP {'a': 1}", "'x'::BLOB", "uuid_fixed", "NULL::INTEGER", "NULL"),
    *("sum(n)", "avg(n)", "count(*)", "min(n)", "max(s)", "sum(f)", "string_agg(s, ',')", "list(n)", "median(n)"),
    *("'a'::ENUM('a', 'b')", "bool_and(n > 0)", "stddev(n)", "1e300", "'nan'::DOUBLE"),
]


@pytest.mark.parametrize("kind", TYPES)
async def test_the_values_are_those_of_the_exported_cell(kind, workspace):
    kind = kind.replace("uuid_fixed", "'6ccd780c-baba-1026-9564-5b8c656024db'::UUID")
    workspace.shell.user_ns["df"] = pd.DataFrame({"n": [1, 2, 3], "s": ["a", "b", None], "f": [0.5, None, 2.0]})
    action, result = await asked(workspace, f"SELECT {kind} AS v FROM df", into="ours")
    assert result.success, result.output
    cell = action.cells(result, 1)[0].source.replace("ours", "plain")
    outcome = await workspace.run_code(cell, step=2, timeout=60, on_output=lambda output: None)
    assert outcome.ending == "ok", outcome
    pd.testing.assert_frame_equal(workspace.shell.user_ns["ours"], workspace.shell.user_ns["plain"])


LITE_TYPES = ["1", "1.5", "'x'", "NULL", "x'00ff'", "a", "sum(a)", "avg(a)", "max(b)", "total(a)", "count(*)", "b"]


@pytest.mark.parametrize("kind", LITE_TYPES)
async def test_so_are_those_of_sqlite(kind, workspace):
    lite = sqlite3.connect(":memory:")
    lite.executescript("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x'), (2, NULL), (NULL, 'z');")
    workspace.shell.user_ns["lite"] = lite
    await asked(workspace, f"SELECT {kind} AS v FROM t", source="lite", into="ours")
    pd.testing.assert_frame_equal(workspace.shell.user_ns["ours"], pd.read_sql(f"SELECT {kind} AS v FROM t", lite))
    lite.close()


@pytest.mark.parametrize("field", ["a b", "1a", "class", "a.b", "x; import os", "x = 1\ny", "f()"])
@pytest.mark.parametrize("which", ["into", "source"])
def test_a_name_is_a_name_and_no_code(which, field):
    with pytest.raises(DecisionError, match="is no name of a variable"):
        parse(json.dumps(decide("query", sql="SELECT 1", **{which: field})))


@pytest.mark.parametrize(
    "sql", ["SELECT 1", "SELECT '''", 'SELECT """a"""', "SELECT '\\n'", "SELECT 1 -- \n, 2", "x')\nimport os #"]
)
def test_sql_stays_a_text_in_every_cell(sql):
    import ast

    for code in (step_code(sql, None, "x"), plain_cell(sql, None, "x", duckdb=False)):
        calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant) and node.value == sql]
        assert len(calls) == 1
    assert as_cell(step_code(sql, "con", "x")) == plain_cell(sql, "con", "x", duckdb=False)


def test_the_word_of_the_original_is_understood():
    assert parse(json.dumps(decide("database_query", sql="SELECT 1"))).action == Query(sql="SELECT 1")


def test_without_duckdb_it_is_not_offered_and_told_how_to_get_it():
    code = (
        "import sys; sys.modules['duckdb'] = None\n"
        "import importlib.util; find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'duckdb' else find(name, *rest)\n"
        "from agentloop_nb.actions.registry import choose, describe\n"
        "print(describe(choose((), ())))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 'not offered: it needs DuckDB: pip install "agentloop-nb[sql]"' in told
    assert "query" in [action.name for action in choose((), ())]


KEPT = {
    "numbers": pd.DataFrame({"a": [1, 2], "b": [0.1, float("nan")]}),
    "endless": pd.DataFrame({"a": [float("inf"), float("-inf")]}),
    "texts": pd.DataFrame({"a": ["x", 'it\'s "y"\n'], "b": [True, False]}),
    "missing": pd.DataFrame({"a": ["x", None], "b": [None, None]}),
    "moments": pd.DataFrame({"a": pd.to_datetime(["2024-01-01 00:00:00.0", "2024-01-02 10:00:00.5"])}),
    "days": pd.DataFrame({"a": [pd.Timestamp("2024-02-29").date(), None]}),
    "nothing": pd.DataFrame({"a": [], "b": []}),
    "small numbers": pd.DataFrame({"a": pd.Series([1, 2], dtype="int8")}),
    "odd names": pd.DataFrame({"a b": [1], "class": [2], "'": [3]}),
}


@pytest.mark.parametrize("name", KEPT)
def test_an_answer_is_kept_as_source_that_makes_it_again(name):
    source = source_of(KEPT[name])
    assert source
    pd.testing.assert_frame_equal(eval(source, {"pd": pd}), KEPT[name], check_exact=True)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame({"a": [[1], [2]]}),
        pd.DataFrame({"a": [{"b": 1}]}),
        pd.DataFrame({"a": [b"x"]}),
        pd.DataFrame({"a": range(200_000)}),
        pd.DataFrame({"a": ["x" * 200_000]}),
    ],
)
def test_what_source_cannot_make_again_is_not_kept(frame):
    assert source_of(frame) == ""
