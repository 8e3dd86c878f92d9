"""What a statement of DuckDB's SQL reads: told from the engine's own parse, before anything is carried out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from agentloop_nb.sql.errors import WRITING, QueryRefused

_FILE_FUNCTIONS = frozenset(
    {
        *("read_csv", "read_csv_auto", "read_parquet", "parquet_scan", "parquet_schema", "parquet_metadata"),
        *("read_json", "read_json_auto", "read_json_objects", "read_ndjson", "read_ndjson_auto"),
    }
)
_TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "repeat", "repeat_row"})
_EFFECTS = frozenset(
    {
        "nextval",
        "currval",
        "getenv",
        "write_log",
        "current_setting",
        "set_config",
        "set_setting",
        "query",
        "query_table",
    }
)
"""Functions that change something, or that tell what is no data."""
MAX_SQL = 20_000


class Statement(NamedTuple):
    """One SELECT, and what it reads."""

    tables: tuple[str, ...]
    """Names without a schema that no WITH of its own defines."""
    files: tuple[str, ...]
    """Texts that name files."""
    reads_files: bool = False
    """It reads files, whether or not their names are known."""


def parse(sql: str) -> Statement:
    """Read a statement. Raises `QueryRefused` for anything but one SELECT."""
    import duckdb

    if len(sql) > MAX_SQL:
        raise QueryRefused(f"the SQL has {len(sql):,} characters; {MAX_SQL:,} are carried out")
    with duckdb.connect(":memory:") as connection:
        try:
            statements = connection.extract_statements(sql)
        except duckdb.Error as error:
            raise QueryRefused(f"this is no SQL that DuckDB reads: {_line(error)}") from None
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise QueryRefused(WRITING)
        answer = connection.execute("SELECT json_serialize_sql(?)", [statements[0].query]).fetchone()
    tree = json.loads(answer[0]) if answer else {"error": True}
    if tree.get("error"):
        raise QueryRefused(WRITING)
    return _read(list(_nodes(tree)))


def _read(nodes: list[dict[str, Any]]) -> Statement:
    own = {str(entry.get("key")) for node in nodes if isinstance(node.get("cte_map"), dict) for entry in _entries(node)}
    tables: dict[str, None] = {}
    files: dict[str, None] = {}
    reads_files = False
    for node in nodes:
        if node.get("type") == "BASE_TABLE":
            name = str(node.get("table_name"))
            if _is_file(name):
                files[name] = None
            elif not node.get("schema_name") and not node.get("catalog_name") and name not in own:
                tables[name] = None
        elif node.get("type") == "TABLE_FUNCTION":
            found = _table_function(node["function"])
            reads_files, files = reads_files or found is not None, files | dict.fromkeys(found or ())
        elif node.get("class") == "FUNCTION" and str(node.get("function_name")).lower() in _EFFECTS:
            raise QueryRefused(f"the function {node['function_name']} is not carried out here")
    return Statement(tuple(tables), tuple(files), reads_files or bool(files))


def _entries(node: dict[str, Any]) -> list[dict[str, Any]]:
    return list(node["cte_map"].get("map", ()))


def _table_function(function: dict[str, Any]) -> list[str] | None:
    """Return the files a table function names; None for one that reads none. Raises `QueryRefused` for any other."""
    name = str(function.get("function_name")).lower()
    if name in _TABLE_FUNCTIONS:
        return None
    if name not in _FILE_FUNCTIONS:
        raise QueryRefused(f"the function {name} is not carried out here; files are read by name: FROM 'a.csv'")
    first = (function.get("arguments") or function.get("children") or [None])[0]
    literals = (node.get("literal") for node in _nodes(first) if node.get("class") == "CONSTANT")
    return [str(each["text"]) for each in literals if isinstance(each, dict) and each.get("kind") == "STRING"]


def _is_file(name: str) -> bool:
    """Whether a table's name is a file's; a variable has no dot and no slash in its name."""
    return any(mark in name for mark in "./\\:*?[")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of a parse tree, however deep."""
    waiting = [tree]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
