"""What happens to a run as a whole: it starts, is checked, goes on, ends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from pydantic import (
    SerializerFunctionWrapHandler,
    model_serializer,
)

from agentloop_nb.actions.registry import ActionRecord
from agentloop_nb.errors import Hint
from agentloop_nb.events.event import FORMAT, Dollars, Event, RecordedSettings, RunId, Status
from agentloop_nb.protocols import Check, CodeRan, Usage, Value


class RunStarted(Event):
    """A goal was given. Everything the model is told at the start is in here, so that the record alone can go on."""

    kind: Literal["run_started"] = "run_started"
    format: int = FORMAT
    run: RunId
    goal: str
    context: str
    """What the model is told beside the goal: instructions, namespace, recent cells, earlier runs."""
    settings: RecordedSettings
    """The resolved settings, without any secret."""
    versions: dict[str, str] = {}
    earlier_goals: tuple[str, ...] = ()
    """Goals of earlier runs in the same kernel, oldest first."""
    actions: tuple[ActionRecord, ...] = ()
    """What the run may do; records of older versions name none, and mean the five of the original."""
    cells: tuple[str, ...] = ()
    """Sources of what ran before the run, oldest first: what an export may bring along."""
    ran: tuple[CodeRan, ...] = ()
    """What is known of some of `cells`."""
    part_of: RunId | None = None
    """What it belongs to: the run that delegated it, or the tries of one goal."""
    part: str = ""
    """Which part of that it is."""

    @model_serializer(mode="wrap")
    def _format_first(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"format": self.format, **handler(self)}


class NoteAdded(Event):
    """The user told the agent something while it works, or on resuming or forking it; `by` "system", the system did."""

    kind: Literal["note_added"] = "note_added"
    text: str
    by: Literal["user", "system"] = "user"


class ContractChecked(Event):
    """The expressions that must be True at the end were evaluated."""

    kind: Literal["contract_checked"] = "contract_checked"
    checks: tuple[Check, ...]
    before: bool = False
    """Before the first step, or the first one after a resumption."""


class TranscriptCompacted(Event):
    """From now on outputs of steps up to `through` are told in `keep` characters, steps up to `digested` in a line."""

    kind: Literal["transcript_compacted"] = "transcript_compacted"
    through: int
    keep: int
    digested: int = 0
    context: int | None = None
    """Characters that remain of what stands beside the goal (the namespace); None is all."""


class StepsUndone(Event):
    """Step `first` and all later ones were taken back: variables, files, and what the model remembers."""

    kind: Literal["steps_undone"] = "steps_undone"
    first: int


class RunFinished(Event):
    """The run is over, for `reason`. A finished step left its summary in its `finish` action."""

    kind: Literal["run_finished"] = "run_finished"
    status: Status
    reason: str = ""
    hints: tuple[Hint, ...] = ()
    """What can be typed to go on."""
    summary: str = ""
    artifacts: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    """What the run claims and no step shows, a sentence each."""


class RunResumed(Event):
    """A run that had ended goes on, perhaps with other limits."""

    kind: Literal["run_resumed"] = "run_resumed"
    max_steps: int
    budget: Decimal | None = None
    actions: tuple[ActionRecord, ...] = ()
    """What it may do from here on; empty: what it could do before."""
    settings: RecordedSettings = {}
    """The settings it goes on with, without any secret."""
    borrowed: bool = False
    """What stands before was not recorded by this user: none of its words are the user's."""


class NamespaceRebuilt(Event):
    """The variables of a run whose kernel is gone were made again, from recorded code and without a model."""

    kind: Literal["namespace_rebuilt"] = "namespace_rebuilt"
    steps: tuple[int, ...] = ()
    """Steps that ran again with the same outcome."""
    skipped: tuple[int, ...] = ()
    """Steps that cannot be repeated safely, and that nobody allowed."""
    divergence: str | None = None
    """What came out differently, where it stopped."""


class RunForked(Event):
    """What stands before was taken over from another run, up to the end of its step `step`; it paid for that."""

    kind: Literal["run_forked"] = "run_forked"
    parent: RunId
    """The id of the run it was forked from."""


class FunctionProposed(Event):
    """A model proposed a function that does what steps of the run did, after its end."""

    kind: Literal["function_proposed"] = "function_proposed"
    name: str
    asked: str = ""
    """What the model was told."""
    text: str
    """The reply as it was written."""
    problem: str = ""
    """Why it was not taken; empty where its test passed."""
    model: str = ""
    usage: Usage = Usage()
    cost: Dollars | None = None
    """What the reply cost; None where that is unknown."""


class TryRank(Value):
    """One of several tries of a goal, as it was ranked."""

    number: int
    run: RunId
    status: Status
    steps: int
    cost: Dollars
    cost_known: bool = True
    contract: bool | None = None
    """Whether its contract held; None where it had none."""
    doubts: int = 0
    """Claims of its summary that no step shows."""
    agreement: float | None = None
    """The share of its figures and tables that the other tries came to, too; None where there is nothing to compare."""


class TriesRanked(Event):
    """All tries of a goal are over: which was chosen, and why. It stands in the record of each of them."""

    kind: Literal["tries_ranked"] = "tries_ranked"
    tries: tuple[TryRank, ...]
    """Best first."""
    chosen: RunId | None
    """None where no try met the goal."""
    reason: str
