"""Going another way from a step of a recorded run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from agentloop_nb.events import AnyEvent, NoteAdded
from agentloop_nb.isolated.fork_copy import inherited
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.protocols import Web, Workspace
from agentloop_nb.record import journal, reading, trust
from agentloop_nb.session.continuation import RecordedRun, continuation
from agentloop_nb.session.parts import resumed_limits, with_limits_of
from agentloop_nb.session.session import Session
from agentloop_nb.state import fold

_FORKED = (
    "From here on this run goes another way than the one it was forked from. It has a process and a copy of the folder "
    "of its own; the variables are as they were after the last step. Others of the user's may be missing."
)


def fork(
    how: RecordedRun, at: int | None, run_id: str, make_workspace: Callable[[Web, Sequence[AnyEvent]], Workspace]
) -> Session:
    """Prepare a new run that goes another way after step `at` (None: the last) of a recorded one.

    It begins with a copy of the record up to there, and with its variables rebuilt; what was spent until then is not
    counted again. Raises `UserError`.
    """
    whole = reading.read(how.path)
    taken = inherited(whole, at, run_id, note=how.note)
    state = fold(taken) if how.own else with_limits_of(how.settings, fold(taken))
    named = how.overrides.get("max_steps") is not None
    steps = how.settings.max_steps if named else max(state.max_steps, state.current_step + 20)
    overrides, settings = {**how.overrides, "max_steps": steps}, replace(how.settings, max_steps=steps)
    limits = resumed_limits(state, overrides, settings, how.note or "go on")
    made = continuation(how, state, limits, lambda web: make_workspace(web, whole))
    record = journal.Journal.create(how.home, run_id, limit=how.room, standing=trust.standing(how.path))
    for event in taken:
        record.append(event)
    told = made.workspace.told if isinstance(made.workspace, IsolatedWorkspace) else ""
    number = limits.step + 1
    opening: list[AnyEvent] = [
        made.limits,
        NoteAdded(step=number, text="\n".join(filter(None, [_FORKED, told])), by="system"),
        *([NoteAdded(step=number, text=how.note)] if how.note else []),
    ]
    return made.session(record, opening, taken)
