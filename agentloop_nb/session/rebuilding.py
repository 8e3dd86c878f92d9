"""Bringing the variables of a run back before it goes on, or giving up so that the next attempt can begin anew."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from agentloop_nb.agent.control import Control
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.errors import Hint
from agentloop_nb.events import AnyEvent, NamespaceRebuilt, RunFinished
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.protocols import Undoing, Workspace
from agentloop_nb.rebuild import Ask, rebuild

_FAILED = "the variables could not be rebuilt"
_STOPPED = "stopped while the variables were being rebuilt"
_ANEW = Hint("resume", "begins that anew")


@dataclass(frozen=True)
class Rebuilding:
    """What the variables of a run are rebuilt from."""

    events: Sequence[AnyEvent]
    ask: Ask | None
    anyway: bool = False
    """Go on where only what is shown differs."""

    async def carry_out(self, stream: Stream, workspace: Workspace, control: Control) -> None:
        """Bring the variables back; a stop meanwhile ends the run as one whose variables are not there."""
        control.attach()
        try:
            await self._rebuild(stream, workspace, control)
        except asyncio.CancelledError:
            _give_up(stream, workspace, _STOPPED, _ANEW)
            if not control.stopping:
                raise
        finally:
            control.detach()
        if control.stopping and stream.state.status == "running":
            _give_up(stream, workspace, _STOPPED, _ANEW)

    async def _rebuild(self, stream: Stream, workspace: Workspace, control: Control) -> None:
        """Bring the variables back; where that comes out differently, the run ends again and says so."""
        try:
            rebuilt = await rebuild(self.events, workspace, ask=self.ask, anyway=self.anyway)
        except OSError as error:
            told = f"{_FAILED}: the files of the run cannot be kept safe ({error.strerror or error})"
            _give_up(stream, workspace, told)
            return
        if control.stopping:
            return
        divergence = rebuilt.divergence.text if rebuilt.divergence else None
        made = {"steps": rebuilt.steps, "skipped": rebuilt.skipped, "divergence": divergence}
        stream.emit(NamespaceRebuilt(step=stream.state.current_step, **made))
        if divergence:
            hint = Hint("resume --anyway", "goes on where only what is shown differs")
            _give_up(stream, workspace, f"{_FAILED}: {divergence}", hint)


def _give_up(stream: Stream, workspace: Workspace, reason: str, *hints: Hint) -> None:
    """End the run, and take back what was rebuilt in part: the next attempt begins where this one did."""
    if isinstance(workspace, IsolatedWorkspace):
        workspace.close()
    elif isinstance(workspace, Undoing):
        workspace.undo(0)
    stream.emit(RunFinished(step=stream.state.current_step, status="interrupted", reason=reason, hints=hints))
