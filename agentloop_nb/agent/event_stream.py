"""The stream of a run's events: the one way a state changes, a record grows and views learn of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from pydantic_core import PydanticSerializationError, to_jsonable_python

from agentloop_nb._internal.text import whole_characters
from agentloop_nb.actions import RunCode
from agentloop_nb.agent import output_limit
from agentloop_nb.decision import Decision
from agentloop_nb.events import (
    ActionFinished,
    ActionStarted,
    AnyEvent,
    ApprovalAsked,
    ApprovalGiven,
    ModelCalled,
    OutputAppeared,
    Progress,
    ReplyStreamed,
    RunStarted,
    event_from,
)
from agentloop_nb.protocols import Delta
from agentloop_nb.safety.secrets import Masker, Tail
from agentloop_nb.state import State
from agentloop_nb.step import Step

log = logging.getLogger(__name__)


class View(Protocol):
    """Shows a run. Called on the thread that runs the loop; must be quick, and must not raise."""

    def show(self, event: AnyEvent, state: State) -> None:
        """Take an event, already recorded and already folded into `state`."""

    def progress(self, progress: Progress) -> None:
        """Take something that happens in between and is never recorded."""


Record = Callable[[AnyEvent], None]
"""Writes one event durably. A record that cannot be written says so itself; it does not raise."""

Approver = Callable[[ApprovalAsked, Decision], Awaitable[ApprovalGiven]]
"""Asks a person about a decision."""


class Stream:
    """Emits events: masks secrets in each, folds it into the state, writes it to the record, then tells the views.

    Prompts, cards and exports are made from the state and the record, so what is masked here is masked everywhere.
    """

    def __init__(
        self, state: State, record: Record, views: Iterable[View] = (), *, masker: Masker | None = None
    ) -> None:
        self.state = state
        self._record = record
        self._views = list(views)
        self._masker = Masker(()) if masker is None else masker
        self._look_again = 0.0
        """On time.monotonic(); so that looking for secrets takes a tenth of the time at most."""
        self._held = output_limit.lighten([state], output_limit.LIMIT)
        self._tails: dict[tuple[int, str], Tail] = {}
        """Ends of texts that stream in, by step and source."""

    def join(self, view: View) -> None:
        """Tell one more view, after the others."""
        self._views.append(view)

    def emit(self, event: AnyEvent) -> None:
        """Take an event in. The only mutation of a run."""
        self._look(event)
        event = self._fit(event)
        if isinstance(event, ModelCalled) and not (self.state.steps and self.state.steps[-1].is_looked_at):
            self._tails.clear()
        self.state.apply(event)
        self._record(event)
        if isinstance(event, ActionFinished):
            self._hold(self.state.steps[-1])
        self._tell(lambda view: view.show(event, self.state))

    def _look(self, event: AnyEvent) -> None:
        """Know the secrets that the user's cells, or the code of a step, brought up."""
        match event:
            case RunStarted():
                self._masker.expect(event.cells)
            case ActionStarted():
                last = self.state.steps[-1].decision if self.state.steps else None
                codes = [last.action.code] if last and isinstance(last.action, RunCode) else []
                if not self._masker.expect(codes):
                    return  # what the code brings up is looked for when it shows something, and at its end
            case ActionFinished():
                pass
            case _:
                return
        self._masker.look()

    def _hold(self, step: Step) -> None:
        """Bound what the state holds of outputs; the record has them."""
        self._held += output_limit.weight(step)
        if self._held > output_limit.LIMIT:
            self._held = output_limit.lighten([self.state], output_limit.LIMIT // 2)

    def _fit(self, event: AnyEvent) -> AnyEvent:
        """Return the event as it may be kept and sent: no secret in it, and nothing that no request could carry."""
        try:
            text = event.model_dump_json()
        except PydanticSerializationError:  # half a surrogate pair in what code printed, or an object of the user's
            event = event_from(to_jsonable_python(whole_characters(event.model_dump()), fallback=repr))
            text = event.model_dump_json()
        if self._masker and self._masker.found_in(text):
            event = event_from(self._masker.mask_value(event.model_dump(mode="json")))
        return event

    def progress(self, progress: Progress) -> None:
        """Tell the views of something that is not recorded."""
        if isinstance(progress, OutputAppeared) and time.monotonic() > self._look_again:
            began = time.monotonic()
            self._masker.look()
            self._look_again = time.monotonic() + 10 * (time.monotonic() - began)
        if self._masker:
            progress = self._masked(progress)
        self._tell(lambda view: view.progress(progress))

    def _masked(self, progress: Progress) -> Progress:
        """Mask what streams in; what may be the beginning of a secret is held back until it is clear."""
        match progress:
            case ReplyStreamed(step=step, delta=delta):
                text, reasoning = self._clear(step, "text", delta.text), self._clear(step, "why", delta.reasoning)
                return ReplyStreamed(step=step, delta=Delta(text=text, reasoning=reasoning, status=delta.status))
            case OutputAppeared(step=step, output={"output_type": "stream", "name": name, "text": text} as output):
                return OutputAppeared(step=step, output=output | {"text": self._clear(step, str(name), str(text))})
            case _:
                return type(progress).model_validate(self._masker.mask_value(progress.model_dump()))

    def _clear(self, step: int, source: str, piece: str) -> str:
        """Return the part of a piece that can be shown now."""
        return self._tails.setdefault((step, source), Tail(self._masker)).feed(piece) if piece else ""

    def _tell(self, call: Callable[[View], None]) -> None:
        for view in list(self._views):
            try:
                call(view)
            except Exception as error:
                self._views.remove(view)
                log.warning("%s failed and shows no more of this run: %r", type(view).__name__, error, exc_info=True)
