"""Who is measured: a model, perhaps with words of its own beside the goal."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agentloop_nb._internal.paths import typed_path
from agentloop_nb.errors import UserError

REFERENCE = "reference"
"""The name that stands for the suite's own solutions: they cost nothing, and show that the suite is sound."""


@dataclass(frozen=True)
class Contender:
    """A model, and what it is told beside each goal."""

    model: str
    prompt: str = ""
    """The name of the file with its instructions."""
    instructions: str = ""

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.model} + {self.prompt}" if self.prompt else self.model

    @property
    def slug(self) -> str:
        """A folder name for it that no other one has."""
        digest = hashlib.sha256(f"{self.model}\0{self.prompt}\0{self.instructions}".encode()).hexdigest()
        return f"{re.sub(r'[^A-Za-z0-9]+', '-', self.name).strip('-')[:40]}-{digest[:6]}"


def contenders(models: Sequence[str], prompts: Sequence[str]) -> tuple[Contender, ...]:
    """Each model with each file of instructions, if there are any. Raises `UserError`."""
    if not models:
        raise UserError("which model? agentloop eval basics -m MODEL (reference plays the suite's own solutions)")
    words = [(typed_path(each).name, _read(each)) for each in prompts] or [("", "")]
    found = tuple(Contender(model, *each) for model in models for each in words)
    if len(set(found)) < len(found):
        raise UserError("a model or a file of instructions is named twice; --repeat K runs each task several times")
    return found


def _read(path: str) -> str:
    try:
        return Path(typed_path(path)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
