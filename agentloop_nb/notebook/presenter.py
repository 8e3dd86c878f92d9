"""One run in an IPython shell, ready to be driven: what shows it, and what is done when it is over."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentloop_nb import session
from agentloop_nb._internal.paths import typed_path
from agentloop_nb.agent.control import Control
from agentloop_nb.agent.event_stream import Approver
from agentloop_nb.demo import PACE
from agentloop_nb.errors import UserError
from agentloop_nb.events import RunStarted
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.models.replay import ReplayModel
from agentloop_nb.notebook.isolation import placement
from agentloop_nb.notebook.kernel.runner import can_ask, drive, drive_async, read_line
from agentloop_nb.notebook.kernel.turn import caller_folder
from agentloop_nb.protocols import Undoing
from agentloop_nb.run import Run

log = logging.getLogger(__name__)


@dataclass
class Presenter:
    """One run, ready to be driven; `await go()`, or `drive()` from synchronous code."""

    session: session.Session
    shell: Any
    private: bool = False
    verbose: bool = True
    make_panel: Callable[[str, Control, Any], Any] | None = None
    """Makes the panel of a run that is shown elsewhere than in a cell's output."""

    def drive(self) -> Run:
        """Take the run to its end from synchronous code, also inside a running event loop."""
        return drive(self._go, self.control)

    async def go(self) -> Run:
        """Take the run to its end."""
        return await drive_async(self._go(), self.control)

    @property
    def control(self) -> Control:
        """Stops what is driven."""
        return self.session.control

    async def _go(self) -> Run:
        run = await self._watched()
        self._tell_what_it_left(run)
        if destination := self._destination:
            told = await _published(run, caller_folder() / typed_path(destination))
            print(f"Export to {destination}: {told}")
        return run

    @property
    def _destination(self) -> str | None:
        return self.session.settings.export

    def _tell_what_it_left(self, run: Run) -> None:
        if not self.private and isinstance(run.workspace, IsolatedWorkspace):
            print(placement.what_can_be_adopted(run))  # nothing comes back unless the user says so

    async def _watched(self) -> Run:
        self._tell_of_demo()
        if self.make_panel or (self.verbose and not self.private and getattr(self.shell, "kernel", None) is not None):
            return await self._in_panel()
        from agentloop_nb.terminal.terminal_view import TerminalView

        command = "agentloop" if self.private else "%agent"
        view = TerminalView(verbose=self.verbose, command=command, control=self.session.control)
        try:
            return await self.session.go(
                [view],
                self._approver or view.approver,
                view.asker if self.verbose else None,
                view.planner if self.verbose else None,
            )
        finally:
            view.close()

    def _tell_of_demo(self) -> None:
        """Say before it starts that the demo does its own goal, whatever was asked."""
        from agentloop_nb import demo

        begins = self.session.model.name == "demo" and isinstance(self.session.opening[0], RunStarted)
        if self.verbose and begins and (told := demo.known_goal_only(self.session.goal)):
            print(told)

    @property
    def _approver(self) -> Approver | None:
        """Asks in the cell, for a quiet run in a notebook; None on a terminal, which has its own way."""
        if getattr(self.shell, "kernel", None) is None:
            return None
        from agentloop_nb.notebook.panel.approval_prompt import Approval

        return Approval(None, self.session.control, anybody=lambda: can_ask(self.shell))

    async def _in_panel(self) -> Run:
        from agentloop_nb.notebook.panel.native_outputs import final_outputs
        from agentloop_nb.notebook.panel.panel_view import PanelView

        view = (self.make_panel or PanelView)(self.session.goal, self.session.control, self.shell)
        if isinstance(self.session.workspace, Undoing):
            view.restore = self.session.workspace.restore
        views = [view] if _shown(view.open) else []
        if views and view.live and isinstance(model := self.session.model, ReplayModel) and model.name == "demo":
            model.pace = PACE
        try:
            run = await self.session.go(views, view.approver, view.asker, view.planner)
        finally:
            _shown(view.close)
        if self.make_panel is None:  # figures and answer as outputs of the cell too, for readers that strip HTML
            for bundle in final_outputs(run.state):
                self.shell.display_pub.publish(data=bundle)
        return run


def _shown(draw: Callable[[], None]) -> bool:
    """Whether a panel could be drawn; a run is worth more than its picture."""
    try:
        draw()
    except Exception as error:
        log.warning("the run cannot be shown here (%r); %%agent show shows its record", error, exc_info=True)
        return False
    return True


async def _published(run: Run, destination: Path) -> str:
    """Export and verify beside the loop, so that an interrupt is heard; say what came of it, never raise it."""
    from agentloop_nb.verify.certified_export import stop_verifying

    try:
        return (await asyncio.to_thread(run.publish, destination)).told
    except UserError as error:
        return str(error)
    except asyncio.CancelledError:
        stop_verifying()
        return "not verified to the end, because it was interrupted"
    except Exception as error:
        log.exception("an export failed")
        return f"it failed ({type(error).__name__}: {error})"


ANSWER_WITHIN = 600
"""Seconds after which a question about code that is to run again is answered by no."""


async def ask_on_input(shell: Any, control: Control, code: str, risks: tuple[str, ...]) -> bool:
    """Ask in the cell or on the terminal whether code may run a second time; no without anyone there."""
    terminal = getattr(shell, "kernel", None) is None and sys.stdin is not None and sys.stdin.isatty()
    if not terminal and not can_ask(shell):
        return False
    question = f"{code}\n\nThis cannot be repeated safely ({', '.join(risks)}). Run it again? [y/N] "
    try:
        answer = await read_line(question, control, seconds=ANSWER_WITHIN)
    except (KeyboardInterrupt, EOFError, TimeoutError):
        return False
    return answer.lower() in ("y", "yes")
