"""What a model is told beside the goal."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from agentloop_nb.actions.text import bounded
from agentloop_nb.ports import Model, Workspace
from agentloop_nb.safety.provenance import mark
from agentloop_nb.settings import Settings

NAMESPACE_TOKENS = 2000
"""What the description of the namespace may take of the prompt."""
INSTRUCTIONS = 8000
"""Characters of AGENTS.md that the model is told."""
MOST_FILES, MOST_SEEN = 40, 2000
"""Names of the folder that are told, and that are looked at at all."""
LONGEST_NAME = 80
PACKAGES = ("numpy", "pandas", "polars", "pyarrow", "matplotlib", "scipy", "sklearn", "duckdb")
"""What data work asks for first; versions differ in what they can do."""


def context(settings: Settings, model: Model, workspace: Workspace, folder: Path) -> str:
    """Tell the project's instructions, the limits, where the code runs, and what is in the folder and the namespace."""
    instructions = "\n\n".join(filter(None, [_agents_file(folder), settings.instructions.strip()]))
    tokens = min(NAMESPACE_TOKENS, model.context_window // 4) if model.context_window else NAMESPACE_TOKENS
    parts = [
        f"Instructions of this project:\n{instructions}" if instructions else "",
        f"You may take at most {settings.max_steps} steps, the last of which has to be finish.",
        surroundings(workspace.folder),
        mark(workspace.describe(tokens), "the namespace"),
    ]
    return "\n\n".join(filter(None, parts))


def surroundings(folder: Path) -> str:
    """Tell the date, the versions of what is installed, and the files by name."""
    versions = ", ".join([f"Python {platform.python_version()}", *_versions()])
    files = list(islice(_names(folder), MOST_SEEN + 1))
    head = f"Today is {time.strftime('%Y-%m-%d')}. {versions}."
    if not files:
        return f"{head}\nFiles in the current folder: none yet."
    return f"{head}\n{mark(_listed(sorted(files)), 'the current folder, its files')}"


def _listed(names: list[str]) -> str:
    """Names a line each. Sizes are left out: small models take them for an answer."""
    more = len(names) - MOST_FILES
    count = f"{more}" if len(names) <= MOST_SEEN else f"{more} or"
    return "\n".join([*names[:MOST_FILES], *([f"(and {count} more)"] if more > 0 else [])])


def _names(folder: Path) -> Iterator[str]:
    try:
        for entry in folder.iterdir():
            if not entry.name.startswith("."):
                name = entry.name.encode(errors="replace").decode() + ("/" if entry.is_dir() else "")
                yield name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "…"
    except OSError:
        return


def _versions() -> Iterator[str]:
    for name in PACKAGES:
        if importlib.util.find_spec(name) is None:
            continue
        distribution = "scikit-learn" if name == "sklearn" else name
        try:
            yield f"{distribution} {importlib.metadata.version(distribution)}"
        except importlib.metadata.PackageNotFoundError:
            yield distribution


def _agents_file(folder: Path) -> str:
    try:
        return bounded((folder / "AGENTS.md").read_text(encoding="utf-8").strip(), INSTRUCTIONS)
    except (OSError, UnicodeDecodeError):
        return ""
