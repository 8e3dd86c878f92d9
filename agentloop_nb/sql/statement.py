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
        *("nextval", "currval", "setval", "setseed", "getenv", "write_log", "current_setting", "set_config"),
        *("set_setting", "query", "query_table", "sleep_ms", "pg_sleep"),
    }
)
"""Functions that change something, that only wait, or that tell what is no data."""
_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE", "RECURSIVE_CTE_NODE"})
"""What a statement and its parts in WITH may be: a part may be COPY ... TO, too, which no transaction stops."""
_SETTINGS = frozenset({"pg_settings", "pg_prepared_statements", "duckdb_logs"})
"""Views of the engine that tell of settings and of what else was asked."""
_ENGINES_OWN = frozenset({"main", "memory", "temp", "system", "information_schema", "pg_catalog"})
"""Schemas and catalogs that are always there."""
MAX_SQL = 20_000


class Statement(NamedTuple):
    """One SELECT, and what it reads."""

    tables: tuple[str, ...]
    """Names without a schema that no WITH of its own defines."""
    files: tuple[str, ...]
    """Texts that name files."""
    reads_files: bool = False
    """It reads files, whether or not their names are known."""
    qualified: tuple[str, ...] = ()
    """Names with a schema before them; where there is no such table, the engine takes the whole for a file's name."""

    @property
    def taken_for_files(self) -> tuple[str, ...]:
        """What can only be files where no schemas are but the engine's own."""
        others = (name for name in self.qualified if name.partition(".")[0].lower() not in _ENGINES_OWN)
        return (*self.files, *others)


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
        if len(statements) != 1 or not _is_select(statements[0]):
            raise QueryRefused(WRITING)
        answer = connection.execute("SELECT json_serialize_sql(?)", [statements[0].query]).fetchone()
    tree = json.loads(answer[0]) if answer else {"error": True}
    if tree.get("error"):
        raise QueryRefused(WRITING)
    return _read(list(_nodes(tree)))


def _is_select(statement: Any) -> bool:
    try:
        return bool(statement.type.name == "SELECT")
    except ValueError:  # a kind that its Python package has no name for
        return False


def _read(nodes: list[dict[str, Any]]) -> Statement:
    own = {str(entry.get("key")) for node in nodes if isinstance(node.get("cte_map"), dict) for entry in _entries(node)}
    tables: dict[str, None] = {}
    files: dict[str, None] = {}
    qualified: dict[str, None] = {}
    reads_files = False
    for node in nodes:
        if str(node.get("type")).endswith("_NODE") and node["type"] not in _QUERIES:
            raise QueryRefused(WRITING)
        if node.get("type") == "BASE_TABLE":
            *before, name = _name(node)
            if any(map(_is_file, (*before, name))):
                files[".".join((*before, name))] = None
            elif before:
                qualified[".".join((*before, name))] = None
            elif name not in own:
                tables[name] = None
        elif node.get("type") == "TABLE_FUNCTION":
            found = _table_function(node["function"])
            reads_files, files = reads_files or found is not None, files | dict.fromkeys(found or ())
        elif node.get("class") == "FUNCTION" and str(node.get("function_name")).lower() in _EFFECTS:
            raise QueryRefused(f"the function {node['function_name']} is not carried out here")
    return Statement(tuple(tables), tuple(files), reads_files or bool(files), tuple(qualified))


def _name(table: dict[str, Any]) -> list[str]:
    """Return a table's name, with what stands before it. Raises `QueryRefused` for what tells no data."""
    path = (table.get("qualified_name") or {}).get("path")
    parts = path or [table.get("catalog_name"), table.get("schema_name"), table.get("table_name")]
    name = [str(part) for part in parts if part]
    if name[-1].lower() in _SETTINGS:
        raise QueryRefused(f"{name[-1]} tells of the engine and not of data; it is not read here")
    return name


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
    """Yield every object of a parse tree, however deep."""
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
