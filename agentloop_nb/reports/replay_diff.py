"""Notices where a replayed run does something else than the record it is replayed from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agentloop_nb.actions import ActionResult
from agentloop_nb.events import ActionFinished, AnyEvent, OutcomeDiffered, Progress
from agentloop_nb.export.anonymize import Anonymizer
from agentloop_nb.models.replay import ReplayModel
from agentloop_nb.state import State
from agentloop_nb.verify.step_compare import alike, in_a_line, shown_by


class ReplayDiff:
    """A view of a replayed run that emits an event for each step that came out differently. The last of the views."""

    def __init__(self, model: ReplayModel, folder: Path, emit: Callable[[AnyEvent], None]) -> None:
        self._model = model
        self._emit = emit
        self._scrub = Anonymizer(folder)

    def show(self, event: AnyEvent, state: State) -> None:
        """Compare a finished step with the recorded one, unless a person edited its decision."""
        step = state.steps[-1] if state.steps else None
        then = self._model.latest
        if not isinstance(event, ActionFinished) or step is None or step.decision is None or then is None:
            return
        decision, before = then
        if before is None or event.result.stopped or decision.action != step.decision.action:
            return
        before, now = (self._fit(result) for result in (before, event.result))
        if not alike(decision.action, before, now):
            was, is_now = in_a_line(shown_by(before)), in_a_line(shown_by(now))
            self._emit(OutcomeDiffered(step=event.step, expected=was, found=is_now))

    def progress(self, progress: Progress) -> None:
        """Ignore what happens in between: it is not compared."""

    def _fit(self, result: ActionResult) -> ActionResult:
        """Return a result without paths of the folder. A notebook holds what steps showed, not what they changed."""
        shown = {"outputs": tuple(map(self._scrub.value, result.outputs))}
        return result.model_copy(update=shown if self._model.knows_changes else shown | {"changes": ()})
