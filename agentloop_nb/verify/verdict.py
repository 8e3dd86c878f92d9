"""What a verification found, as a value and as the cell that tells it."""

from __future__ import annotations

from typing import Any

from agentloop_nb.protocols import Value

CELL = "verdict"
"""The id of the cell that tells the verdict."""


class Verdict(Value):
    """Whether a notebook is sound: it re-ran in a fresh kernel, and its outputs came out as recorded."""

    ok: bool
    cell: str | None = None
    """The first cell that came out differently, if there is one."""
    cause: str = ""
    """Why it did, most likely."""
    checked: int = 0
    """Code cells whose outputs were compared."""
    unchecked: dict[str, str] = {}
    """Cells that ran and were not compared, each with the reason."""

    @property
    def text(self) -> str:
        """The verdict on one line."""
        if not self.ok:
            where = f"cell {self.cell}: " if self.cell else ""
            return f"not sound: {where}{self.cause}"
        cells = "1 cell" if self.checked == 1 else f"{self.checked} cells"
        left = f", {len(self.unchecked)} not compared" if self.unchecked else ""
        if not self.checked:
            return f"re-run in a fresh kernel, but there was nothing to compare{left}: this proves no result"
        return f"sound: re-run in a fresh kernel, {cells} compared{left}"

    @property
    def plain(self) -> str:
        """The verdict as a sentence for somebody who knows nothing of this package."""
        if not self.ok:
            return f"When the run was made again in a fresh kernel, it did not come out as recorded: {self.cause}."
        if not self.checked:
            return "The run was made again in a fresh kernel without errors, but there was no output to compare."
        cells = "the output of 1 cell" if self.checked == 1 else f"the outputs of {self.checked} cells"
        left = f"; {len(self.unchecked)} could not be compared" if self.unchecked else ""
        return f"The code was run again in a fresh kernel, without a model, and {cells} came out as recorded{left}."

    def told(self, ours: dict[str, Any]) -> str:
        """The verdict as Markdown, with what it rests on."""
        lines = ["---", "", f"**Verification** — {self.text}."]
        lines += [f"- Not compared: `{name}` ({why})" for name, why in self.unchecked.items()]
        lines += [f"- Input: `{file['path']}`, sha256 `{file['sha256'] or 'missing'}`" for file in ours["inputs"]]
        versions = {"Python": ours["versions"]["python"], **ours["packages"]}
        lines.append(f"- With {', '.join(f'{name} {version}' for name, version in versions.items())}")
        if ours["seeds"]:
            lines.append(f"- Seeds: {', '.join(f'`{seed}`' for seed in ours['seeds'])}")
        lines[3:3] = [""]
        return "\n".join(lines)
