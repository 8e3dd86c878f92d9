"""The loop: decide, execute, observe, update, until the goal is met or a limit is reached."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from agentloop_nb.actions import Action, ActionResult, Finish
from agentloop_nb.agent.approval import Gate
from agentloop_nb.agent.budget import CostLimit
from agentloop_nb.agent.control import Control
from agentloop_nb.agent.event_stream import Approver, Stream
from agentloop_nb.agent.model_call import Asker, GaveUp
from agentloop_nb.decision import Decision, parse
from agentloop_nb.errors import ActionFailed, DecisionError
from agentloop_nb.events import (
    ActionFinished,
    ActionStarted,
    DecisionMade,
    DecisionRejected,
    NoteAdded,
    OutputAppeared,
    RunFinished,
    Status,
)
from agentloop_nb.protocols import Model, Workspace
from agentloop_nb.settings import Settings
from agentloop_nb.state import State


class _Ended(Exception):
    """Leaves the loop from inside a step; its end has been emitted."""


@dataclass
class Loop:
    """Everything a run needs to go on; `await run()` takes it to its end."""

    stream: Stream
    model: Model
    workspace: Workspace
    settings: Settings
    control: Control = field(default_factory=Control)
    approver: Approver | None = None
    written_before: Callable[[], frozenset[str]] = frozenset
    """SHA-256 of files that earlier runs wrote."""

    def __post_init__(self) -> None:
        self._asker = Asker(self.stream, self.model, self.settings.max_retries)
        folder = self.workspace.folder
        self._gate = Gate(self.stream, self.settings, folder, self.approver, self.written_before)

    @property
    def state(self) -> State:
        """The state, which only `stream.emit` changes."""
        return self.stream.state

    async def run(self) -> State:
        """Go on until the run has ended; how it ended is in the state.

        What is raised is a cancellation from outside, or a defect of ours; the record has its end even then.
        """
        self.control.attach()
        try:
            while self.state.status == "running":
                await self._step()
        except _Ended:
            pass
        except asyncio.CancelledError:
            self._emit_end("stopped", _BY_USER if self.control.stopping else "its task was cancelled")
            if not self.control.stopping:
                raise
        except Exception as error:
            self._emit_end("failed", f"a defect of agentloop_nb ended the run: {type(error).__name__}: {error}")
            raise
        finally:
            self.control.detach()
        return self.state

    async def _step(self) -> None:
        await self.control.wait_while_paused()
        if self.control.stopping:  # before the first step: a resumed run was rebuilding its variables
            raise self._end("stopped", _BY_USER)
        if self.state.next_step > self.state.max_steps:
            raise self._end("step_limit", self._steps_used)
        for note in self.control.take_notes():
            self.stream.emit(NoteAdded(step=self.state.next_step, text=note))
        decision = await self._gate.admit(await self._decide())
        if decision is not None:
            await self._perform(decision)

    @property
    def _final(self) -> bool:
        """The last allowed step is for the summary, so that a limit never ends in silence."""
        return self.state.next_step >= self.state.max_steps

    # -- decide

    async def _decide(self) -> Decision:
        """Ask until the model gives a valid decision; a rejected one is told why."""
        step, final = self.state.next_step, self._final
        while self.state.rejections <= self.settings.max_retries:
            try:
                reply = await self._asker.reply(final=final)
                decision = parse(reply.text, timeout=self.settings.timeout, final=final, actions=self.state.actions)
            except DecisionError as error:
                self.stream.emit(DecisionRejected(step=step, reason=_reason(error, reply.finish_reason)))
            except GaveUp as error:
                raise self._give_up(str(error)) from error
            except CostLimit as limit:
                raise self._end(
                    "cost_limit", f"{limit}: %agent resume --budget {limit.budget.normalize():f}"
                ) from limit
            else:
                self.stream.emit(DecisionMade(step=step, decision=decision))
                return decision
        if final:  # what the model was told is no word for a person
            raise self._end("step_limit", f"{self._steps_used} (the model gave no closing summary)")
        reason = self.state.steps[-1].rejected[-1][1]
        raise self._give_up(f"{self.state.rejections} replies in a row were no valid decision; the last: {reason}")

    # -- perform

    async def _perform(self, decision: Decision) -> None:
        step, final, began = self.state.next_step, self._final, time.monotonic()
        self.stream.emit(ActionStarted(step=step, risks=self._gate.risks(decision.action)))
        try:
            result = await self._result(decision.action, step)
        except asyncio.CancelledError:
            self._emit_result(step, _STOPPED, began)
            raise
        self._emit_result(step, result, began)
        if result.stopped or self.control.stopping:
            raise self._end("stopped", _BY_USER)
        if isinstance(decision.action, Finish) and (result.success or final):
            self._conclude(decision.action.summary, result, final=final)

    async def _result(self, action: Action, step: int) -> ActionResult:
        try:
            return await action.perform(
                self.workspace,
                step=step,
                on_output=lambda output: self.stream.progress(OutputAppeared(step=step, output=output)),
            )
        except ActionFailed as error:
            told = str(error)
        except OSError as error:
            told = f"{type(error).__name__}: {error.strerror or error}"
        return ActionResult(success=False, output=told, error=told)

    def _emit_result(self, step: int, result: ActionResult, began: float) -> None:
        self.stream.emit(ActionFinished(step=step, result=result, seconds=round(time.monotonic() - began, 3)))

    # -- end

    def _conclude(self, summary: str, result: ActionResult, *, final: bool) -> None:
        artifacts = tuple(result.metadata.get("artifacts", ()))
        if final:
            self._emit_end("step_limit", self._steps_used, summary=summary, artifacts=artifacts)
        else:
            self._emit_end("finished", "the goal is met", summary=summary, artifacts=artifacts)

    def _give_up(self, reason: str) -> _Ended:
        """End for a fault; at the last step the limit is the reason that counts."""
        return self._end("step_limit" if self._final else "failed", reason)

    def _end(self, status: Status, reason: str) -> _Ended:
        self._emit_end(status, reason)
        return _Ended()

    def _emit_end(
        self, status: Status, reason: str, *, summary: str | None = None, artifacts: tuple[str, ...] = ()
    ) -> None:
        told = self.state.account() if summary is None else summary
        step = self.state.current_step
        self.stream.emit(RunFinished(step=step, status=status, reason=reason, summary=told, artifacts=artifacts))

    @property
    def _steps_used(self) -> str:
        return f"all {self.state.max_steps} steps are used: %agent resume --max-steps {self.state.max_steps + 20}"


_BY_USER = "stopped by the user"
_STOPPED = ActionResult(success=False, output="The user stopped this step.", error=_BY_USER, stopped=True)


_ENDINGS = {
    "length": "the reply was cut off because it was too long; decide on a smaller step",
    "repetition": "the reply said the same again and again and was cut off; say it once, in a small step",
    "context": "the reply was cut off because the model's context is full; decide on a smaller step",
    "content_filter": "the provider's content filter stopped the reply; decide on another way to the goal",
    "refusal": "that was a refusal; if the goal cannot be pursued, finish and say why",
}


def _reason(error: DecisionError, finish_reason: str) -> str:
    return f"{_ENDINGS[finish_reason]} ({error})" if finish_reason in _ENDINGS else str(error)
