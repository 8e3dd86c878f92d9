"""What speaks against a finish: the contract, and what no step bears out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agentloop_nb.actions import ActionResult, Finish
from agentloop_nb.actions.effects import Effects, Ground
from agentloop_nb.agent.contract_gate import ContractGate
from agentloop_nb.agent.control import STOPPED
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.grounding import ground
from agentloop_nb.agent.objections import asked_before, objections, refusal
from agentloop_nb.protocols import Workspace
from agentloop_nb.settings import Settings
from agentloop_nb.state import State

Follows = Callable[[], bool] | None
"""For decisions of a record: whether more of them follow."""


@dataclass
class FinishGate:
    """Refuses a finish, or marks what the model insists on. One serves a run, in one process."""

    stream: Stream
    workspace: Workspace
    settings: Settings
    contract: ContractGate
    grounds: tuple[Ground, ...] = ()
    """What shows the claims of the newest finish."""

    @property
    def state(self) -> State:
        """The state of the run."""
        return self.stream.state

    async def objection(self, action: Finish, *, final: bool, follows: Follows) -> ActionResult | None:
        """Answer a finish that something speaks against; None lets it pass."""
        unmet = await self._unmet(action, final=final, follows=follows)
        return unmet or self._objected(action, final=final, follows=follows)

    async def _unmet(self, action: Finish, *, final: bool, follows: Follows) -> ActionResult | None:
        """Refuse a finish that the contract does not hold for; after too many the run is over."""
        checks = await self.contract.judge(self.state.next_step)
        if any(check.outcome == "stopped" for check in checks):
            return STOPPED
        if not checks or not action.goal_met or final:
            return None
        more = follows() if follows is not None else self.contract.refusals < self.settings.max_retries
        return self.contract.refusal(checks) if more else self.contract.given_up(checks)

    def _objected(self, action: Finish, *, final: bool, follows: Follows) -> ActionResult | None:
        """Object to a finish, once; what the model insists on is marked."""
        grounding = ground(action, self.state, self.workspace)
        self.grounds = tuple(grounding.grounds)
        found = objections(action, self.state, self.workspace, grounding)
        if not found:
            return None
        last_word = self._unasked(final=final) or (asked_before(self.state) if follows is None else not follows())
        if action.goal_met and not last_word:
            return refusal(found, self.state.goal)
        missing = action.missing(self.workspace.folder)
        kept = tuple(name for name in action.artifacts if name not in missing)
        effects = Effects(artifacts=kept, doubts=tuple(each.doubt for each in found))
        return ActionResult(success=True, output=action.summary, effects=effects)

    def _unasked(self, *, final: bool) -> bool:
        """Whether nothing is asked of a finish: nobody reads the answer, or the model may not see what it rests on."""
        return final or self.settings.quiet or self.settings.privacy != "full"
