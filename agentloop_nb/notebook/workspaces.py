"""The workspaces of one shell's runs: each is built whole, of this kernel or isolated, or a run's own goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentloop_nb.agent import output_limit
from agentloop_nb.agent.control import Control
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.notebook.isolation import placement
from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace
from agentloop_nb.protocols import Web, Workspace
from agentloop_nb.run import Run
from agentloop_nb.settings import Settings


@dataclass
class Workspaces:
    """Makes the workspaces of the runs of one shell, which know what earlier runs did there."""

    shell: Any
    runs: list[Run]
    """The runs of the shell, oldest first."""

    def in_kernel(
        self,
        settings: Settings,
        folder: Path,
        *,
        web: Web,
        control: Control,
        kind: Callable[..., KernelWorkspace] = KernelWorkspace,
    ) -> KernelWorkspace:
        """Make the workspace of a run in this kernel; `kind` makes one of a kind of its own."""
        return kind(
            self.shell,
            web=web,
            folder=folder,
            control=control,
            memory=_memory(settings),
            privacy=settings.privacy,
            earlier=self._earlier,
            made=self._made,
        )

    def isolated(
        self,
        settings: Settings,
        home: Path,
        goal: str | placement.Luggage,
        *,
        web: Web,
        control: Control,
        kind: Callable[..., IsolatedWorkspace] = IsolatedWorkspace,
    ) -> IsolatedWorkspace:
        """Make the workspace of an isolated run, with what its goal names or what was packed. Raises `UserError`."""
        options: dict[str, Any] = {"web": web, "settings": settings, "control": control, "earlier": self._earlier}
        return placement.workspace(self.shell, home, goal, kind=kind, **options)

    def of_run(self, run: Run | None, settings: Settings, *, web: Web, control: Control) -> Workspace | None:
        """Have a run of this kernel go on in its workspace, so that what it did before can still be taken back."""
        workspace = run.workspace if run is not None else None
        if run is not None and isinstance(workspace, IsolatedWorkspace) and workspace.alive:
            placement.go_on(run, workspace, web=web, settings=settings, control=control)
            return workspace
        if not isinstance(workspace, KernelWorkspace):
            return None
        workspace.go_on(web=web, control=control, memory=_memory(settings), privacy=settings.privacy, made=self._made)
        return workspace

    def make_room(self, settings: Settings) -> None:
        """Let all earlier runs together hold no more than one may: outputs, and copies for undo."""
        output_limit.lighten([run.state for run in self.runs], output_limit.LIMIT)
        room = _memory(settings)
        for run in reversed(self.runs):
            if isinstance(run.workspace, KernelWorkspace):
                run.workspace.past.shrink(room)
                room = max(room - run.workspace.past.size, 0)

    @property
    def _earlier(self) -> list[tuple[str, str]]:
        """Goals of the runs of this kernel, each with how it ended."""
        return [(run.goal, _result(run)) for run in self.runs]

    @property
    def _made(self) -> frozenset[str]:
        """Names that runs of this kernel made; one of the user's that a run only changed stays the user's."""
        return frozenset(
            change.name
            for run in self.runs
            for step in run.state.steps
            for change in (step.result.changes if step.result else ())
            if change.how == "added"
        )


def has_variables(run: Run) -> bool:
    """Whether the variables of a run of this kernel are there."""
    alive = not isinstance(run.workspace, IsolatedWorkspace) or run.workspace.alive
    return alive and run.status != "interrupted"


def _memory(settings: Settings) -> int:
    """Return bytes that copies for undo may take."""
    return settings.undo_memory * 2**20


def _result(run: Run) -> str:
    """Return what came of an earlier run, for the model of a later one; of a goal that was not met, why."""
    told = run.summary or run.state.reason
    unmet = run.status == "not_met" and run.summary
    return f"{told}\n  The goal was not met: {run.state.reason}" if unmet else told
