"""The session of a served kernel: a run whose decisions are calls of outside agents."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from agentloop_nb import session
from agentloop_nb.agent.control import Control
from agentloop_nb.notebook import learning
from agentloop_nb.notebook.isolation import placement
from agentloop_nb.notebook.kernel.runner import refuse_nesting
from agentloop_nb.notebook.serve.served_workspace import ServedIsolatedWorkspace, ServedWorkspace
from agentloop_nb.protocols import Web, Workspace
from agentloop_nb.record import locating
from agentloop_nb.safety.outside_agents import OutsideJudge
from agentloop_nb.settings import Settings, environment

if TYPE_CHECKING:
    from agentloop_nb.notebook.run_manager import RunManager
    from agentloop_nb.notebook.serve.main_thread import MainThread
    from agentloop_nb.notebook.serve.outside_model import OutsideModel


def begin_served(
    manager: RunManager, goal: str, settings: Settings, model: OutsideModel, place: MainThread
) -> session.Session:
    """Prepare the run, and remember it in the shell's manager. Raises `UserError`."""
    refuse_nesting()
    learning.bring(manager, print)
    manager.workspaces.make_room(settings)
    control, run_id, folder = Control(), locating.new_run_id(), manager.working_folder or manager.folder
    settings = placement.placed(settings, run_id)

    def workspace(web: Web) -> Workspace:
        if settings.isolated:
            kind = partial(ServedIsolatedWorkspace, model=model)
            return manager.workspaces.isolated(settings, manager.folder, goal, web=web, control=control, kind=kind)
        served = partial(ServedWorkspace, place=place, model=model)
        return manager.workspaces.in_kernel(settings, folder, web=web, control=control, kind=served)

    how = session.NewRun(
        goal,
        settings,
        environment(manager.folder),
        manager.folder,
        manager.masker(),
        earlier_goals=[run.goal for run in manager.runs],
        control=control,
        run_id=run_id,
        model=model,
        judge=OutsideJudge(),
    )
    made = session.begin(how, workspace)
    manager.remember(made.run)
    return made
