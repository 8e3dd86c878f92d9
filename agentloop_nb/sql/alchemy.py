"""SQLAlchemy: the driver's connection behind an engine or a connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agentloop_nb.sql.errors import QueryRefused


@contextmanager
def driver_connection(source: Any, name: str) -> Iterator[Any]:
    """Lend the connection of the database's own driver. Raises `QueryRefused` for what has none."""
    kind = type(source).__name__
    if kind == "Engine":
        borrowed = source.raw_connection()
        try:
            yield borrowed.driver_connection
        finally:
            borrowed.close()  # back to its pool
        return
    if kind != "Connection":
        raise QueryRefused(f"{name} is SQLAlchemy's {kind}; source is an Engine or a Connection")
    if source.closed:
        raise QueryRefused(f"{name} is closed; name the engine")
    yield source.connection.driver_connection
