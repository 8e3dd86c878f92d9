"""The contract of a run under way: evaluated before its first step and after each finish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agentloop_nb.actions import Action, ActionResult, RunCode
from agentloop_nb.actions.effects import Effects
from agentloop_nb.agent import contract
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.events import ContractChecked, NoteAdded
from agentloop_nb.protocols import Check, Workspace
from agentloop_nb.safety.observed_effects import Mandate, Supervised
from agentloop_nb.settings import Settings
from agentloop_nb.state import State


@dataclass
class ContractGate:
    """Refuses a finish that does not meet the contract. One serves a run, in one process."""

    stream: Stream
    workspace: Workspace
    settings: Settings
    mandate: Callable[[Action], Mandate | None]

    @property
    def state(self) -> State:
        return self.stream.state

    @property
    def private(self) -> bool:
        """Whether a model may not see values."""
        return self.settings.privacy != "full"

    async def open(self) -> str:
        """Evaluate it before the first step, and tell the model of it; returns why the run cannot begin, if so."""
        if not self.settings.until:
            return ""
        checks = await self.evaluate()
        self.stream.emit(ContractChecked(step=self.state.current_step, checks=checks, before=True))
        told = contract.announcement(checks, first=self.state.current_step == 0, private=self.private)
        if not any(contract.HEAD in remark for step in self.state.steps for remark in step.remarks):
            self.stream.emit(NoteAdded(step=self.state.next_step, text=told, by="system"))
        return next(filter(None, map(contract.hopeless, checks)), "")

    async def evaluate(self) -> tuple[Check, ...]:
        """Evaluate every expression; one that a step made void is not evaluated."""
        return tuple([await self._evaluate(each) for each in self.settings.until])

    async def _evaluate(self, expression: str) -> Check:
        if why := contract.voided(expression, self.state):
            return Check(expression=expression, outcome="void", value=why)
        if isinstance(self.workspace, Supervised):
            self.workspace.mandate = self.mandate(RunCode(code=expression))
        return await self.workspace.check(expression, timeout=self.settings.timeout, made=contract.made(self.state))

    async def judge(self, step: int) -> tuple[Check, ...]:
        """Evaluate it after a finish, and record what came of it; returns all checks if one does not hold."""
        checks = await self.evaluate()
        if checks:
            self.stream.emit(ContractChecked(step=step, checks=checks))
        return () if all(check.held for check in checks) else checks

    def refusal(self, checks: tuple[Check, ...]) -> ActionResult:
        """Answer a finish that does not meet it."""
        told = contract.unmet(checks, private=self.private)
        goal = " ".join(self.state.goal.split())[:240]
        error = told.partition("\n")[0] if self.private else _first(checks).line
        return ActionResult(
            success=False,
            output=f"{told}\nDo what is missing, then finish again; or finish with goal_met false.\n"
            f"The goal is still: {goal}",
            error=error,
            effects=Effects(unmet=tuple(check.expression for check in checks if not check.held)),
        )

    def given_up(self, checks: tuple[Check, ...]) -> ActionResult:
        """Answer the last finish that does not meet it: the run ends."""
        return self.refusal(checks).with_effects(over=True)

    @property
    def refusals(self) -> int:
        """How often a finish was refused since the run was begun, or resumed last."""
        recent = self.state.steps[self.state.resumed_at :]
        return sum(bool(step.effects.unmet) for step in recent)

    def warned(self, action: Action, result: ActionResult, step: int) -> ActionResult:
        """Say on the result of a step that it made the contract void."""
        names = frozenset[str]().union(*map(contract.called, self.settings.until))
        changes = [each for each in result.changes if each.name in names and each.previous and each.how != "added"]
        if not changes:
            return result
        why = f"Void: {contract.rebound(changes[0].name, step)}; a finish will be refused."
        hint = "\n".join(filter(None, [result.effects.hint, "" if self.private else why]))
        return result.with_effects(notes=(*result.effects.notes, why), hint=hint)


def _first(checks: tuple[Check, ...]) -> Check:
    return next(check for check in checks if not check.held)
