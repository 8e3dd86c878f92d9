"""The action `read_url`."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from agentloop_nb._internal.markup import link, plain
from agentloop_nb.actions.action import Action, ActionResult, Cell, clamp
from agentloop_nb.protocols import OnOutput, Workspace


class ReadUrl(Action):
    """Read a web page as text, without its navigation."""

    icon = "📄"
    title_field = "url"

    url: str = Field(min_length=1)
    """A full http or https address."""
    max_length: int = Field(5000, ge=100, le=50000)
    """How many characters of the text you want."""

    @field_validator("max_length", mode="before")
    @classmethod
    def _clamp(cls, value: Any) -> Any:
        return 5000 if value is None else clamp(100, 50000, value)

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        page = await workspace.web.read(self.url, self.max_length)
        head = f"{page.title}\n{page.url}\n\n" if page.title else f"{page.url}\n\n"
        tail = f"\n\n[cut at {self.max_length} characters]" if page.truncated else ""
        return ActionResult(success=True, output=head + page.text + tail, metadata={"page": page.model_dump()})

    def cells(self, result: ActionResult, step: int) -> list[Cell]:
        page = result.metadata.get("page")
        if page is None:
            return [Cell(cell_type="markdown", source=f"Tried to read {plain(self.url)}: *{plain(str(result.error))}*")]
        quoted = "\n".join(f"> {line}".rstrip() for line in plain(str(page["text"])).splitlines())
        title = link(str(page.get("title") or page["url"]), str(page["url"]))
        return [Cell(cell_type="markdown", source=f"Read {title}; the text as it was then:\n\n{quoted}")]
