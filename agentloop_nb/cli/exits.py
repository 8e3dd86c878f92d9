"""How a command ends: exit codes, a complaint in one line, and what is said of an export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agentloop_nb._internal.paths import from_here
from agentloop_nb.errors import UserError

if TYPE_CHECKING:
    from agentloop_nb.verify.certified_export import Published

FINISHED, NOT_FINISHED, WRONG_USE = 0, 1, 2
"""Exit codes. `verify` and `export` use the first two for reproduced and not."""


def complain(problem: object, code: int) -> int:
    """Say in one line on standard error what went wrong, and return the exit code."""
    from agentloop_nb._internal.text import clean

    said = problem.worded("shell") if isinstance(problem, UserError) else str(problem)
    print("agentloop:", *clean(said).split(), file=sys.stderr)
    return code


def told_of(published: Published) -> tuple[Path, str, bool]:
    """Return the path of an export as a person would type it, what to say of it, and whether it is proven."""
    return from_here(published.path), published.told, published.sound
