"""Answering the calls of outside agents: a view that resolves a call with what became of its step."""

from __future__ import annotations

from agentloop_nb.actions import ActionResult
from agentloop_nb.actions.output_text import describe_change
from agentloop_nb.agent.control import Control
from agentloop_nb.agent.prompt_images import figures
from agentloop_nb.events import (
    ActionFinished,
    ActionStarted,
    AnyEvent,
    ApprovalAsked,
    DecisionRejected,
    NoteAdded,
    OutputAppeared,
    Progress,
    RunFinished,
)
from agentloop_nb.notebook.serve.outside_model import Answer, Call, OutsideModel, no_step
from agentloop_nb.protocols import Privacy
from agentloop_nb.state import State

PROGRESS = 200
"""Characters of live output that a progress message carries."""


class Answers:
    """A `View`. Each event was recorded and masked before it came here."""

    def __init__(self, model: OutsideModel, control: Control, privacy: Privacy, *, images: bool) -> None:
        self._model = model
        self._control = control
        self._privacy = privacy
        self._images = images and privacy == "full"
        self._told: list[str] = []
        """Notes that were told before the loop took them."""
        self._untold: list[str] = []

    def show(self, event: AnyEvent, state: State) -> None:
        call = self._model.current
        if isinstance(event, NoteAdded):
            self._note(event.text)
        if call is None or call.answer.done():
            return
        match event:
            case ActionStarted():
                call.progress("running")
            case ApprovalAsked():
                call.progress(f"waiting for the person's approval: {'; '.join(event.risks) or call.name}")
            case ActionFinished():
                call.answer.set_result(self._answer(call, event, state))
            case DecisionRejected(reason=reason):
                call.answer.set_result(self._refused(reason, state))
            case RunFinished():
                call.answer.set_result(self._refused(f"this run is over: {event.reason}", state))
            case _:
                pass

    def progress(self, progress: Progress) -> None:
        call = self._model.current
        if call is not None and isinstance(progress, OutputAppeared) and self._privacy == "full":
            text = str(progress.output.get("text") or "")
            call.progress(text[-PROGRESS:] if text.strip() else "running")

    def _note(self, text: str) -> None:
        if text in self._told:
            self._told.remove(text)
        else:
            self._untold.append(text)

    def _notes(self) -> list[str]:
        """Return what the person said since the last answer; the loop takes it right after this one."""
        ahead = self._control.notes()
        notes, self._untold = [*self._untold, *ahead], []
        self._told += ahead
        return [f"The person says: {note}" for note in notes]

    def _answer(self, call: Call, event: ActionFinished, state: State) -> Answer:
        result = event.result
        over = [f"The run is over: {self._control.reason}."] if self._control.stopping else []
        text = "\n".join([result.output, *over, *self._notes()])
        told = {
            "step": event.step,
            "ok": result.success,
            "output": text,
            "error": result.error,
            "changes": self._changes(result),
            "files": list(result.effects.all_files),
            "seconds": event.seconds,
            "waited": round(call.waited, 3),
            "steps_left": state.max_steps - state.current_step,
        }
        images = figures(result.outputs) if self._images else ()
        return Answer(text, told, images, failed=not result.success)

    def _changes(self, result: ActionResult) -> list[str]:
        if self._privacy == "none":
            return [f"{change.how} {change.name}" for change in result.changes]
        return [describe_change(change) for change in result.changes]

    def _refused(self, reason: str, state: State) -> Answer:
        told = no_step(reason, steps_left=max(state.max_steps - state.current_step, 0))
        text = "\n".join([reason, *self._notes()])
        return Answer(text, {**told, "output": text}, failed=True)
