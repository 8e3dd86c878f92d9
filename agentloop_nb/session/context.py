"""What a model is told beside the goal."""

from __future__ import annotations

from pathlib import Path

from agentloop_nb._internal import steering_files
from agentloop_nb.actions import ACTIONS, UseTool
from agentloop_nb.actions.output_text import bounded
from agentloop_nb.actions.registry import Actions
from agentloop_nb.agent.context_window import namespace_tokens
from agentloop_nb.agent.rules import system_prompt
from agentloop_nb.protocols import Equipped, Measurable, Model, Sized, Workspace
from agentloop_nb.safety.provenance import NAMESPACE, TOOLS, mark
from agentloop_nb.safety.surroundings import surroundings
from agentloop_nb.session.named_files import missing_files
from agentloop_nb.settings import Settings

EMPTY = "The namespace is empty."
INSTRUCTIONS = 8000
"""Characters of AGENTS.md that the model is told."""
ROOM = 7_000
"""Characters of all tools of servers together, about 2,000 tokens; in a small window a character for two tokens."""


def context(
    settings: Settings,
    model: Model,
    workspace: Workspace,
    folder: Path,
    actions: Actions = ACTIONS,
    goal: str = "",
) -> str:
    """Tell the project's instructions, the limits, where the code runs, and what is in the folder and the namespace."""
    of_project, of_a_run = _agents_file(folder)
    instructions = "\n\n".join(filter(None, [of_project, settings.instructions.strip()]))
    if isinstance(model, Measurable):
        model.measure()
    # a small one imports packages that are named, and takes the word for an empty namespace for an answer
    small = isinstance(model, Sized) and model.is_small
    tools = _tools(model, workspace) if UseTool in actions else ""
    described = workspace.describe(namespace_tokens(model.context_window, system_prompt(actions) + tools))
    parts = [
        f"Instructions of this project:\n{instructions}" if instructions else "",
        f"You may take at most {settings.max_steps} steps, finish included.",
        mark(of_a_run, "AGENTS.md, which a run wrote") if of_a_run else "",
        surroundings(workspace.folder, packages=not small),
        f"Tools of connected servers, for use_tool:\n{mark(tools, TOOLS)}" if tools else "",
        mark(described, NAMESPACE) if described != EMPTY else "" if small else EMPTY,
        missing_files(goal, workspace.folder),
    ]
    return "\n\n".join(filter(None, parts))


def _tools(model: Model, workspace: Workspace) -> str:
    """Return the tools of servers: in the words of strangers."""
    tools = workspace.tools if isinstance(workspace, Equipped) else None
    window = model.context_window
    return tools.describe(ROOM if window is None else min(ROOM, window // 2)) if tools else ""


def _agents_file(folder: Path) -> tuple[str, str]:
    """Return AGENTS.md as the user's words, or as data if a run wrote it."""
    path = folder / "AGENTS.md"
    try:
        text = bounded(path.read_text(encoding="utf-8").strip(), INSTRUCTIONS)
    except (OSError, UnicodeDecodeError):
        return "", ""
    return ("", text) if steering_files.by_a_run(path) else (text, "")
