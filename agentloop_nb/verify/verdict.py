"""What a verification found, as a value and as the cell that tells it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from agentloop_nb._internal.markup import code_span
from agentloop_nb.protocols import Value

CELL = "verdict"
"""The id of the cell that tells the verdict."""
HELD = {
    "namespaces": "sealed off by the system: no file from elsewhere and no network was there",
    "landlock": "kept from other files by the system, and watched from inside Python; without namespaces, what "
    "programs and C libraries ask of the network or of a file's existence is not all seen",
    "watched": "watched from inside Python alone; what C libraries read is not all seen",
}
"""What kept the fresh kernel apart, in words."""
_BRIEF = {
    "namespaces": "sealed off from other files and the network",
    "landlock": "kept from other files",
    "watched": "watched, not sealed off",
}


class Verdict(Value):
    """Whether a notebook was reproduced: it re-ran in a fresh kernel, and its outputs came out as recorded."""

    ok: bool
    cell: str | None = None
    """The first cell that came out differently, if there is one."""
    cause: str = ""
    """Why it did, most likely, and what helps."""
    checked: int = 0
    """Code cells whose outputs were compared."""
    unchecked: dict[str, str] = {}
    """Cells that ran and were not compared, each with the reason."""
    contract: bool = False
    """Whether it asserts the contract of its run, which held in the fresh kernel."""
    here: bool = False
    """Whether it needs what lies outside of its folder: on this machine alone it comes out as recorded."""
    held: str = ""
    """What kept the fresh kernel apart: `namespaces`, `landlock` or `watched`; empty where none ran."""
    names: dict[str, str] = {}
    """The cells that are told of, as a reader sees them."""

    @property
    def proven(self) -> bool:
        """Whether it is reproduced, and something was compared that shows it."""
        return self.ok and (self.checked > 0 or self.contract)

    @property
    def text(self) -> str:
        """The verdict on one line."""
        if self.ok:
            if self.contract:
                shown = f"{self._reproduced()}; its" if self.checked else "Reproduced: in a fresh kernel its"
                return f"{shown} contract holds"
            return self._reproduced() if self.checked else self._nothing()
        where = f"{self.names.get(self.cell, 'a cell')}: " if self.cell else ""
        head = "Reproduced on this machine only" if self.here else "Not reproduced"
        return f"{head}: {where}{self.cause}"

    def _reproduced(self) -> str:
        left = self._left()
        number = self.checked + sum(left.values())
        apart = f" ({_BRIEF[self.held]})" if self.held in _BRIEF else ""
        if not left:
            all_of = "1 of 1 output is" if number == 1 else f"{number} of {number} outputs are"
            return f"Reproduced: {all_of} identical in a fresh kernel{apart}"
        count = sum(left.values())
        why = "; ".join(left)
        compared = f"{self.checked} of {number} outputs {'is' if self.checked == 1 else 'are'} identical"
        rest = f"{count} {'is' if count == 1 else 'are'} not compared ({why})"
        return f"Reproduced: {compared} in a fresh kernel{apart}; {rest}"

    def _nothing(self) -> str:
        left = self._left()
        rest = f" ({sum(left.values())} not compared: {'; '.join(left)})" if left else ""
        return f"Nothing is proven: it ran in a fresh kernel, and there was nothing to compare{rest}"

    def _left(self) -> Counter[str]:
        """Reasons of the run's own cells that were not compared; earlier cells have no output to compare."""
        return Counter(why for name, why in self.unchecked.items() if name.startswith("step-"))

    def told(self, ours: dict[str, Any], file: str) -> str:
        """Return the verdict as Markdown, with what it rests on."""
        lines = ["---", "", f"**Verification** — {self.text}. Check it yourself: `agentloop verify {file}`.", ""]
        lines += [f"- The fresh kernel was {HELD[self.held]}."] if self.held in HELD else []
        lines += [f"- Not compared: {self.names.get(name, 'a cell')} ({why})" for name, why in self.unchecked.items()]
        lines += [
            f"- Input: {code_span(each['path'])}, sha256 `{each['sha256'] or 'missing'}`" for each in ours["inputs"]
        ]
        versions = {"Python": ours["versions"]["python"], **ours["packages"]}
        lines.append(f"- With {', '.join(f'{name} {version}' for name, version in versions.items())}")
        if ours["seeds"]:
            lines.append(f"- Seeds: {', '.join(f'`{seed}`' for seed in ours['seeds'])}")
        return "\n".join(lines)


_HEADING = re.compile(r"### \d+\. (.+)")
"""How an export heads a step: its number, and what was found."""


def reader_names(cells: list[dict[str, Any]]) -> dict[str, str]:
    """Name the code cells as a reader sees them: the number in the margin, and the words above or the first line."""
    names: dict[str, str] = {}
    above = ""
    for cell in cells:
        if cell["cell_type"] != "code":
            above = cell["source"]
            continue
        lines = [line for line in (above.splitlines() if "step-" in cell["id"] else []) if line.strip(" #>-")]
        told = next((found[1] for line in lines if (found := _HEADING.match(line))), "")
        told = told or next((line for line in lines if not line.startswith(("#", ">"))), "")
        told = told or next((line for line in cell["source"].splitlines() if line.strip()), "")
        number = f"In[{cell['execution_count']}]" if cell.get("execution_count") else "the earlier cell"
        names[cell["id"]] = f'{number}, "{_short(told)}"'
    return names


def _short(text: str) -> str:
    text = " ".join(text.split()).replace('"', "'")
    return text if len(text) <= 50 else text[:49] + "…"
