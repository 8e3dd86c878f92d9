"""The loop: decide, execute, observe, update, until the goal is met or a limit is reached."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from agentloop_nb.actions import Action, ActionResult, AskUser, Finish, Plan, WriteFile
from agentloop_nb.actions.effects import Answer, Effects
from agentloop_nb.actions.registry import Actions
from agentloop_nb.agent import contract
from agentloop_nb.agent.alarm import Alarm
from agentloop_nb.agent.approval import ApprovalGate, Judge
from agentloop_nb.agent.budget import CostLimit
from agentloop_nb.agent.code_as_text import asks_to_run
from agentloop_nb.agent.conclusion import TRY_AGAIN, WITH_A_WORD, Ending
from agentloop_nb.agent.contract_gate import ContractGate
from agentloop_nb.agent.control import STOPPED, Control
from agentloop_nb.agent.event_stream import Approver, Stream
from agentloop_nb.agent.finish_gate import FinishGate
from agentloop_nb.agent.ledger import Ledger
from agentloop_nb.agent.model_call import GaveUp, ModelCaller
from agentloop_nb.agent.offer import WEB, is_offline, understood
from agentloop_nb.agent.performer import Performer
from agentloop_nb.agent.planning import Planner, Planning
from agentloop_nb.agent.questions import Asker, Questions
from agentloop_nb.agent.rejection import rejection
from agentloop_nb.agent.repetition import Repetitions
from agentloop_nb.agent.slips import put_right
from agentloop_nb.agent.unanswered import ASK_AGAIN, Unanswered
from agentloop_nb.decision import Decision, parse
from agentloop_nb.errors import DecisionError, Hint
from agentloop_nb.events import ActionFinished, ActionStarted, DecisionMade, DecisionRejected, NoteAdded, Status
from agentloop_nb.protocols import Model, Unprompted, Workspace
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
    replayed: Callable[[], bool] | None = None
    """For decisions of a record: whether more of them follow. What they were refused then they are refused now."""
    asker: Asker | None = None
    """Puts the model's questions to a person."""
    kept: Callable[[Action], ActionResult | None] | None = None
    """What the record that is replayed says a query, or a function that reaches outside, brought."""
    planner: Planner | None = None
    """Shows a plan to a person."""
    forecast: Callable[[], str] | None = None
    """Says what earlier runs took."""
    make_model: Callable[[], Model] | None = None
    """Connects to the model once more, for looks at code that runs long; without it there are none."""
    judge: Judge | None = None
    """Knows further reasons to ask a person about an action."""
    ledger: Ledger | None = None
    """A budget that the run shares with others."""

    def __post_init__(self) -> None:
        self._asker = ModelCaller(self.stream, self.model, self.settings.max_retries, self.ledger)
        folder = self.workspace.folder
        self._repetitions = Repetitions(folder)
        self._gate = ApprovalGate(self.stream, self.settings, folder, self.approver, self.written_before, self.judge)
        self._alarm = Alarm()
        self._ending = Ending(self.stream)
        parts = (self.stream, self.workspace, self.settings, self.control, self._gate, self._asker, self._alarm)
        self._performer = Performer(*parts, self.make_model)
        self._decides_by_itself = isinstance(self.model, Unprompted)
        self._questions = Questions(self.stream, self.settings, self.asker)
        self._planning = Planning(self.stream, self.settings, self.planner, self.forecast)
        self._contract = ContractGate(self.stream, self.workspace, self.settings, self._gate.mandate)
        self._finish_gate = FinishGate(self.stream, self.workspace, self.settings, self._contract)

    @property
    def account(self) -> Ledger:
        """What the run spends from, and its parts with it."""
        return self._asker.account

    def answer_by(self, recorded: Callable[[AskUser], Answer | None]) -> None:
        """Have questions answered by the record that is replayed."""
        self._questions.recorded = recorded

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
            await self._open()
            await self._ask_again()
            await self._plan()
            while self.state.status == "running":
                await self._step()
        except _Ended:
            pass
        except Unanswered as error:
            self._ending.emit("stopped", str(error), (ASK_AGAIN,))
        except asyncio.CancelledError:
            self._ending.emit("stopped", self.control.reason if self.control.stopping else "its task was cancelled")
            if not self.control.stopping:
                raise
        except Exception as error:
            self._ending.emit("failed", f"a defect of agentloop_nb ended the run: {type(error).__name__}: {error}")
            raise
        finally:
            self._alarm.close()
            self.control.detach()
        return self.state

    async def _open(self) -> None:
        if not self.control.stopping and (why := await self._contract.open()):
            raise self._end("failed", why)

    async def _ask_again(self) -> None:
        """Put again what a person was asked and had not answered when the run ended or the kernel died."""
        last = self.state.steps[-1] if self.state.steps else None
        if last is None or last.result is not None or last.decision is None:
            return
        if isinstance(last.decision.action, AskUser):
            await self._perform(last.decision)
        elif last.unapproved and self.replayed is None and (admitted := await self._gate.admit(last.decision)):
            await self._perform(admitted)

    async def _plan(self) -> None:
        """Have the model plan until a plan stands, if there is to be one."""
        self._planning.replayed = self.replayed is not None
        while self._planning.wanted and not self.control.stopping:
            if (waiting := self._planning.proposed) is not None:
                await self._planning.settle(waiting.made)
                continue
            decision = await self._decide(only=(Plan.name,))
            told = await asyncio.to_thread(self.forecast) if self.forecast else ""
            self._planning.propose(decision, self.state.next_step, told)

    async def _step(self) -> None:
        await self.control.wait_while_paused()
        if self.control.stopping:  # before the first step: a resumed run was rebuilding its variables
            raise self._end("stopped", self.control.reason)
        if self.state.next_step > self.state.max_steps:
            raise self._out_of_steps()
        for note in self.control.take_notes():
            self.stream.emit(NoteAdded(step=self.state.next_step, text=note))
        decision = await self._decide()
        if self._same_again(decision.action):
            return
        admitted = await self._gate.admit(decision)
        if admitted is not None:
            await self._perform(admitted)

    def _same_again(self, action: Action) -> bool:
        """Answer a decision that can only fail again without carrying it out. Raises `_Ended` when the run is stuck."""
        if self._may_repeat:
            return False
        if (reason := self._repetitions.stuck(action)) is not None:
            told = f"Not done again: {reason}."
            result = ActionResult(success=False, output=told, error=reason, effects=Effects(repeated=1))
            self._emit_result(self.state.next_step, result, time.monotonic())
            raise self._end("not_met", reason, WITH_A_WORD)
        if (answer := self._repetitions.useless(action)) is not None:
            self._emit_result(self.state.next_step, answer, time.monotonic())
        return answer is not None

    @property
    def _may_repeat(self) -> bool:
        """Whether the same again is no mistake: a record's, or an outside agent's, between whose steps cells run."""
        return bool(self.replayed) or self._decides_by_itself

    @property
    def _final(self) -> bool:
        """The last allowed step is for the summary, so that a limit never ends in silence."""
        return self.state.is_last_step

    # -- decide

    async def _decide(self, only: tuple[str, ...] = ()) -> Decision:
        """Ask until the model gives a valid decision; a rejected one is told why. `only` a plan is none yet."""
        while self.state.rejections <= self.settings.max_retries:
            try:
                reply = await self._asker.reply(final=self._final, only=only)
                step, final = self.state.next_step, self._final  # an outside agent may have taken steps back meanwhile
                limit, again = self.settings.timeout, self.replayed is not None
                read = parse(reply.text, timeout=limit, final=final, again=again, actions=self._understood)
                decision = self._put_right(read)
                self._planning.check(decision.action, first=bool(only))
            except DecisionError as error:
                self.stream.emit(DecisionRejected(step=step, reason=rejection(error, reply.finish_reason)))
            except GaveUp as error:
                raise self._give_up(str(error), *error.hints) from error
            except CostLimit as limit:
                hint = Hint(f"resume --budget {limit.budget.normalize():f}")
                raise self._end("cost_limit", str(limit), hint) from limit
            else:
                if only:
                    return decision
                if (taken := self._taken(decision, step)) is not None:
                    return taken
        if self._final:  # what the model was told is no word for a person
            raise self._out_of_steps(" (the model gave no closing summary)")
        reason = self.state.steps[-1].rejected[-1][1]
        raise self._give_up(f"{self.state.rejections} replies in a row were no valid decision; the last: {reason}")

    @property
    def _understood(self) -> Actions:
        """The actions that are taken; the plans of a record are shown, whether or not this run was to have one."""
        actions = understood(self.state)
        return actions if self.replayed is None or Plan in actions else (*actions, Plan)

    def _taken(self, decision: Decision, step: int) -> Decision | None:
        """Emit a decision; None for one that only changes the plan."""
        if isinstance(decision.action, Plan):
            self._planning.change(decision, step)
            return None
        decision, line = self._planning.located(decision)
        self.stream.emit(DecisionMade(step=step, decision=decision, line=line))
        return decision

    def _put_right(self, decision: Decision) -> Decision:
        """Mend the slips of a decision; a record's stays as it was."""
        small = self._asker.is_small
        return decision if self.replayed else put_right(decision, self.state, self.workspace, small=small)

    # -- perform

    async def _perform(self, decision: Decision) -> None:
        step, final, began = self.state.next_step, self._final, time.monotonic()
        self.stream.emit(ActionStarted(step=step, risks=self._gate.risks(decision.action)))
        try:
            result = await self._known(decision.action) or await self._carry_out(decision.action, step)
        except asyncio.CancelledError:
            self._emit_result(step, STOPPED, began)
            raise
        if not self._may_repeat:
            result = self._repetitions.note(decision.action, result, step)
        if isinstance(decision.action, Finish) and result.success and self._finish_gate.grounds:
            result = result.with_effects(grounds=self._finish_gate.grounds)
        result = self._contract.warned(decision.action, result, step)
        self._emit_result(step, result, began)
        if result.stopped or self.control.stopping:
            raise self._end("stopped", self.control.reason)
        if isinstance(decision.action, Finish) and result.effects.over:
            why, summary = contract.reason(self.state.checks), decision.action.summary
            self._ending.emit("not_met", why, (WITH_A_WORD,), summary=summary)
        elif isinstance(decision.action, Finish) and (result.success or final):
            self._ending.conclude(decision.action, result, final=final)

    async def _known(self, action: Action) -> ActionResult | None:
        """Answer without carrying it out: a finish that something speaks against, a question, code as text, offline."""
        if isinstance(action, Finish):
            return await self._finish_gate.objection(action, final=self._final, follows=self.replayed)
        if isinstance(action, AskUser):
            return await self._questions.answer(action, self.state.next_step)
        if isinstance(action, WriteFile) and not self._may_repeat:
            return asks_to_run(action, self.state, small=self._asker.is_small)
        if action.name in WEB and is_offline(self.state):
            told = "This machine is offline, as an earlier look-up showed: go on without the web."
            return ActionResult(success=False, output=told, error=told)
        return None

    async def _carry_out(self, action: Action, step: int) -> ActionResult:
        kept = self.kept(action) if self.kept is not None else None
        return await self._performer.result(action, step, kept, watched=self.replayed is None)

    def _emit_result(self, step: int, result: ActionResult, began: float) -> None:
        self.stream.emit(ActionFinished(step=step, result=result, seconds=round(time.monotonic() - began, 3)))

    # -- end

    def _give_up(self, reason: str, *hints: Hint) -> _Ended:
        """End for a fault; at the last step the limit is the reason that counts."""
        if self._final:
            return self._end("step_limit", reason, *(hints or (self._ending.more_steps,)))
        return self._end("failed", reason, *(hints or (TRY_AGAIN,)))

    def _out_of_steps(self, more: str = "") -> _Ended:
        return self._end("step_limit", f"{self._ending.steps_used}{more}", self._ending.more_steps)

    def _end(self, status: Status, reason: str, *hints: Hint) -> _Ended:
        self._ending.emit(status, reason, hints)
        return _Ended()
