"""The action `read_url`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from agentloop_nb._internal.markup import link, plain
from agentloop_nb.actions.action import Action, ActionResult, Cell, clamp, markdown_cell
from agentloop_nb.actions.effects import Effects
from agentloop_nb.actions.file_names import is_file_name
from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import OnOutput, Workspace


class ReadUrl(Action):
    """Read a page of the web as text, no file."""

    icon = "📄"
    title_field = "url"

    url: str = Field(min_length=1)
    """A full address."""
    max_length: int = Field(5000, ge=100, le=50000)
    """Characters."""

    @field_validator("max_length", mode="before")
    @classmethod
    def _clamp(cls, value: Any) -> Any:
        return 5000 if value is None else clamp(100, 50000, value)

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        _refuse_files(self.url, workspace.folder)
        page = await workspace.web.read(self.url, self.max_length)
        head = f"{page.title}\n{page.url}\n\n" if page.title else f"{page.url}\n\n"
        tail = f"\n\n[cut at {self.max_length} characters]" if page.truncated else ""
        return ActionResult(success=True, output=head + page.text + tail, effects=Effects(page=page))

    def cells(self, result: ActionResult, step: int) -> list[Cell]:
        page = result.effects.page
        if page is None:
            return [markdown_cell(f"Tried to read {plain(self.url)}: *{plain(str(result.error))}*")]
        quoted = "\n".join(f"> {line}".rstrip() for line in plain(page.text).splitlines())
        title = link(page.title or page.url, page.url)
        return [markdown_cell(f"Read {title}; the text as it was then:\n\n{quoted}")]


def _refuse_files(url: str, folder: Path) -> None:
    """Send a file to where it is read. Raises `ActionFailed`, also for what is no full address."""
    address = url.strip()
    scheme, mark, rest = address.partition("://")
    if mark and scheme.lower() != "file":
        return
    name = rest if mark else address.removeprefix("file:")
    if mark or address.startswith(("file:", "/", "./", "../", "~")) or is_file_name(name) or _exists(folder, name):
        raise ActionFailed(f"{name!r} is a file, not an address: open it with run_code, for example open({name!r}).")
    if ":" not in address.split("/")[0]:
        raise ActionFailed(f"{address!r} is no full address: it begins with https://")


def _exists(folder: Path, name: str) -> bool:
    try:
        return (folder / name).exists()
    except (OSError, ValueError):
        return False
