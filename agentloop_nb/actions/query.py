"""The action `query`."""

from __future__ import annotations

import importlib.util
from typing import Any

from pydantic import Field, field_validator

from agentloop_nb._internal.markup import fenced, harmless
from agentloop_nb.actions.action import (
    ActionResult,
    Cell,
    TimedAction,
    markdown_cell,
    null_as_empty,
    variable_name,
)
from agentloop_nb.actions.effects import Queried
from agentloop_nb.actions.run_code import RunCode
from agentloop_nb.protocols import OnOutput, Workspace
from agentloop_nb.sql import answers, changed_types
from agentloop_nb.sql.cells import answer_cell, plain_cell, step_code
from agentloop_nb.sql.duck import names_of

_NULL: dict[str, Any] = {"default": "null"}


class Query(TimedAction):
    """Run one SELECT over DataFrames, files (FROM 'a.csv') or a connection."""

    icon = "🗃️"
    title_field = "sql"

    sql: str = Field(min_length=1)
    """One statement."""
    source: str = Field("", json_schema_extra=_NULL)
    """The connection's variable."""
    into: str = Field("", json_schema_extra=_NULL)
    """Name for the result."""

    _null_is_none = field_validator("source", "into", mode="before")(null_as_empty)
    _is_name = field_validator("source", "into")(variable_name)

    @classmethod
    def unavailable(cls) -> str:
        return "" if importlib.util.find_spec("duckdb") else 'it needs DuckDB: pip install "agentloop-nb[sql]"'

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        code = step_code(self.sql.strip("\n"), self.source or None, self.into or None)
        result = await RunCode(code=code, timeout=self._timeout).perform(workspace, step=step, on_output=on_output)
        reads = None if self.source else names_of(self.sql)
        tables, files = ((), ()) if reads is None else (reads.tables, reads.files)
        answer = answers.take(self.sql.strip("\n"))
        held = {"answer" if answer.outside else "kept": answer.source}
        kept = Queried(**self._of_source(workspace), **held, tables=tuple(tables), files=tuple(files))
        output = result.output
        if changed := changed_types.take(self.sql.strip("\n")):
            # a label may be made of a value
            which = ", ".join(changed) if workspace.privacy == "full" else f"{len(changed)} of the columns"
            output += f"\nAs float64, which may round: {which}. CAST says otherwise, to BIGINT or VARCHAR."
        made = tuple(each for each in result.changes if each.name != self.source)  # its pool of connections may change
        return result.model_copy(update={"output": output, "changes": made}).with_effects(query=kept)

    def is_kept(self, before: ActionResult) -> bool:
        """Whether a record holds what this query was answered."""
        went = before.effects.query or Queried()
        return bool(self.source) and (not before.success or bool(went.answer or went.kept))

    async def again(
        self, workspace: Workspace, before: ActionResult, *, step: int, on_output: OnOutput
    ) -> ActionResult:
        """Bind and show what was answered then; nothing is asked."""
        went = before.effects.query or Queried()
        if not before.success:
            return before
        code = answers.step_code(went.answer or went.kept, self.into or None)
        result = await RunCode(code=code, timeout=self._timeout).perform(workspace, step=step, on_output=on_output)
        return result.with_effects(query=went)

    def _of_source(self, workspace: Workspace) -> dict[str, bool]:
        """Return what the exported cell has to know of the connection."""
        found = workspace.variables([self.source]).get(self.source) if self.source else None
        percent = getattr(getattr(found, "dialect", None), "paramstyle", "") in ("format", "pyformat")
        doubled = percent and type(found).__module__.startswith("sqlalchemy.")
        return {"duckdb": type(found).__name__ == "DuckDBPyConnection", "doubled": doubled}

    def cells(self, result: ActionResult, step: int) -> list[Cell]:
        if not result.success:
            shown = f"{fenced(self.sql)}\n\n*The query was not carried out: {harmless(str(result.error))}*"
            return [markdown_cell(shown)]
        went = result.effects.query or Queried()
        sql = self.sql.strip("\n")
        if went.answer and answers.is_data(went.answer):
            source = answer_cell(sql, self.source, self.into or None, went.answer)
            return [Cell(cell_type="code", source=source, outputs=result.outputs)]
        sql = sql.replace("%", "%%") if went.doubled else sql
        source = plain_cell(sql, self.source or None, self.into or None, duckdb=went.duckdb)
        return [Cell(cell_type="code", source=source, outputs=result.outputs)]
