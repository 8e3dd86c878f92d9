"""The gate before each action: whether a person is asked, why, and what the model is told when the answer is no."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agentloop_nb._internal import safe_files
from agentloop_nb.actions import Action, ActionResult, AskUser, Finish, RunCode, UseTool, WriteFile
from agentloop_nb.actions.effects import Effects
from agentloop_nb.actions.hints import syntax_hint
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.agent.event_stream import Approver, Stream
from agentloop_nb.agent.unanswered import Unanswered
from agentloop_nb.decision import Decision
from agentloop_nb.events import ActionFinished, ApprovalAsked, ApprovalGiven
from agentloop_nb.safety.mandate import mandate
from agentloop_nb.safety.memory import Memory
from agentloop_nb.safety.observed_effects import Mandate
from agentloop_nb.safety.permission import denial, reasons_to_ask
from agentloop_nb.settings import Settings
from agentloop_nb.state import State

log = logging.getLogger(__name__)

NOBODY = "nobody is there to approve it"

Judge = Callable[[Action, State], tuple[str, ...]]
"""Says, a line each, why a person should see an action first."""


@dataclass
class ApprovalGate:
    """Lets decisions through, asking a person where the settings or caution say so."""

    stream: Stream
    settings: Settings
    folder: Path
    approver: Approver | None = None
    written_before: Callable[[], frozenset[str]] = frozenset
    """SHA-256 of files that earlier runs wrote; asked for only when a file is about to be replaced."""
    judge: Judge | None = None
    """Knows further reasons to ask, which no setting turns off."""
    _memory: Memory = field(default_factory=Memory)
    _rest: bool = False
    """The person approved the rest of the run."""

    async def admit(self, decision: Decision) -> Decision | None:
        """Return the decision, perhaps edited by a person. None: refused, which the model is told as an observation.

        Raises `Unanswered`.
        """
        action, step = decision.action, self.stream.state.next_step
        suspicions, replaced = self._suspicions(action), self._replaced(action)
        judged = self.judge(action, self.stream.state) if self.judge else ()
        if not suspicions and not judged and not replaced and (self._rest or not self._wanted(action)):
            return decision
        risks = (*suspicions, *judged, *replaced, *self.risks(action))
        asked = ApprovalAsked(step=step, risks=risks, seconds=self.settings.answer_within)
        self.stream.emit(asked)
        answer = await self._answer(asked, decision)
        if not answer.approved and answer.by == "policy":
            answer = answer.model_copy(update={"reason": _denial(suspicions, judged, replaced) or answer.reason})
        self.stream.emit(answer)
        self._rest = self._rest or answer.rest
        if answer.approved:
            return answer.edited or decision
        why = f": {answer.reason}" if answer.reason else ""
        hint = syntax_hint(action.code) if isinstance(action, RunCode) else ""
        told = f"Not carried out, it was refused{why}."
        result = ActionResult(success=False, output=told, error=f"refused{why}", effects=Effects(hint=hint))
        self.stream.emit(ActionFinished(step=step, result=result))
        return None

    def risks(self, action: Action) -> tuple[str, ...]:
        """Return what an action's code touches, in the light of what the run's earlier code bound."""
        if not isinstance(action, RunCode):
            return ()
        try:
            self._memory.take_in(self.stream.state, self.stream.state.cells)
            return self._memory.risks(action.code)
        except Exception:
            log.exception("code could not be read")
            return ("cannot be read",)

    def mandate(self, action: Action) -> Mandate | None:
        """Return what covers the effects of an action that was admitted; without code it has none to judge."""
        if not isinstance(action, RunCode):
            return None
        somebody = self.approver is not None
        try:
            trusting = self.settings.trust_web
            return mandate(
                action.code,
                self.stream.state,
                memory=self._memory,
                folder=self.folder,
                trusting=trusting,
                anybody=somebody,
            )
        except Exception:
            log.exception("the mandate of a step could not be told")
            return Mandate(anybody=somebody)

    async def _answer(self, asked: ApprovalAsked, decision: Decision) -> ApprovalGiven:
        if self.approver is None:
            return ApprovalGiven(step=asked.step, approved=False, by="policy", reason=NOBODY)
        try:
            return await self.approver(asked, decision)
        except TimeoutError:
            raise Unanswered(f"step {asked.step} waits for your approval", asked.seconds) from None

    def _wanted(self, action: Action) -> bool:
        if any(isinstance(part, OwnAction) and part.declared.asks for part in action.parts()):
            return True
        match self.settings.approve:
            case "all":
                return not isinstance(action, Finish | AskUser)
            case "code":
                return any(isinstance(part, RunCode | WriteFile | OwnAction | UseTool) for part in action.parts())
            case "auto":
                return False

    def _suspicions(self, action: Action) -> tuple[str, ...]:
        """Why a stranger may be behind this action."""
        if self.settings.trust_web:
            return ()
        state = self.stream.state
        try:
            return reasons_to_ask(action, state, cells=state.cells, folder=self.folder, memory=self._memory)
        except Exception as error:
            log.exception("an action could not be judged")
            return (f"it could not be judged ({type(error).__name__})",)

    def _replaced(self, action: Action) -> tuple[str, ...]:
        """Return the file that would be replaced although no run wrote it as it is and the goal does not name it."""
        state = self.stream.state
        if not isinstance(action, WriteFile):
            return ()
        if state.borrowed is None and (action.filename in state.goal or action.filename in state.files):
            return ()
        if not safe_files.foreign(self.folder, action.filename, state.written):
            return ()
        if not safe_files.foreign(self.folder, action.filename, self.written_before()):
            return ()
        return (f"it replaces {action.filename!r}, which no run wrote as it is now",)


def _denial(suspicions: tuple[str, ...], judged: tuple[str, ...], replaced: tuple[str, ...]) -> str:
    if judged:
        return f"{'; '.join((*judged, *suspicions))}, and {NOBODY}"
    if suspicions:
        return denial(suspicions)
    return f"{replaced[0]}, and {NOBODY}; write under another name" if replaced else ""
