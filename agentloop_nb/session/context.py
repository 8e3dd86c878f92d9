"""What a model is told beside the goal."""

from __future__ import annotations

from pathlib import Path

from agentloop_nb import steering
from agentloop_nb.actions.text import bounded
from agentloop_nb.ports import Model, Workspace
from agentloop_nb.safety.provenance import mark
from agentloop_nb.settings import Settings

NAMESPACE_TOKENS = 2000
"""What the description of the namespace may take of the prompt."""
INSTRUCTIONS = 8000
"""Characters of AGENTS.md that the model is told."""


def context(settings: Settings, model: Model, workspace: Workspace, folder: Path) -> str:
    """Tell the project's instructions, its limits, and what is in the namespace."""
    of_project, of_a_run = _agents_file(folder)
    instructions = "\n\n".join(filter(None, [of_project, settings.instructions.strip()]))
    tokens = min(NAMESPACE_TOKENS, model.context_window // 4) if model.context_window else NAMESPACE_TOKENS
    parts = [
        f"Instructions of this project:\n{instructions}" if instructions else "",
        f"You may take at most {settings.max_steps} steps.",
        mark(of_a_run, "AGENTS.md, which a run wrote") if of_a_run else "",
        mark(workspace.describe(tokens), "the namespace"),
    ]
    return "\n\n".join(filter(None, parts))


def _agents_file(folder: Path) -> tuple[str, str]:
    """Return AGENTS.md as the user's words, or as data if a run wrote it."""
    path = folder / "AGENTS.md"
    try:
        text = bounded(path.read_text(encoding="utf-8").strip(), INSTRUCTIONS)
    except (OSError, UnicodeDecodeError):
        return "", ""
    return ("", text) if steering.by_a_run(path) else (text, "")
