"""What one run did so far: the place that the effects of its next step are judged in."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from agentloop_nb.safety.code_risks import as_cell
from agentloop_nb.safety.observed_effects import Effect, Mandate


class Past:
    """What one run made in its folder, and was allowed, so far: the `Place` that effects are judged in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.allowed: set[Effect] = set()
        """Effects that a person allowed."""
        self.addresses: dict[str, set[str]] = {}
        """Addresses of the hosts that were looked up."""
        self.ports: set[int] = set()
        """Ports that its steps listen on."""
        self._made: set[str] = set()

    def made(self, path: str) -> bool:
        """Whether the run made a path, or a folder above it."""
        return path in self._made or any(str(above) in self._made for above in Path(path).parents)

    def unread(self, mandate: Mandate, named: Sequence[str]) -> str:
        """Return a file that the run made, that a child may execute, and that was not read; empty for none."""
        words = {os.path.realpath(self.folder / word) for word in named}
        for path in sorted(self._made):
            content = _content(path) if path in words or as_cell(path, "") is not None else None
            if content is not None and hashlib.sha256(content).hexdigest() not in mandate.vetted:
                return path
        return ""

    def note(self, event: str, effect: Effect) -> None:
        """Remember what an effect that may happen makes."""
        if effect.kind == "write" and event != "os.chmod" and not os.path.lexists(effect.target):
            self._made.add(effect.target)
        elif effect.kind == "rename" and effect.target in self._made:
            self._made.discard(effect.target)
            self._made.add(effect.other)


def _content(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes() if os.path.isfile(path) else None
    except OSError:
        return b""
