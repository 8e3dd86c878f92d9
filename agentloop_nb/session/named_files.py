"""What a model is told of the files that its goal wants read: which of them are not there."""

from __future__ import annotations

from pathlib import Path

from agentloop_nb.actions.file_names import to_be_read
from agentloop_nb.actions.finish import is_there

MOST_FILES = 3
"""Files that are told."""


def missing_files(goal: str, folder: Path) -> str:
    """Tell which files a goal wants read that are not in the folder, a line each; empty where all are."""
    inside = [name for name in to_be_read(goal) if not name.startswith("/") and ".." not in name.split("/")]
    missing = [name for name in inside if not is_there(folder, name)]
    return "\n".join(f"There is no file {name} in the current folder." for name in missing[:MOST_FILES])
