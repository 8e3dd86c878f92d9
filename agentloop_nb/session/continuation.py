"""What resuming and forking share: how a recorded run goes on, and the parts it goes on with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from agentloop_nb.agent.contract import refuse_unsound
from agentloop_nb.agent.control import Control
from agentloop_nb.events import AnyEvent, RunResumed
from agentloop_nb.models.replay import ReplayModel
from agentloop_nb.protocols import Model, Web, Workspace
from agentloop_nb.rebuild import Ask
from agentloop_nb.record import journal, locating, trust
from agentloop_nb.run import Run
from agentloop_nb.safety.secrets import Masker
from agentloop_nb.session.parts import another, chosen_anew, equip, make_model, make_web, recorded
from agentloop_nb.session.rebuilding import Rebuilding
from agentloop_nb.session.recovery import recover_with
from agentloop_nb.session.session import Session
from agentloop_nb.settings import Settings
from agentloop_nb.state import State


@dataclass(frozen=True)
class RecordedRun:
    """A recorded run that goes on, and how."""

    path: Path
    overrides: Mapping[str, Any]
    """What was named anew; limits that were not stay as recorded."""
    variables: Mapping[str, str]
    settings: Settings
    masker: Masker
    ask: Ask | None = None
    """Whether code that is not repeatable may run again, when variables are rebuilt."""
    note: str = ""
    anyway: bool = False
    """Rebuilt code may show something else than it did."""
    control: Control = field(default_factory=Control)

    def __post_init__(self) -> None:
        refuse_unsound(self.settings.until)

    @cached_property
    def own(self) -> bool:
        """Whether its record is the user's."""
        return trust.standing(self.path) == "own"

    @property
    def home(self) -> Path:
        """The folder of its record."""
        return locating.home(self.path)

    @property
    def room(self) -> int:
        """Bytes that the record may take."""
        return self.settings.record_limit * journal.MEGABYTE


@dataclass(frozen=True)
class Continuation:
    """The parts of a recorded run that goes on."""

    how: RecordedRun
    state: State
    limits: RunResumed
    settings: Settings
    model: Model
    workspace: Workspace

    def session(
        self, record: journal.Journal, opening: Sequence[AnyEvent], rebuilt: Sequence[AnyEvent] | None
    ) -> Session:
        """Put the run together; its variables are rebuilt from events, or None where they are there."""
        how = self.how
        if rebuilt is not None:
            recover_with(self.workspace, record.path, how.ask, cells=True)
        return Session(
            Run(self.state, record.path, self.workspace),
            opening,
            self.state,
            record,
            self.model,
            self.workspace,
            self.settings,
            how.control,
            how.masker,
            None if rebuilt is None else Rebuilding(rebuilt, how.ask, how.anyway),
            make_model=another(self.model, self.settings, how.variables),
        )


def continuation(
    how: RecordedRun, state: State, limits: RunResumed, make_workspace: Callable[[Web], Workspace]
) -> Continuation:
    """Make the parts of a run that goes on from `state` within `limits`. Raises `UserError`."""
    settings = replace(how.settings, max_steps=limits.max_steps, budget=limits.budget)
    model = make_model(settings, how.variables)
    if isinstance(model, ReplayModel):
        model.position = state.current_step
    workspace = make_workspace(make_web(model, settings))
    equip(workspace, model, settings, how.home)
    chosen = {
        "settings": recorded(settings, model, how.variables, how.control),
        "actions": chosen_anew(how.overrides, settings, model, workspace, how.control, own=how.own),
        "borrowed": not how.own,
    }
    return Continuation(how, state, limits.model_copy(update=chosen), settings, model, workspace)
