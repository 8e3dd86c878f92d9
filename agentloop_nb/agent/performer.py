"""Perform an action that was admitted, and look at code that runs long; what fails is a result, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.actions import Action, ActionResult, Query, RunCode
from agentloop_nb.actions.effects import Effects
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.agent.alarm import Alarm
from agentloop_nb.agent.approval import ApprovalGate
from agentloop_nb.agent.control import Control
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.long_step import LongStep
from agentloop_nb.agent.model_call import ModelCaller
from agentloop_nb.errors import ActionFailed, Offline
from agentloop_nb.events import OutputAppeared
from agentloop_nb.protocols import Model, OnOutput, Output, Workspace
from agentloop_nb.safety.observed_effects import Supervised
from agentloop_nb.settings import Settings


@dataclass
class Performer:
    """Performs the actions of one run."""

    stream: Stream
    workspace: Workspace
    settings: Settings
    control: Control
    gate: ApprovalGate
    caller: ModelCaller
    alarm: Alarm
    make_model: Callable[[], Model] | None
    """Connects to the model once more, for looks at code that runs long; without it there are none."""

    def __post_init__(self) -> None:
        self._supervised = self.workspace if isinstance(self.workspace, Supervised) else None

    async def result(self, action: Action, step: int, kept: ActionResult | None, *, watched: bool) -> ActionResult:
        """Perform an action; code that may run long is looked at meanwhile, if it is `watched`.

        `kept` is what the record that is replayed says a query, or a function that reaches outside, brought.
        """
        if self._supervised is not None:
            self._supervised.mandate = self.gate.mandate(action)
        try:
            return await self._performed(action, step, kept, watched=watched)
        except Offline as error:
            told = f"{error} Go on without the web: nothing can be looked up from here."
            return ActionResult(success=False, output=told, error=str(error), effects=Effects(offline=True))
        except ActionFailed as error:
            told = str(error)
        except OSError as error:
            told = f"{type(error).__name__}: {error.strerror or error}"
        return ActionResult(success=False, output=told, error=told)

    async def _performed(self, action: Action, step: int, kept: ActionResult | None, *, watched: bool) -> ActionResult:
        if kept is not None and isinstance(action, Query | OwnAction):
            return await action.again(self.workspace, kept, step=step, on_output=self._appeared(step))
        if watched and isinstance(action, RunCode) and self.make_model is not None and self._may_be_long(action):
            return await self._looked_at(action, step, self.make_model)
        return await action.perform(self.workspace, step=step, on_output=self._appeared(step))

    def _may_be_long(self, action: RunCode) -> bool:
        return 0 < self.settings.long_step <= action.timeout and not IN_BROWSER

    async def _looked_at(self, action: RunCode, step: int, make_model: Callable[[], Model]) -> ActionResult:
        watch = LongStep(self.stream, self.control, self.caller, make_model, self.alarm, step=step)
        with watch.watch(self.settings.long_step, action.timeout, self.workspace.privacy):
            result = await action.perform(self.workspace, step=step, on_output=watch.heard(self._appeared(step)))
        return watch.told(result)

    def _appeared(self, step: int) -> OnOutput:
        def show(output: Output) -> None:
            self.stream.progress(OutputAppeared(step=step, output=output))

        return show
