"""SQLite: through a connection the person has, with an authorizer that lets only reading through."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from typing import Any

from agentloop_nb.sql.errors import WRITING, QueryRefused
from agentloop_nb.sql.frames import of_rows

_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
_DENIED = {"load_extension", "writefile", "readfile", "edit", "fts3_tokenizer", "lsmode", "zipfile"}
"""Functions of SQLite and its shell that reach beyond the database."""
MAX_VALUE = 16 << 20
"""Bytes of one value that a query may make."""
INSTRUCTIONS = 2000
"""Steps of the engine between two looks at whether the step was stopped."""


def through(connection: sqlite3.Connection, sql: str) -> Any:
    """Carry a SELECT out. It runs on this thread, to which the connection belongs. Raises `QueryRefused`."""
    stopped: list[BaseException] = []
    with ExitStack() as stack:
        before = connection.getlimit(sqlite3.SQLITE_LIMIT_LENGTH)
        stack.callback(connection.setlimit, sqlite3.SQLITE_LIMIT_LENGTH, before)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
        stack.callback(connection.set_progress_handler, None, INSTRUCTIONS)
        connection.set_progress_handler(lambda: _look(stopped), INSTRUCTIONS)
        stack.callback(connection.set_authorizer, None)
        connection.set_authorizer(_authorize)
        cursor = connection.cursor()
        stack.callback(cursor.close)
        try:
            cursor.execute(sql)
            if cursor.description is None:
                raise QueryRefused(WRITING)
            return of_rows(cursor.fetchmany, [column[0] for column in cursor.description])
        except sqlite3.Error as error:
            if "interrupted" in str(error):
                raise stopped[0] if stopped else KeyboardInterrupt from None
            if "not authorized" in str(error) or "prohibited" in str(error):
                raise QueryRefused(f"{WRITING} (SQLite: {error})") from None
            raise


def _look(stopped: list[BaseException]) -> int:
    """Let Python raise what is due, a stop or a time limit; the engine then ends the query."""
    try:
        for _ in range(3):
            pass
    except BaseException as due:  # noqa: BLE001 - raised again outside the engine
        stopped.append(due)
        return 1
    return 0


def _authorize(action: int, _: str | None, name: str | None, *__: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_DENY if (name or "").lower() in _DENIED else sqlite3.SQLITE_OK
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY
