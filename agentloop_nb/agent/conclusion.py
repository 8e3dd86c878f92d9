"""How a run ends. That the goal is met is what the model says, or what a contract shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentloop_nb.actions import ActionResult, Finish
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.errors import Hint
from agentloop_nb.events import RunFinished, Status
from agentloop_nb.protocols import Check

MET = "the model reports the goal met"
SHOWN = "the contract holds: {}"
NOT_MET = "the model reports that the goal is not met"
WITH_A_WORD = Hint("resume -- YOUR WORDS", lead="; tell it what to do differently: ")
TRY_AGAIN = Hint("resume", "tries again")


@dataclass
class Ending:
    """Writes the end of one run."""

    stream: Stream

    def conclude(self, action: Finish, result: ActionResult, *, final: bool) -> None:
        """End as the model says; at the last step only what it says in so many words counts."""
        checks = self.stream.state.checks
        unmet = any(not check.held for check in checks)
        limited = final and (action.says_goal_met is not True or unmet)
        status: Status
        status, reason = ("step_limit", self.steps_used) if limited else conclusion(action, checks)
        hints = (self.more_steps,) if limited else (WITH_A_WORD,) if status == "not_met" else ()
        artifacts, doubts = result.effects.artifacts or (), result.effects.doubts
        self.emit(status, reason, hints, summary=action.summary, artifacts=artifacts, doubts=doubts)

    def emit(
        self,
        status: Status,
        reason: str,
        hints: tuple[Hint, ...] = (),
        *,
        summary: str | None = None,
        artifacts: tuple[str, ...] = (),
        doubts: tuple[str, ...] = (),
    ) -> None:
        """Emit the end; without a summary of the model's, the state accounts for what was done."""
        state = self.stream.state
        told = state.account() if summary is None else summary
        self.stream.emit(
            RunFinished(
                step=state.current_step,
                status=status,
                reason=reason,
                hints=hints,
                summary=told,
                artifacts=artifacts,
                doubts=doubts,
            )
        )

    @property
    def steps_used(self) -> str:
        """Why a run ends at its step limit."""
        return f"all {self.stream.state.max_steps} steps are used"

    @property
    def more_steps(self) -> Hint:
        """What lets it go on."""
        return Hint(f"resume --max-steps {self.stream.state.max_steps + 20}")


def conclusion(action: Finish, checks: Sequence[Check] = ()) -> tuple[Status, str]:
    """Return the status of a run that ends with this finish, and the reason."""
    if not action.goal_met:
        return "not_met", NOT_MET
    return "finished", SHOWN.format(", ".join(check.expression for check in checks)) if checks else MET
