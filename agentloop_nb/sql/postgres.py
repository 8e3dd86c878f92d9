"""PostgreSQL: beside a connection the person has, on one of its own that cannot write."""

from __future__ import annotations

import re
from typing import Any

from agentloop_nb.sql.cutting import cuttable
from agentloop_nb.sql.errors import WRITING, QueryRefused
from agentloop_nb.sql.frames import of_rows

_WORDS = re.compile(r"\w[\w$]*")
_HARMLESS = frozenset(
    {"random", "random_normal", "clock_timestamp", "timeofday", "gen_random_uuid", "statement_timestamp"}
)
"""Functions that answer differently each time, and change nothing."""
_VOLATILE = """
SELECT DISTINCT proname FROM pg_catalog.pg_proc
WHERE provolatile = 'v' AND prorettype <> 'trigger'::regtype AND proname = ANY(%s)
"""
NOT_SEEN = "It ran on a connection of its own: rows that yours has not committed and its temporary tables are not seen."


def through(connection: Any, sql: str) -> Any:
    """Carry a SELECT out where `connection` leads to. Raises `QueryRefused`."""
    sql = _one_statement(sql)
    own = _opened_beside(connection)
    try:
        return cuttable(lambda: _read(own, sql), own.cancel, own.close)
    except Exception as error:  # noqa: BLE001 - each driver has its own
        raise _explained(error) from None


def _read(own: Any, sql: str) -> Any:
    _refuse_effects(own, sql)
    return _fetched(own, sql)


def _one_statement(sql: str) -> str:
    """Return it without its end. Raises `QueryRefused` for several, and for names that cannot be read here."""
    bare = sql.strip().rstrip(";").rstrip()
    if ";" in bare:
        raise QueryRefused(f"a semicolon stands only at the end; {WRITING}")
    if re.search(r"u&\s*[\"']", bare, re.IGNORECASE):
        raise QueryRefused('write names and texts without U&"..."')
    return bare


def _opened_beside(connection: Any) -> Any:
    """Connect once more to the same database, read-only from the first statement on."""
    options = "-c default_transaction_read_only=on -c idle_in_transaction_session_timeout=60s"
    found = {**_parameters(connection), "options": options}
    if type(connection).__module__.startswith("psycopg2"):
        import psycopg2

        own = psycopg2.connect(**found)
    else:
        import psycopg

        own = psycopg.connect(**found)
    own.autocommit = False
    return own


def _parameters(connection: Any) -> dict[str, Any]:
    """Where a connection leads, with the password that `dsn` leaves out."""
    if connection.closed:
        raise QueryRefused("the connection is closed; open it again")
    info = connection.info
    found = dict(info.dsn_parameters if hasattr(info, "dsn_parameters") else info.get_parameters())
    return found | ({"password": info.password} if info.password else {})


def _refuse_effects(own: Any, sql: str) -> None:
    """Raise `QueryRefused` where a name is that of a function with effects: a transaction does not stop them all."""
    words = set(_WORDS.findall(sql))
    with own.cursor() as cursor:
        cursor.execute(_VOLATILE, [sorted(words | {word.lower() for word in words})])
        found = sorted({name for (name,) in cursor.fetchall()} - _HARMLESS)
    if found:
        raise QueryRefused(
            f"the function {found[0]} is not carried out here, because it may have effects; use run_code"
        )


def _fetched(own: Any, sql: str) -> Any:
    """Return a cursor of the server's, which holds one query and nothing else."""
    with own.cursor(name="agentloop") as cursor:
        cursor.execute(sql)
        rows = cursor.fetchmany(1)
        columns = [column[0] for column in cursor.description or ()]
        first = [rows]
        return of_rows(lambda count: first.pop() if first else cursor.fetchmany(count), columns)


def _explained(error: Exception) -> Exception:
    """Return what the server says, in a line; what it will not do here, with what to do instead."""
    state = str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or "")
    told = " ".join(str(error).split())[:300]
    if state == "25006":
        return QueryRefused(f"{WRITING} (PostgreSQL: {told})")
    if state == "42601":
        return QueryRefused(f"this is no SELECT that PostgreSQL reads: {told}")
    return error
