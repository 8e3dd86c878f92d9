"""What a model is told beside the goal."""

from __future__ import annotations

from pathlib import Path

from agentloop_nb.actions import ACTIONS
from agentloop_nb.actions.observation import bounded
from agentloop_nb.actions.registry import Actions
from agentloop_nb.agent.context_window import namespace_tokens
from agentloop_nb.agent.prompt import system_prompt
from agentloop_nb.protocols import Measurable, Model, Workspace
from agentloop_nb.safety.provenance import mark
from agentloop_nb.settings import Settings

INSTRUCTIONS = 8000
"""Characters of AGENTS.md that the model is told."""


def context(settings: Settings, model: Model, workspace: Workspace, folder: Path, actions: Actions = ACTIONS) -> str:
    """Tell the project's instructions, its limits, and what is in the namespace."""
    instructions = "\n\n".join(filter(None, [_agents_file(folder), settings.instructions.strip()]))
    if isinstance(model, Measurable):
        model.measure()
    tokens = namespace_tokens(model.context_window, system_prompt(actions))
    parts = [
        f"Instructions of this project:\n{instructions}" if instructions else "",
        f"You may take at most {settings.max_steps} steps.",
        mark(workspace.describe(tokens), "the namespace"),
    ]
    return "\n\n".join(filter(None, parts))


def _agents_file(folder: Path) -> str:
    try:
        return bounded((folder / "AGENTS.md").read_text(encoding="utf-8").strip(), INSTRUCTIONS)
    except (OSError, UnicodeDecodeError):
        return ""
