"""What a model is told beside the goal."""

from __future__ import annotations

from pathlib import Path

from agentloop_nb.actions.text import bounded
from agentloop_nb.agent.surroundings import surroundings
from agentloop_nb.ports import Model, Workspace
from agentloop_nb.safety.provenance import mark
from agentloop_nb.settings import Settings

NAMESPACE_TOKENS = 2000
"""What the description of the namespace may take of the prompt."""
EMPTY = "The namespace is empty."
INSTRUCTIONS = 8000
"""Characters of AGENTS.md that the model is told."""


def context(settings: Settings, model: Model, workspace: Workspace, folder: Path) -> str:
    """Tell the project's instructions, the limits, where the code runs, and what is in the folder and the namespace."""
    instructions = "\n\n".join(filter(None, [_agents_file(folder), settings.instructions.strip()]))
    tokens = min(NAMESPACE_TOKENS, model.context_window // 4) if model.context_window else NAMESPACE_TOKENS
    described = workspace.describe(tokens)
    parts = [
        f"Instructions of this project:\n{instructions}" if instructions else "",
        f"You may take at most {settings.max_steps} steps, finish included.",
        surroundings(workspace.folder),
        described if described == EMPTY else mark(described, "the namespace"),
    ]
    return "\n\n".join(filter(None, parts))


def _agents_file(folder: Path) -> str:
    try:
        return bounded((folder / "AGENTS.md").read_text(encoding="utf-8").strip(), INSTRUCTIONS)
    except (OSError, UnicodeDecodeError):
        return ""
