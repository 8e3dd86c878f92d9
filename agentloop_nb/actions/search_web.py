"""The action `search_web`."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from agentloop_nb._internal.markup import link, plain
from agentloop_nb.actions.action import Action, ActionResult, Cell, clamp, markdown_cell
from agentloop_nb.actions.effects import Effects
from agentloop_nb.protocols import OnOutput, SearchHit, Workspace


class SearchWeb(Action):
    """Search the web for titles, addresses and snippets."""

    icon = "🔎"
    title_field = "query"

    query: str = Field(min_length=1)
    """The words."""
    num_results: int = Field(5, ge=1, le=10)
    """How many."""

    @field_validator("num_results", mode="before")
    @classmethod
    def _clamp(cls, value: Any) -> Any:
        return 5 if value is None else clamp(1, 10, value)

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        hits = await workspace.web.search(self.query, self.num_results)
        if not hits:
            output = f"No results for {self.query!r}. Try other words, or go on without the web."
            return ActionResult(success=True, output=output, effects=Effects(hits=()))
        listing = "\n".join(_line(number, hit) for number, hit in enumerate(hits, 1))
        return ActionResult(success=True, output=listing, effects=Effects(hits=tuple(hits)))

    def cells(self, result: ActionResult, step: int) -> list[Cell]:
        hits = result.effects.hits
        if not hits:
            outcome = plain(result.error or result.output)
            return [markdown_cell(f"Searched the web for **{plain(self.query)}**: *{outcome}*")]
        lines = [f"Searched the web for **{plain(self.query)}**; the results as they were then:", ""]
        for number, hit in enumerate(hits, 1):
            lines.append(f"{number}. {link(hit.title, hit.url)} — {plain(hit.snippet)}".replace("\n", " "))
        return [markdown_cell("\n".join(lines))]


def _line(number: int, hit: SearchHit) -> str:
    return f"{number}. {hit.title}\n   {hit.url}\n   {hit.snippet}".rstrip()
