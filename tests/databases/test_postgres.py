"""`query` through connections to a real PostgreSQL: reads as `pd.read_sql` does, writes nothing, stops at once."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("psycopg")
pytest.importorskip("psycopg2")
pytest.importorskip("sqlalchemy")

import pandas as pd
import psycopg
import psycopg2
import sqlalchemy

from agentloop_nb.actions import ActionResult, Query
from agentloop_nb.actions.effects import Effects, Queried
from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace
from agentloop_nb.notebook.kernel.private_shell import private_shell
from agentloop_nb.record.visible_cells import _shows
from agentloop_nb.sql.errors import QueryRefused
from agentloop_nb.sql.run import run
from agentloop_nb.testing import FakeWeb
from tests.databases.replaying import asked, replayed_without
from tests.postgres import programs, served
from tests.wire import decision, finish

FOUND = programs()
pytestmark = pytest.mark.skipif(FOUND is None, reason="PostgreSQL is not installed: apt-get install postgresql")
ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000000) b"
SETUP = """
CREATE TABLE sales (region text, amount numeric(10, 2), pieces int, day date, note text);
INSERT INTO sales VALUES ('N', 10.50, 1, '2024-02-29', NULL), ('S', 20.25, 2, '2024-03-01', 'a;b'),
    ('N', 30.00, 3, NULL, 'ü');
