"""The action `look_up`: several searches and pages in one step."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.actions.action import Action, ActionResult, Cell, markdown_cell
from agentloop_nb.actions.effects import Effects
from agentloop_nb.actions.read_url import ReadUrl
from agentloop_nb.actions.search_web import SearchWeb
from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import OnOutput, Workspace

MOST = 8
"""Requests of one step."""
AT_ONCE = 4
"""Requests under way at the same time."""


class LookUpRequest(BaseModel):
    """One search, or one page."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    query: str = ""
    url: str = ""

    @model_validator(mode="before")
    @classmethod
    def _null_is_none(cls, fields: Any) -> Any:
        return (
            {key: value for key, value in fields.items() if value is not None} if isinstance(fields, dict) else fields
        )

    @model_validator(mode="after")
    def _one_of_them(self) -> LookUpRequest:
        if bool(self.query.strip()) == bool(self.url.strip()):
            raise ValueError('each request has either a "query" or a "url"')
        return self

    @property
    def action(self) -> Action:
        """The action that would do this alone."""
        return SearchWeb(query=self.query) if self.query.strip() else ReadUrl(url=self.url)


class LookUp(Action):
    """Do several independent searches and page reads in one step."""

    icon = "🧭"
    title_field = "requests"

    requests: tuple[LookUpRequest, ...] = Field(min_length=1, max_length=MOST)
    """Up to 8, each {"query": ...} or {"url": ...}."""

    @field_validator("requests", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, dict) else value

    @classmethod
    def unavailable(cls) -> str:
        return "a kernel in a browser cannot reach the web" if IN_BROWSER else ""

    @property
    def title(self) -> str:
        """What is looked up, on one line."""
        return ", ".join(part.title for part in self.parts())

    def parts(self) -> tuple[Action, ...]:
        """Return the searches and page reads in it."""
        return tuple(request.action for request in self.requests)

    def outcomes(self, result: ActionResult) -> tuple[tuple[Action, ActionResult], ...]:
        """Each search or page with what it brought."""
        kept = _results(result.effects.parts)
        if len(kept) != len(self.requests):
            return tuple((part, result) for part in self.parts())
        return tuple(zip(self.parts(), kept, strict=True))

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(part: Action) -> ActionResult:
            async with turns:
                try:
                    return await part.perform(workspace, step=step, on_output=on_output)
                except ActionFailed as error:
                    return ActionResult(success=False, output=str(error), error=str(error))

        results = await asyncio.gather(*map(one, self.parts()))
        told = (
            _told(number, part, result)
            for number, (part, result) in enumerate(zip(self.parts(), results, strict=True), 1)
        )
        failed = [result.error for result in results if not result.success]
        return ActionResult(
            success=len(failed) < len(results),
            output="\n\n".join(told),
            error=None if len(failed) < len(results) else f"none of {len(results)} was found: {failed[0]}",
            effects=Effects(parts=tuple(result.model_dump(mode="json", exclude_defaults=True) for result in results)),
        )

    def cells(self, result: ActionResult, step: int) -> list[Cell]:
        cells = (cell for part, brought in self.outcomes(result) for cell in part.cells(brought, step))
        return [markdown_cell("\n\n".join(cell.source for cell in cells))]


def _results(kept: Sequence[Any]) -> list[ActionResult]:
    """Rebuild what the parts brought; none where one is no result, for a record may be anybody's."""
    try:
        return [ActionResult.model_validate(each) for each in kept]
    except ValidationError:
        return []


def _told(number: int, part: Action, result: ActionResult) -> str:
    """Return the line that heads a request's outcome, and what it brought."""
    failed = "" if result.success else " failed"
    return f"[{number}] {part.name} {part.title}{failed}\n{result.output}"
