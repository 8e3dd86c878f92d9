"""The action `read_document`."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from agentloop_nb._internal.markup import code_span, harmless
from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.actions.action import Action, ActionResult, Cell, markdown_cell
from agentloop_nb.actions.effects import Effects
from agentloop_nb.protocols import Document, OnOutput, Privacy, Workspace


class ReadDocument(Action):
    """Read a file as text (pdf, docx, pptx, xlsx, csv, json, html, ipynb...): outline, then parts by number."""

    icon = "📚"
    title_field = "path"

    path: str = Field(min_length=1)
    """In the folder, or named by the goal."""
    part: str = Field("", json_schema_extra={"default": "null"})
    """Of the outline: 3 or 2-4."""

    @field_validator("part", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        if value is None or value == "null":
            return ""
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @classmethod
    def unavailable(cls) -> str:
        return "a kernel in a browser starts no processes" if IN_BROWSER else ""

    @property
    def title(self) -> str:
        """The file, and which part of it."""
        return f"{self.path}, part {self.part}" if self.part else self.path

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        found = await workspace.read_document(self.path, self.part)
        effects = Effects(document=found, files_read=(found.inside,) if found.inside else ())
        return ActionResult(success=True, output=_told(found, workspace.privacy), effects=effects)

    def cells(self, result: ActionResult, step: int) -> list[Cell]:
        kept = result.effects.document
        if kept is None:
            return [markdown_cell(f"Tried to read {code_span(self.title)}: *{harmless(str(result.error))}*")]
        text = _whole(kept)
        quoted = "\n".join(f"> {line}".rstrip() for line in harmless(text).splitlines())
        return [markdown_cell(f"Read {code_span(self.title)}; the text as it was then:\n\n{quoted}")]


def _whole(document: Document) -> str:
    head = f"{document.kind}: {document.facts}" if not document.part else ""
    return "\n\n".join(filter(None, (head, document.text)))


def _told(document: Document, privacy: Privacy) -> str:
    """Return what a model may see of it: all, its structure, or its kind."""
    if privacy == "full":
        return _whole(document)
    structure = f": {document.facts}" if privacy == "schema" else ""
    return f"{document.kind}{structure}\nIts text is withheld (--privacy {privacy}); it is shown to the user."