CREATE TABLE victims (a int);
INSERT INTO victims VALUES (1);
CREATE SEQUENCE counter;
CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM victims RETURNING 1';
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
"""


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with served(FOUND) as found:
        with psycopg.connect(**found) as connection:
            connection.execute(SETUP)
        yield found


def _url(server: dict[str, str], driver: str) -> str:
    return f"postgresql+{driver}://{server['user']}:{server['password']}@127.0.0.1:{server['port']}/{server['dbname']}"


def _engine(server: dict[str, str]) -> Any:
    return sqlalchemy.create_engine(_url(server, "psycopg"))


OPENED = {
    "psycopg": lambda server: psycopg.connect(**server),
    "psycopg2": lambda server: psycopg2.connect(**server),
    "engine": _engine,
    "engine over psycopg2": lambda server: sqlalchemy.create_engine(_url(server, "psycopg2")),
    "connection": lambda server: _engine(server).connect(),
}


@pytest.fixture(params=OPENED)
def connection(request, server) -> Iterator[Any]:
    found = OPENED[request.param](server)
    yield found
    (found.dispose if hasattr(found, "dispose") else found.close)()


READ = [
    "SELECT * FROM sales",
    "SELECT region, sum(amount) AS total, count(*) AS n FROM sales GROUP BY region ORDER BY region;",
    "SELECT sum(pieces), avg(pieces), max(day) FROM sales",
    "WITH n AS (SELECT * FROM sales WHERE region = 'N') SELECT n.*, s.amount FROM n JOIN sales s USING (region)",
    "SELECT true AS t, 1.5::float8 AS f, 'x' AS s, ARRAY[1, 2] AS a, now()::date = now()::date AS d",
    "SELECT 1 AS a, 2 AS a",
    "SELECT * FROM sales WHERE false",
    "SELECT g, twice(g) FROM generate_series(1, 2500) g",
    "VALUES (1, 'a'), (2, 'b')",
    "SELECT to_json(sales) FROM sales",
    "SELECT * FROM sales WHERE note LIKE '%ü%'",
    "TABLE sales",
]


@pytest.mark.parametrize("sql", READ)
def test_what_it_brings_is_what_the_exported_cell_brings(sql, connection):
    action = Query(sql=sql, source="con")
    workspace = KernelWorkspace(private_shell(), web=FakeWeb())
    workspace.shell.user_ns["con"] = connection
    result = ActionResult(success=True, output="", effects=Effects(query=Queried(**action._of_source(workspace))))
    (cell,) = action.cells(result, 1)
    assert cell.source.startswith("import pandas as pd\n\npd.read_sql")
    there = {"con": connection}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas would rather have SQLAlchemy
        exec(cell.source.replace("pd.read_sql", "x = pd.read_sql"), there)
    pd.testing.assert_frame_equal(run(sql, {"con": connection}, "con"), there["x"])
    del workspace.shell.user_ns["con"]


OUTSIDE = [
    "DELETE FROM victims",
    "INSERT INTO victims VALUES (2)",
    "UPDATE victims SET a = 2",
    "DROP TABLE victims",
    "TRUNCATE victims",
    "CREATE TABLE t AS SELECT 1",
    "SELECT 1 INTO t",
    "WITH x AS (DELETE FROM victims RETURNING *) SELECT * FROM x",
    "WITH x AS (INSERT INTO victims VALUES (3) RETURNING *) SELECT * FROM x",
    "COPY victims TO PROGRAM 'touch {canary}'",
    "COPY victims TO '{canary}'",
    "SELECT 1; DROP TABLE victims",
    "SELECT 1; COMMIT; DELETE FROM victims",
    "COMMIT; DELETE FROM victims",
    "SELECT 1 -- x\n; DELETE FROM victims",
    "SELECT 1 /* /* */ ; */ ; DELETE FROM victims",
    "SELECT wipe()",
    "SELECT * FROM wipe()",
    "SELECT nextval('counter')",
    "SELECT setval('counter', 99)",
    "SELECT lo_import('/etc/passwd')",
    "SELECT \"lo_import\"('/etc/passwd')",
    "SELECT lo_import /* x */ ('/etc/passwd')",
    "SELECT U&\"lo\\005fimport\"('/etc/passwd')",
    "SELECT LO_IMPORT('/etc/passwd')",
    "SELECT lo_export(1, '{canary}')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT * FROM pg_ls_dir('/')",
    "SELECT pg_terminate_backend(1)",
    "SELECT pg_reload_conf()",
    "SELECT pg_sleep(60)",
    "SELECT pg_notify('a', 'b')",
    "SELECT pg_advisory_lock(1)",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SET transaction_read_only = off",
    "SET TRANSACTION READ WRITE",
    "SELECT query_to_xml('DELETE FROM victims', true, true, '')",
    "EXPLAIN ANALYZE DELETE FROM victims",
    "DO 'BEGIN DELETE FROM victims; END'",
    "CALL wipe()",
    "PREPARE p AS DELETE FROM victims",
    "LISTEN a",
    "VACUUM",
    "SELECT * FROM victims FOR UPDATE",
    "BEGIN",
    "",
    "no sql",
]


@pytest.mark.parametrize("sql", OUTSIDE)
def test_what_is_no_reading_is_refused(sql, server, tmp_path):
    canary = tmp_path / "canary"
    with psycopg.connect(**server) as mine:
        with pytest.raises((QueryRefused, psycopg.Error)):
            run(sql.replace("{canary}", str(canary)), {"con": mine}, "con")
        assert mine.execute("SELECT array_agg(a) FROM victims").fetchone() == ([1],)
        assert mine.execute("SELECT last_value, is_called FROM counter").fetchone() == (1, False)
    assert not canary.exists()


@pytest.mark.parametrize("sql", [each for each in OUTSIDE if "wipe" in each or ";" in each or "lo_" in each.lower()])
def test_the_other_driver_refuses_it_too(sql, server):
    mine = psycopg2.connect(**server)
    with pytest.raises((QueryRefused, psycopg2.Error)):
        run(sql, {"con": mine}, "con")
    cursor = mine.cursor()
    cursor.execute("SELECT array_agg(a) FROM victims")
    assert cursor.fetchone() == ([1],)
    mine.close()


def test_the_transaction_of_the_user_stays_as_it_is(server):
    with psycopg.connect(**server) as mine:
        mine.execute("CREATE TEMP TABLE scratch AS SELECT 1 AS a")
        mine.execute("INSERT INTO victims VALUES (7)")
        assert run("SELECT count(*) AS n FROM victims", {"con": mine}, "con")["n"].tolist() == [1], "its own connection"
        mine.execute("INSERT INTO victims VALUES (8)")
        assert mine.execute("SELECT count(*) FROM victims").fetchone() == (3,)
        mine.rollback()


def test_a_closed_connection_is_told_in_one_line(server):
    mine = psycopg.connect(**server)
    mine.close()
    with pytest.raises(QueryRefused, match="the connection is closed; open it again"):
        run("SELECT 1", {"con": mine}, "con")


def test_no_password_stands_in_an_error(server):
    with (
        psycopg.connect(**server) as mine,
        pytest.raises((QueryRefused, psycopg.Error)) as caught,
    ):
        run("SELECT no_such_column FROM sales", {"con": mine}, "con")
    assert "no_such_column" in str(caught.value)
    assert server["password"] not in str(caught.value)


async def test_an_endless_one_is_stopped_at_its_time_limit(connection, server, tmp_path):
    workspace = KernelWorkspace(private_shell(), web=FakeWeb(), folder=tmp_path)
    workspace.shell.user_ns["con"] = connection
    action = Query.model_validate({"sql": ENDLESS, "source": "con"}, context={"timeout": 1})
    result = await action.perform(workspace, step=1, on_output=lambda output: None)
    assert result.error == "TimeoutError: stopped after 1 s"
    del workspace.shell.user_ns["con"]
    busy = "state = 'active' AND query LIKE '%generate_series%' AND pid <> pg_backend_pid()"
    with psycopg.connect(**server, autocommit=True) as mine:
        left = [mine.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {busy}").fetchone()]
        while left[-1] != (0,) and len(left) < 100:
            time.sleep(0.05)
            left.append(mine.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {busy}").fetchone())
    assert left[-1] == (0,), "nothing is left running on the server"


@pytest.mark.parametrize("sql", [each for each in READ if "ARRAY" not in each and "json" not in each])
async def test_the_exported_cell_runs_with_the_database_off(sql, connection, tmp_path):
    workspace = KernelWorkspace(private_shell(), web=FakeWeb(), folder=tmp_path)
    workspace.shell.user_ns["con"] = connection
    action = Query(sql=sql, source="con", into="found")
    result = await action.perform(workspace, step=1, on_output=lambda output: None)
    (cell,) = action.cells(result, 1)
    there: dict[str, Any] = {}
    found = workspace.shell.user_ns["found"]
    if found.columns.duplicated().any():
        assert not result.effects.query.answer, "it cannot be made again"
    else:
        exec(cell.source, there)
        pd.testing.assert_frame_equal(there["found"], found)
        assert _shows({"cell_type": "code", "source": cell.source}, action)
    for name in ("con", "found"):
        del workspace.shell.user_ns[name]


ASKED = [
    decision("query", sql="SELECT region, amount, day FROM sales ORDER BY amount", source="con", into="sales"),
    decision("query", sql="SELECT no_such_column FROM sales", source="con"),
    decision("query", sql="SELECT count(*) AS n FROM sales", source="con"),
    decision("run_code", code="print(len(sales))"),
    finish("done"),
]


@pytest.mark.parametrize("driver", ["psycopg", "engine"])
def test_a_run_is_replayed_from_record_and_notebook_with_the_database_off(driver, server, tmp_path):
    connection = OPENED[driver](server)
    run = asked(tmp_path, {"con": connection}, ASKED)
    (connection.dispose if hasattr(connection, "dispose") else connection.close)()
    assert [result.success for result in run.action_results] == [True, False, True, True, True]
    replayed_without(run, tmp_path)


async def test_a_step_binds_the_result_and_its_cell_is_plain(server, tmp_path):
    workspace = KernelWorkspace(private_shell(), web=FakeWeb(), folder=tmp_path)
    engine = _engine(server)
    workspace.shell.user_ns["engine"] = engine
    action = Query(sql="SELECT region, amount FROM sales ORDER BY amount", source="engine", into="top")
    result = await action.perform(workspace, step=1, on_output=lambda output: None)
    assert result.success, result.output
    assert workspace.shell.user_ns["top"]["amount"].tolist() == [10.5, 20.25, 30.0]
    assert "30.0" in result.output
    for name in ("engine", "top"):
        del workspace.shell.user_ns[name]
    engine.dispose()


def test_sqlite_through_sqlalchemy(tmp_path: Path):
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.begin() as open_:
        open_.execute(sqlalchemy.text("CREATE TABLE t AS SELECT 1 AS a, 'x' AS b"))
    pd.testing.assert_frame_equal(run("SELECT * FROM t", {"e": engine}, "e"), pd.read_sql("SELECT * FROM t", engine))
    with pytest.raises(QueryRefused):
        run("DELETE FROM t", {"e": engine}, "e")
    with engine.connect() as open_:
        assert run("SELECT a FROM t", {"e": open_}, "e")["a"].tolist() == [1]
    with pytest.raises(QueryRefused, match="is closed; name the engine"):
        run("SELECT a FROM t", {"e": open_}, "e")
    with pytest.raises(QueryRefused, match="SQLAlchemy's MetaData"):
        run("SELECT a FROM t", {"e": sqlalchemy.MetaData()}, "e")
    engine.dispose()
