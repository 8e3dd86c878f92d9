"""The code of a query: what a step runs, and the plain cell that does the same without this package."""

from __future__ import annotations

import ast

from agentloop_nb._internal.text import as_comment

_LEAD = '__import__("agentloop_nb.sql.run", fromlist=["run"]).run('


def step_code(sql: str, source: str | None, into: str | None) -> str:
    """Return what a step runs in the kernel."""
    call = f"{_LEAD}{sql!r}, globals(), {source!r})"
    return f"{into} = {call}\n{into}" if into else call


def plain_cell(sql: str, source: str | None, into: str | None, *, duckdb: bool) -> str:
    """Return the cell that does the same with nothing but DuckDB or pandas. `duckdb`: so is the connection."""
    text = _literal(sql)
    if source is None:
        lines = ["import duckdb", ""]
        call = f"duckdb.sql({text}).df()"
    elif duckdb:
        lines, call = [], f"{source}.sql({text}).df()"
    else:
        lines = ["import pandas as pd", ""]
        call = f"pd.read_sql({text}, {source})"
    return "\n".join([*lines, *((f"{into} = {call}", into) if into else (call,))])


def answer_cell(sql: str, source: str, into: str | None, answer: str) -> str:
    """Return the cell that holds what a database answered, with the question above it."""
    made = f"{into} = {answer}\n{into}" if into else answer
    return f"import pandas as pd\n\n# what {source} answered then; it is not asked again:\n{as_comment(sql)}\n{made}"


def as_cell(code: str) -> str:
    """Return the plain cell of code that `step_code` made; any other code as it is."""
    if _LEAD not in code:
        return code
    try:
        first = ast.parse(code).body[0]
        assert isinstance(first, ast.Assign | ast.Expr)
        into = ast.unparse(first.targets[0]) if isinstance(first, ast.Assign) else None
        assert isinstance(first.value, ast.Call)
        sql, _, source = first.value.args
        return plain_cell(ast.literal_eval(sql), ast.literal_eval(source), into, duckdb=False)
    except (SyntaxError, AssertionError, ValueError):
        return code


def _literal(sql: str) -> str:
    """Write SQL as Python source: readable where it has lines."""
    plain = sql.replace("\n", "").isprintable() and "\\" not in sql and '"""' not in sql and not sql.endswith('"')
    return f'"""{sql}"""' if plain else repr(sql)
