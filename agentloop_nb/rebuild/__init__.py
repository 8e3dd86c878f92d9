"""Rebuilds the namespace of a run whose kernel is gone: recorded code runs again, and must do what it did.

No model is asked, and searches and pages are not repeated. Files that the run wrote end as they were found, so that
nothing is done twice.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Sequence

from agentloop_nb.actions import Action, ActionResult, AskUser, Delegate, Finish, Query, RunCode, UseTool, WriteFile
from agentloop_nb.actions.delegate import code_of
from agentloop_nb.actions.effects import Effects
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.agent.conclusion import conclusion
from agentloop_nb.errors import ActionFailed
from agentloop_nb.events import ActionFinished, AnyEvent, RunFinished, RunStarted
from agentloop_nb.export.selection import story
from agentloop_nb.export.slicing import Piece
from agentloop_nb.own_actions.source import declarations
from agentloop_nb.protocols import CodeOutcome, Output, Value, Workspace
from agentloop_nb.rebuild.delegated import cut_off
from agentloop_nb.rebuild.file_stash import FileStash, written
from agentloop_nb.record.replay_data import refused
from agentloop_nb.safety.code_risks import read_risks
from agentloop_nb.state import State
from agentloop_nb.step import Step
from agentloop_nb.verify.step_compare import alike, in_a_line, shown_by

__all__ = ["Ask", "Divergence", "Rebuilt", "loose_ends", "rebuild"]

ONCE = (
    *("deletes outside the folder", "deletes files", "writes outside the folder"),
    *("installs packages", "shell", "network", "controls the kernel", "runs built code"),
)
"""Risks of code that is not repeated without asking."""
_DIED = "the kernel died while this ran"
_CUT_OFF = (
    "The kernel died while this ran. It was not run again: what it had done to files or elsewhere by then is done, "
    "what it had done to variables is lost."
)
CELL_TIMEOUT = 300
"""Seconds for one of the user's own cells."""

Ask = Callable[[str, tuple[str, ...]], Awaitable[bool]]
"""Asks a person whether code may run again, with what it touches."""


class Divergence(Value):
    """A step that did not do again what it had done."""

    step: int
    """Its number; 0 for a cell of the user's from before the run."""
    code: str
    expected: str
    found: str

    @property
    def text(self) -> str:
        """What differs, on one line."""
        where = f"step {self.step}" if self.step else "a cell from before the run"
        return f"{where} came out differently: it was {in_a_line(self.expected)}, now it is {in_a_line(self.found)}"


class Rebuilt(Value):
    """How far a rebuilding came."""

    steps: tuple[int, ...] = ()
    """Steps that were done again, with the same outcome."""
    skipped: tuple[int, ...] = ()
    """Steps that are not repeatable, and that nobody allowed."""
    cells: int = 0
    """Cells of the user's that were run first, because the steps need them."""
    divergence: Divergence | None = None
    """Where it stopped, if it did not come to the end."""


def loose_ends(state: State, parts: Iterable[State] = ()) -> list[AnyEvent]:
    """Return the events that a killed kernel could not write any more: emit them before the run goes on.

    A step in whose middle it died is closed as failed, and not repeated; after a `finish` the run is finished. Of
    `parts` that were delegated in it, those that were done count.
    """
    last = state.steps[-1] if state.steps else None
    if last is None or last.decision is None or state.status != "running":
        return []
    if last.started and last.result is None and isinstance(last.decision.action, Delegate):
        return [ActionFinished(step=last.number, result=cut_off(last.decision.action, state, parts))]
    if last.started and last.result is None and not isinstance(last.decision.action, AskUser):  # that is asked again
        result = ActionResult(success=False, output=_CUT_OFF, error=_DIED, effects=Effects(cut_off=True))
        return [ActionFinished(step=last.number, result=result)]
    if isinstance(last.decision.action, Finish) and last.result is not None and last.result.success:
        summary, artifacts = last.decision.action.summary, last.effects.artifacts or ()
        status, reason = conclusion(last.decision.action)
        ended = RunFinished(step=last.number, status=status, reason=reason, summary=summary)
        return [ended.model_copy(update={"artifacts": artifacts})]
    return []


async def rebuild(
    events: Sequence[AnyEvent], workspace: Workspace, *, ask: Ask | None = None, anyway: bool = False
) -> Rebuilt:
    """Run a record's code again in `workspace`, in order, up to its end or the first divergence.

    Code that is not repeatable (shell, network, deletion, files outside the folder) runs only if `ask` says so.
    `anyway` goes on where outputs differ, as long as code succeeds or fails as it did. Raises `OSError` if files
    cannot be kept safe.
    """
    declared = declarations(events[0].cells) if isinstance(events[0], RunStarted) else []
    told = story(events, also="\n".join(declared))
    aside = FileStash(workspace.folder, told.state.run)
    moved, copied = written(told.steps)
    aside.take(moved, copied)
    try:
        return await _Rebuilding(workspace, ask, anyway=anyway).run(told.brought, told.steps, declared)
    finally:
        aside.put_back()


