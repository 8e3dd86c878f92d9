"""The action `write_file`."""

from __future__ import annotations

from pathlib import PurePosixPath

from pydantic import Field

from agentloop_nb._internal.markup import code_span, harmless
from agentloop_nb.actions.action import Action, ActionResult, Cell, markdown_cell
from agentloop_nb.actions.effects import Effects
from agentloop_nb.actions.file_names import how_to_make
from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import OnOutput, Workspace


class WriteFile(Action):
    """Write a text file into that folder; figures and tables are saved by run_code."""

    icon = "💾"
    title_field = "filename"

    filename: str = Field(min_length=1)
    """A path in it."""
    content: str
    """Exactly the text of the file."""

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        if how := how_to_make(self.filename):
            raise ActionFailed(f"write_file writes text, and {self.filename!r} is none: {how}.")
        written = workspace.write_file(self.filename, self.content)
        verb = "Replaced" if written.replaced else "Wrote"
        output = f"{verb} {written.path} ({written.size:,} bytes)."
        return ActionResult(success=True, output=output, effects=Effects(file=written))

    def cells(self, result: ActionResult, step: int) -> list[Cell]:
        if not result.success:
            return [markdown_cell(f"Tried to write {code_span(self.filename)}: *{harmless(str(result.error))}*")]
        path = self.filename if result.effects.file is None else result.effects.file.path
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:  # no record that we made says so
            return [markdown_cell("Wrote a file outside the folder; this is not repeated.")]
        lines = [
            f"with open({path!r}, 'w', encoding='utf-8', newline='') as _:",
            f"    _.write({_literal(self.content)})",
        ]
        if (parent := str(PurePosixPath(path).parent)) != ".":
            lines.insert(0, f"__import__('os').makedirs({parent!r}, exist_ok=True)")
        return [Cell(cell_type="code", source="\n".join(lines))]


def _literal(text: str) -> str:
    """Return `text` as Python source: a readable triple-quoted string where that is exact, else one with escapes."""
    plain = text.isprintable() if "\n" not in text else all(line.isprintable() for line in text.split("\n"))
    if "\n" in text and plain and "\\" not in text and '"""' not in text and not text.endswith('"'):
        return f'"""{text}"""'
    return repr(text)
