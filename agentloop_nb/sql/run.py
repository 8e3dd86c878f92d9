"""What a step of `query` runs in the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentloop_nb.sql import answers
from agentloop_nb.sql.errors import QueryRefused

_POSTGRES = ("psycopg.Connection", "psycopg2.extensions.connection")


def run(sql: str, namespace: Mapping[str, Any], source: str | None) -> Any:
    """Carry a SELECT out, and return a DataFrame. Raises `QueryRefused`, or what the engine raises."""
    if source is None:
        from agentloop_nb.sql import duck

        return duck.over_variables(sql, namespace)
    if source not in namespace:
        raise QueryRefused(f"there is no variable {source!r}; source is the name of a connection")
    return _through(namespace[source], sql, source)


def _through(connection: Any, sql: str, source: str) -> Any:
    kind = f"{type(connection).__module__}.{type(connection).__name__}"
    if kind == "sqlite3.Connection":
        from agentloop_nb.sql import lite

        return _noted(sql, lite.through(connection, sql))
    if type(connection).__name__ == "DuckDBPyConnection":
        from agentloop_nb.sql import duck

        return _noted(sql, duck.through(connection, sql))
    if kind in _POSTGRES:
        from agentloop_nb.sql import postgres

        return _noted(sql, postgres.through(connection, sql), outside=True)
    if kind.startswith("sqlalchemy."):
        from agentloop_nb.sql.alchemy import driver_connection

        with driver_connection(connection, source) as driver:
            return _through(driver, sql, source)
    raise QueryRefused(
        f"{source} is not a connection that query reads through, it is a {type(connection).__name__} of "
        f"{kind.partition('.')[0]}; name one of DuckDB, sqlite3, psycopg, or SQLAlchemy over these, or use run_code: "
        f"pd.read_sql(sql, {source})"
    )


def _noted(sql: str, frame: Any, *, outside: bool = False) -> Any:
    answers.note(sql, frame, outside=outside)
    return frame
