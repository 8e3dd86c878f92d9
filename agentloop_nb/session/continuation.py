"""What resuming and forking share: model and workspace of a recorded run that goes on, and what it may still take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from agentloop_nb.agent.control import Control
from agentloop_nb.events import RunResumed
from agentloop_nb.models.replay import ReplayModel
from agentloop_nb.protocols import Model, Web, Workspace
from agentloop_nb.session.parts import another, chosen_anew, equip, make_model, make_web, recorded
from agentloop_nb.settings import Settings
from agentloop_nb.state import State


class Continuation(NamedTuple):
    """The parts of a recorded run that goes on."""

    limits: RunResumed
    settings: Settings
    model: Model
    workspace: Workspace
    make_model: Callable[[], Model] | None
    """Connects to its model once more."""


def continuation(
    state: State,
    limits: RunResumed,
    settings: Settings,
    overrides: Mapping[str, Any],
    variables: Mapping[str, str],
    *,
    home: Path,
    own: bool,
    make_workspace: Callable[[Web], Workspace],
    control: Control | None,
) -> Continuation:
    """Make the parts of a run that goes on from `state` within `limits`. Raises `UserError`.

    `own` says that its record is the user's; `home` is the folder of the record.
    """
    settings = replace(settings, max_steps=limits.max_steps, budget=limits.budget)
    model = make_model(settings, variables)
    if isinstance(model, ReplayModel):
        model.position = state.current_step
    workspace = make_workspace(make_web(model, settings))
    equip(workspace, model, settings, home)
    chosen = {
        "settings": recorded(settings, model, variables, control),
        "actions": chosen_anew(overrides, settings, model, workspace, control, own=own),
        "borrowed": not own,
    }
    limits = limits.model_copy(update=chosen)
    return Continuation(limits, settings, model, workspace, another(model, settings, variables))
