"""Results as DataFrames of a bounded size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from agentloop_nb.sql.errors import QueryRefused

MAX_ROWS = 1_000_000
MAX_BYTES = 512 << 20


def of_chunks(fetch: Callable[[], Any]) -> Any:
    """Put the chunks that `fetch` returns together, until one is empty. Raises `QueryRefused` beyond the bounds."""
    import pandas as pd

    chunks, rows, size = [fetch()], 0, 0
    while len(chunks[-1]):
        rows += len(chunks[-1])
        size += int(chunks[-1].memory_usage(deep=True).sum())
        check(rows, size)
        chunks.append(fetch())
    full = chunks[:-1] or chunks
    return full[0] if len(full) == 1 else pd.concat(full, ignore_index=True)


def of_rows(fetch: Callable[[int], Sequence[Sequence[Any]]], columns: Sequence[str]) -> Any:
    """Fetch rows up to the bounds, and make of them what `pd.read_sql` makes."""
    import pandas as pd

    rows: list[Any] = []
    size = 0
    while batch := fetch(1000):
        rows += batch
        size += sum(len(value) if isinstance(value, str | bytes) else 8 for row in batch for value in row)
        check(len(rows), size)
    return pd.DataFrame.from_records(rows, columns=list(columns), coerce_float=True)


def check(rows: int, size: int) -> None:
    """Raise `QueryRefused` for a result beyond the bounds."""
    if rows > MAX_ROWS:
        raise QueryRefused(f"the result has more than {MAX_ROWS:,} rows; aggregate, or add a LIMIT")
    if size > MAX_BYTES:
        raise QueryRefused(f"the result has more than {MAX_BYTES >> 20} MB; choose fewer columns or rows")
