"""DuckDB: over variables and files of the folder, or through a connection the person has."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from agentloop_nb.sql import changed_types
from agentloop_nb.sql.cutting import cuttable
from agentloop_nb.sql.errors import QueryRefused
from agentloop_nb.sql.frames import of_chunks
from agentloop_nb.sql.statement import Statement, parse

MEMORY = "2GB"
"""What the engine may use for one query."""
_TABLES = frozenset(
    {("pandas", "DataFrame"), ("polars", "DataFrame"), ("polars", "LazyFrame"), ("pyarrow", "Table")}
) | {
    ("pyarrow", "RecordBatch"),
    ("numpy", "ndarray"),
}
_OWN_TABLES = "a connection reads its own tables; leave source out to read files"
_QUIET = "enable_progress_bar=false"
"""It would be drawn on the process's output."""
_PRIVATE = re.compile(r"(^|[/\\])\.[^./\\]")
"""A file or folder whose name begins with a dot holds settings or keys, never data."""


def over_variables(sql: str, namespace: Mapping[str, Any]) -> Any:
    """Carry a SELECT out over variables and files. Raises `QueryRefused`."""
    import duckdb

    statement = parse(sql)
    paths = [_place(name) for name in statement.taken_for_files]
    tables = {name: _table(name, namespace) for name in statement.tables}
    settings = {"python_enable_replacements": "false", "memory_limit": MEMORY, "temp_directory": ""}
    connection = duckdb.connect(":memory:", config=settings)

    def work() -> Any:
        for name, value in tables.items():
            connection.register(name, value)
        allowed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        for setting in (
            _QUIET,
            f"allowed_paths=[{allowed}]",
            "enable_external_access=false",
            "lock_configuration=true",
        ):
            connection.execute(f"SET {setting}")
        return _fetched(connection, sql)

    return cuttable(work, connection.interrupt, connection.close)


def through(connection: Any, sql: str) -> Any:
    """Carry a SELECT out through a person's connection, in a transaction that cannot write. Raises `QueryRefused`."""
    import duckdb

    statement = parse(sql)
    if statement.reads_files:
        raise QueryRefused(_OWN_TABLES)
    cursor = connection.cursor()

    def work() -> Any:
        with suppress(duckdb.Error):  # its owner may have locked the configuration
            cursor.execute(f"SET {_QUIET}")
        _refuse_files(cursor, statement.qualified)
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        try:
            return _fetched(cursor, sql)
        finally:
            cursor.execute("ROLLBACK")

    return cuttable(work, cursor.interrupt, cursor.close)


def _refuse_files(cursor: Any, qualified: tuple[str, ...]) -> None:
    """Raise `QueryRefused` where a name such as a.csv is a file's: no schema or database stands before the dot, or one
    that lacks such a table, where the engine looks for the file as well.
    """
    cursor.execute("SELECT lower(schema_name), lower(database_name) FROM duckdb_schemas()")
    there = {name for row in cursor.fetchall() for name in row} if qualified else set()
    if any(name.partition(".")[0].lower() not in there or Path(name).exists() for name in qualified):
        raise QueryRefused(_OWN_TABLES)


def _fetched(connection: Any, sql: str) -> Any:
    connection.execute(sql)
    changed_types.note(sql, connection.description)
    return of_chunks(connection.fetch_df_chunk)


def _table(name: str, namespace: Mapping[str, Any]) -> Any:
    if name not in namespace:
        raise QueryRefused(f"there is no variable {name!r}; a file stands in quotes: FROM 'sales.csv'")
    value = namespace[name]
    kind = type(value)
    if (kind.__module__.partition(".")[0], kind.__name__) not in _TABLES:
        hint = f"{name}.to_frame()" if kind.__name__ == "Series" else f"pd.DataFrame({name})"
        raise QueryRefused(f"{name} is a {kind.__name__}, not a table; make it one with run_code: {hint}")
    return value


def _place(name: str) -> str:
    """Return where a file of the folder lies. Raises `QueryRefused` for any other."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", name):
        raise QueryRefused(f"{name!r} is an address; only files of the working folder are read")
    if any(mark in name for mark in "*?["):
        raise QueryRefused(f"{name!r} is a pattern; name the files: read_csv(['a.csv', 'b.csv'])")
    folder = Path.cwd().resolve()
    try:
        place = (folder / name).resolve()
    except (OSError, RuntimeError, ValueError):
        raise QueryRefused(f"{name[:80]!r} is no path") from None
    if not place.is_relative_to(folder):
        raise QueryRefused(f"{name!r} lies outside the working folder")
    inner = place.relative_to(folder).as_posix()
    if _PRIVATE.search(inner) or not place.is_file():
        raise QueryRefused(f"there is no file {name!r} that can be read here")
    return os.fspath(folder / name)


def names_of(sql: str) -> Statement:
    """Return what a SELECT reads; nothing for one that is refused, or where DuckDB is not installed."""
    try:
        found = parse(sql)
        return found._replace(files=found.taken_for_files)
    except (QueryRefused, ImportError):
        return Statement((), ())
