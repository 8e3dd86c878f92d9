"""One run with all its parts, ready to go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from agentloop_nb.agent.approval import Judge
from agentloop_nb.agent.control import Control
from agentloop_nb.agent.event_stream import Approver, Stream, View
from agentloop_nb.agent.ledger import Ledger
from agentloop_nb.agent.loop import Loop
from agentloop_nb.agent.planning import Planner
from agentloop_nb.agent.questions import Asker
from agentloop_nb.events import AnyEvent, RunStarted, WaitStarted
from agentloop_nb.models.replay import ReplayModel
from agentloop_nb.protocols import Equipped, Model, Workspace
from agentloop_nb.record import journal, locating
from agentloop_nb.reports.forecast import forecast
from agentloop_nb.reports.replay_diff import ReplayDiff
from agentloop_nb.run import Run
from agentloop_nb.safety.provenance import goals_of_user
from agentloop_nb.safety.secrets import Masker
from agentloop_nb.session.rebuilding import Rebuilding
from agentloop_nb.settings import Settings
from agentloop_nb.state import State
from agentloop_nb.web import LiveWeb


@dataclass
class Session:
    """One run, ready to go. Made by `begin`, `resume` or `fork`, which raise `UserError` before anything is spent."""

    run: Run
    opening: Sequence[AnyEvent]
    state: State
    record: journal.Journal
    model: Model
    workspace: Workspace
    settings: Settings
    control: Control
    masker: Masker
    rebuilding: Rebuilding | None = None
    judge: Judge | None = None
    """Knows further reasons to ask a person about an action."""
    stream: Stream | None = None
    """The run's events, once it goes on."""
    ledger: Ledger | None = None
    """A budget that the run shares with others."""
    account: Ledger | None = None
    """What it spends from, once it goes on."""
    make_model: Callable[[], Model] | None = None
    """Connects to its model once more; a model that the session was given, or a small one, has only one connection."""

    @property
    def goal(self) -> str:
        """What its person asked for; known before its first event."""
        first = self.opening[0]
        return first.goal if isinstance(first, RunStarted) else self.state.goal

    async def go(
        self,
        views: Sequence[View] = (),
        approver: Approver | None = None,
        asker: Asker | None = None,
        planner: Planner | None = None,
    ) -> Run:
        """Take the run to its end. How it ended is in the run; only a cancellation from outside is raised."""
        stream = self.stream = Stream(self.state, self.record.append, views, masker=self.masker)
        loop = Loop(
            stream,
            self.model,
            self.workspace,
            self.settings,
            self.control,
            approver,
            self._written_before,
            asker=asker,
            planner=planner,
            forecast=self._forecast,
            make_model=self.make_model,
            judge=self.judge,
            ledger=self.ledger,
        )
        if isinstance(self.model, ReplayModel):
            loop.replayed = partial(_more_follows, self.model)
            loop.answer_by(self.model.answer)
            loop.kept = None if self.settings.live else self.model.kept
        if isinstance(self.workspace.web, LiveWeb):
            self.workspace.web.on_wait = partial(_tell_wait, stream)
        if isinstance(self.model, ReplayModel):
            stream.join(ReplayDiff(self.model, self.workspace.folder, stream.emit))
        try:
            for event in self.opening:
                stream.emit(event)
            self.workspace.goal = goals_of_user(self.state)
            if self.rebuilding is not None:
                await self.rebuilding.carry_out(stream, self.workspace, self.control)
            self.account = loop.account
            await loop.run()
        finally:
            self.record.close()
            await self.model.close()
            if isinstance(self.workspace, Equipped) and self.workspace.tools is not None:
                await self.workspace.tools.close()
        return self.run

    def _forecast(self) -> str:
        """Return what earlier runs of this folder took with the same model."""
        model = str(self.state.settings.get("model") or "")
        return forecast(locating.home(self.run.journal), model, without=self.state.run)

    def _written_before(self) -> frozenset[str]:
        """SHA-256 of the files that earlier runs of this folder wrote."""
        return locating.written(locating.home(self.run.journal))


def _more_follows(model: ReplayModel) -> bool:
    return model.position < len(model.decisions)


def _tell_wait(stream: Stream, seconds: float, reason: str) -> None:
    stream.progress(WaitStarted(step=stream.state.next_step, seconds=seconds, reason=reason))
