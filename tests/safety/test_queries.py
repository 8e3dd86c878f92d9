"""SQL that must not write, read outside, or run on: none gets through, whatever it is written as."""

from __future__ import annotations

import ast
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

import duckdb
import pandas as pd

from agentloop_nb.actions import Query
from agentloop_nb.safety.permission import reasons_to_ask
from agentloop_nb.sql.cells import answer_cell
from agentloop_nb.sql.errors import QueryRefused
from agentloop_nb.sql.run import run
from tests.safety.attacks import ATTACKS, GOAL, OWN, PRINTED
from tests.safety.stories import Done, state_of

CANARY = "canary-7f3a"
OUTSIDE = [
    "COPY df TO 'out.csv'",
    "COPY (SELECT * FROM df) TO 'out.parquet' (FORMAT parquet)",
    "COPY df FROM 'in.csv'",
    "ATTACH 'new.db' AS other",
    "ATTACH 'new.db' AS other; SELECT 1",
    "EXPORT DATABASE 'dump'",
    "IMPORT DATABASE 'dump'",
    "CREATE TABLE t AS SELECT * FROM df",
    "CREATE OR REPLACE TEMP TABLE df AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "CREATE MACRO m(a) AS a + 1",
    "CREATE SECRET s (TYPE s3)",
    "INSERT INTO df VALUES (1)",
    "UPDATE df SET a = 2",
    "DELETE FROM df",
    "DROP TABLE df",
    "ALTER TABLE df ADD COLUMN c INT",
    "TRUNCATE df",
    "PRAGMA database_list",
    "PRAGMA enable_external_access",
    "SET enable_external_access = true",
    "SET GLOBAL allowed_directories = ['/']",
    "RESET allowed_paths",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CALL pragma_version()",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN TRANSACTION",
    "EXPLAIN ANALYZE SELECT * FROM df",
    "EXPLAIN SELECT * FROM df",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "SELECT 1; DROP TABLE df",
    "SELECT 1; COPY df TO 'out.csv'",
    "SELECT 1 /* ; */ ; COPY df TO 'out.csv'",
    "-- a comment\nCOPY df TO 'out.csv'",
    "/* SELECT */ COPY df TO 'out.csv'",
    "WITH x AS (INSERT INTO df VALUES (1) RETURNING *) SELECT * FROM x",
    "WITH x AS (DELETE FROM df RETURNING *) SELECT * FROM x",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_text('.env')",
    "SELECT * FROM read_text('.e' || 'nv')",
    "SELECT * FROM read_csv('/etc/passwd', sep=':', header=false)",
    "SELECT * FROM read_csv('../secret.csv')",
    "SELECT * FROM read_csv(['in.csv', '../secret.csv'])",
    "SELECT * FROM read_csv(getvariable('p'))",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM '../secret.csv'",
    "SELECT * FROM 'link.csv'",
    "SELECT * FROM 'up/secret.csv'",
    "SELECT * FROM '.hidden/secret.csv'",
    "SELECT * FROM '*.csv'",
    "SELECT * FROM '../*.csv'",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM 'http://127.0.0.1:9/a.csv'",
    "SELECT * FROM 's3://bucket/a.parquet'",
    "SELECT * FROM read_json('https://127.0.0.1:9/a.json')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM query('COPY df TO ''out.csv''')",
    "SELECT * FROM query_table('df')",
    "SELECT getenv('HOME')",
    "SELECT current_setting('allowed_directories')",
    "SELECT nextval('s')",
    "SELECT * FROM sqlite_scan('x.db', 't')",
    "SELECT * FROM python_scan",
    "SELECT * FROM namespace",
    "SELECT * FROM secret_list",
    "FROM read_csv('/etc/passwd') SELECT *",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM df WHERE a IN (SELECT 1 FROM read_text('../secret.csv'))",
    "SUMMARIZE FROM '../secret.csv'",
    "DESCRIBE SELECT * FROM '../secret.csv'",
    "PIVOT '../secret.csv' ON a",
    "WITH x AS (COPY df TO 'out.csv') SELECT 1",
    "WITH x AS (COPY df TO 'in.csv') SELECT * FROM x, 'in.csv'",
    "WITH a AS (SELECT 1), x AS (COPY a TO 'out.csv' (FORMAT csv)) SELECT * FROM x",
    "SELECT * FROM df UNION (WITH x AS (COPY df TO 'out.csv') SELECT 1)",
    "SELECT * FROM (WITH x AS MATERIALIZED (UPDATE df SET a = 1 RETURNING *) FROM x)",
    "MERGE INTO df USING df AS s ON true WHEN MATCHED THEN DELETE",
    "COPY FROM DATABASE memory TO other",
    "UPDATE EXTENSIONS",
    "FORCE INSTALL httpfs FROM community",
    "SET VARIABLE p = '/etc/passwd'",
    "CALL enable_logging('QueryLog', storage = 'file', storage_path = 'out')",
    "SELECT * FROM force_checkpoint()",
    "SELECT * FROM truncate_duckdb_logs()",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM read_text(''/etc/passwd'')'))",
    "SELECT * FROM pandas_scan(1)",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT setval('s', 99)",
    "SELECT sleep_ms(600000)",
    "SELECT setseed(0.5)",
    "SELECT main.write_log('x')",
    "SELECT 'HOME'.getenv()",
    "SELECT * FROM pg_catalog.pg_settings",
    "SELECT * FROM main.duckdb_logs",
    'SELECT * FROM "../secret".csv',
    'SELECT * FROM "../secret"."csv", df',
    'SELECT * FROM (SUMMARIZE "../secret".csv)',
    'SELECT * FROM ".hidden/secret".csv',
    'SELECT * FROM memory."../secret".csv',
    'SELECT * FROM "s3://bucket/a".parquet',
    "SELECT * FROM secret.csv",
    "SELECT * FROM (DESCRIBE '../secret.csv')",
    "SELECT (SELECT max FROM (SUMMARIZE '../secret.csv'))",
    "SELECT * FROM read_csv(chr(47) || 'etc/passwd')",
    "SELECT * FROM read_csv((SELECT '/etc/passwd'))",
    "SELECT * FROM read_csv(['in.csv', chr(47) || 'etc/passwd'])",
    "SELECT * FROM read_csv('in.csv' || '/../../secret.csv')",
    "SELECT * FROM read_csv(E'\\x2e\\x2e/secret.csv')",
    "SELECT * FROM $$../secret.csv$$",
    "SELECT * FROM 'in.csv' POSITIONAL JOIN '../secret.csv'",
    "WITH df AS (FROM '../secret.csv') SELECT * FROM df",
    "not sql at all",
    "",
    ";",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, with secrets in and beside it."""
    inner = tmp_path / "work"
    inner.mkdir()
    (tmp_path / "secret.csv").write_text(f"a\n{CANARY}\n", encoding="utf-8")
    (inner / "in.csv").write_text("a\n1\n", encoding="utf-8")
    (inner / ".env").write_text(f"KEY={CANARY}\n", encoding="utf-8")
    (inner / ".hidden").mkdir()
    (inner / ".hidden" / "secret.csv").write_text(f"a\n{CANARY}\n", encoding="utf-8")
    (inner / "link.csv").symlink_to(tmp_path / "secret.csv")
    (inner / "up").symlink_to(tmp_path)
    monkeypatch.chdir(inner)
    return inner


def files(folder: Path) -> set[tuple[str, int]]:
    return {(str(path), path.stat().st_size) for path in folder.parent.rglob("*") if path.is_file()}


def namespace() -> dict[str, Any]:
    return {"df": pd.DataFrame({"a": [1, 2, 3]}), "secret_list": [CANARY], "con": duckdb.connect(":memory:")}


def test_there_are_at_least_sixty() -> None:
    assert len(set(OUTSIDE)) >= 60


@pytest.mark.parametrize("sql", OUTSIDE)
def test_nothing_is_written_and_nothing_outside_is_read(sql: str, folder: Path) -> None:
    there, before = namespace(), files(folder)
    with pytest.raises((QueryRefused, duckdb.Error)):
        run(sql, there, None)
    assert files(folder) == before
    assert there["df"]["a"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("sql", OUTSIDE)
def test_a_connection_of_the_persons_is_no_way_out(sql: str, folder: Path) -> None:
    there = namespace()
    there["con"].execute("CREATE TABLE df AS SELECT range AS a FROM range(3)")
    there["con"].execute("CREATE SEQUENCE s")
    before = files(folder)
    with pytest.raises((QueryRefused, duckdb.Error)):
        run(sql, there, "con")
    assert files(folder) == before
    assert there["con"].execute("SELECT count(*), sum(a) FROM df").fetchone() == (3, 3)


def test_a_table_of_a_schema_is_read_and_a_file_by_its_bare_name(folder: Path) -> None:
    there = namespace()
    there["con"].execute(
        "CREATE SCHEMA raw; CREATE TABLE raw.csv AS SELECT 7 AS a; CREATE TABLE raw.t AS SELECT 8 AS a"
    )
    for name, value in (("raw.csv", 7), ("RAW.t", 8), ("memory.raw.t", 8)):
        assert run(f"SELECT a FROM {name}", there, "con")["a"].tolist() == [value]
    assert run('SELECT a FROM "in".csv', {}, None)["a"].tolist() == [1]


LITE = [
    "INSERT INTO t VALUES (9)",
    "UPDATE t SET a = 9",
    "DELETE FROM t",
    "REPLACE INTO t VALUES (9)",
    "DROP TABLE t",
    "CREATE TABLE u (a)",
    "CREATE TEMP TABLE u AS SELECT 1",
    "ALTER TABLE t ADD COLUMN b",
    "ATTACH 'new.db' AS n",
    "DETACH main",
    "PRAGMA user_version = 7",
    "PRAGMA journal_mode = WAL",
    "SELECT * FROM pragma_database_list",
    "VACUUM INTO 'copy.db'",
    "REINDEX",
    "ANALYZE",
    "BEGIN",
    "COMMIT",
    "SAVEPOINT s",
    "SELECT load_extension('x')",
    "SELECT writefile('out', 'x')",
    "SELECT 1; DELETE FROM t",
    "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
    "EXPLAIN DELETE FROM t",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; END",
    "SELECT zeroblob(100000000)",
    "/* SELECT */ DELETE FROM t",
    "DELETE FROM t RETURNING a",
    "REPLACE INTO t VALUES (1) RETURNING a",
    "SELECT * FROM fsdir('/')",
    "SELECT readfile('/etc/passwd')",
    "ATTACH 'file:new.db?mode=rwc' AS n",
    "CREATE VIRTUAL TABLE z USING csv(filename = '/etc/passwd')",
    "SELECT randomblob(1000000000)",
    "SELECT 1;;",
    "",
    "no sql",
]


@pytest.mark.parametrize("sql", LITE)
def test_sqlite_reads_and_does_nothing_else(sql: str, folder: Path) -> None:
    connection = sqlite3.connect("data.db")
    connection.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2);")
    before = files(folder)
    with pytest.raises((QueryRefused, sqlite3.Error)):
        run(sql, {"con": connection}, "con")
    assert {name for name, _ in files(folder)} == {name for name, _ in before}
    assert connection.execute("SELECT sum(a), count(*) FROM t").fetchone() == (3, 2)
    connection.execute("INSERT INTO t VALUES (3)")  # it is the person's again, and writes
    assert not os.path.lexists(folder / "out")


@pytest.mark.parametrize("value", [5, None, [1], "postgres://x", object(), pd.DataFrame()])
def test_what_is_no_connection_is_told_in_one_line(value: object) -> None:
    with pytest.raises(QueryRefused, match="not a connection"):
        run("SELECT 1", {"con": value}, "con")


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_table_gives_no_orders(attack: str) -> None:
    text, action = ATTACKS[attack]
    assert reasons_to_ask(action, state_of(GOAL, [OWN, PRINTED, Done(Query(sql="SELECT note FROM df"), text)]))


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n", "\r\r", "\0\r", "\x0c\r"])
def test_a_question_above_its_answer_stays_a_comment(end):
    sql = f"SELECT /* {end}import os; os.remove('in.csv'){end} */ 1"
    names = {
        node.id
        for node in ast.walk(ast.parse(answer_cell(sql, "db", "x", "pd.DataFrame()")))
        if isinstance(node, ast.Name)
    }
    assert names == {"pd", "x"}
