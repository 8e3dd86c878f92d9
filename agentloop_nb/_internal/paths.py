"""Paths as people type them."""

from __future__ import annotations

import os
from pathlib import Path

from agentloop_nb.errors import UserError

TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - compared, never written to
"""Where temporary files lie, whatever TMPDIR says."""


def typed_path(path: str | Path) -> Path:
    """Return the path meant, with `~` and `~name` spelled out.

    Raises `UserError` where nobody knows that home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        home = Path(path).parts[0]
        raise UserError(f"{home} is no folder known here, so {path} cannot be found; write the path in full") from None


def from_home(path: str) -> str:
    """Return the path with `~` spelled out, where anybody knows that home folder; never raises."""
    return os.path.expanduser(path)  # noqa: PTH111 - pathlib raises


def from_here(path: Path) -> Path:
    """Return the path relative to the current folder, where it lies in it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