class _Rebuilding:
    def __init__(self, workspace: Workspace, ask: Ask | None, *, anyway: bool) -> None:
        self.workspace = workspace
        self.ask = ask
        self.anyway = anyway

    async def run(self, cells: Sequence[Piece], steps: Sequence[Step], declared: Sequence[str]) -> Rebuilt:
        done: list[int] = []
        skipped: list[int] = []
        for cell in cells:
            if divergence := await self._cell(cell):
                return Rebuilt(divergence=divergence)
        for line in declared:
            if await self._allowed(line):
                await self.workspace.run_code(line, step=0, timeout=CELL_TIMEOUT, on_output=_nowhere)
        for step in steps:
            if not _repeats(step):
                continue
            if not await self._may(step):
                skipped.append(step.number)
                continue
            if divergence := await self._step(step):
                return Rebuilt(steps=tuple(done), skipped=tuple(skipped), cells=len(cells), divergence=divergence)
            done.append(step.number)
        return Rebuilt(steps=tuple(done), skipped=tuple(skipped), cells=len(cells))

    async def _cell(self, cell: Piece) -> Divergence | None:
        source = cell.source
        if not await self._allowed(source):
            return Divergence(step=0, code=source, expected="run", found="not run, because nobody allowed it")
        outcome = await self.workspace.run_code(source, step=0, timeout=CELL_TIMEOUT, on_output=_nowhere)
        if outcome.ending == ("error" if cell.failed else "ok"):
            return None
        return Divergence(
            step=0, code=source, expected="an error" if cell.failed else "no error", found=_ending(outcome)
        )

    async def _may(self, step: Step) -> bool:
        action = step.decision.action if step.decision else None
        if isinstance(action, Delegate) and step.result is not None:
            return await self._allowed("\n".join(code_of(step.result, step.number)))
        if isinstance(action, OwnAction) and step.result is not None:
            return not action.is_lost(step.result)
        return not isinstance(action, RunCode) or await self._allowed(action.code)

    async def _allowed(self, code: str) -> bool:
        risks = tuple(risk for risk in read_risks(code) if risk in ONCE)
        return not risks or (self.ask is not None and await self.ask(code, risks))

    async def _step(self, step: Step) -> Divergence | None:
        assert step.decision is not None
        assert step.result is not None
        action, before = _with_time(step.decision.action, step.seconds), step.result
        try:
            now = await self._done_again(action, before, step.number)
        except ActionFailed as error:
            now = ActionResult(success=False, output=str(error), error=str(error))
        code = action.code if isinstance(action, RunCode) else action.title
        if before.success == now.success and not now.stopped and (self.anyway or alike(action, before, now)):
            return None
        return Divergence(step=step.number, code=code, expected=shown_by(before), found=shown_by(now))

    async def _done_again(self, action: Action, before: ActionResult, step: int) -> ActionResult:
        """Do an action again; neither servers nor databases are asked, their recorded answers are bound."""
        if isinstance(action, Delegate):  # its parts are made by their code: no model is asked
            return await action.again(self.workspace, before, step=step, on_output=_nowhere)
        if isinstance(action, Query | OwnAction) and action.is_kept(before):
            return await action.again(self.workspace, before, step=step, on_output=_nowhere)
        if isinstance(action, UseTool) and before.effects.tool is not None:
            return await action.deliver(before.effects.tool, self.workspace, step=step, on_output=_nowhere)
        return await action.perform(self.workspace, step=step, on_output=_nowhere)


def _with_time(action: Action, took: float) -> Action:
    """Code that was given more time than its limit gets that again, and as much for a slower machine."""
    if not isinstance(action, RunCode) or took <= action.timeout:
        return action
    return action.model_copy(update={"timeout": math.ceil(2 * took)})


def _repeats(step: Step) -> bool:
    """Whether a step made something that lives in the namespace or the folder, and came to its own end."""
    if step.result is None or refused(step) or step.result.stopped or step.effects.cut_off:
        return False
    action = step.decision.action if step.decision else None
    ended = step.result.success or any(output["output_type"] == "error" for output in step.result.outputs)
    return (isinstance(action, RunCode) and ended) or (_again(action, step.result) and step.result.success)


def _again(action: Action | None, before: ActionResult) -> bool:
    """Whether what is no code is done again: of a function that reaches outside, what it brought is bound."""
    if isinstance(action, UseTool):
        return bool(action.save_as)
    if isinstance(action, OwnAction):
        return bool(action.into) or not action.is_kept(before)
    return isinstance(action, WriteFile | Query | Delegate)


def _ending(outcome: CodeOutcome) -> str:
    return f"{outcome.error.type}: {outcome.error.message}" if outcome.error else outcome.ending


def _nowhere(output: Output) -> None:
    """Ignore what rebuilt code shows: it was shown before."""
