"""Going on with a recorded run."""

from __future__ import annotations

from collections.abc import Callable

from agentloop_nb.events import NoteAdded
from agentloop_nb.protocols import Web, Workspace
from agentloop_nb.rebuild import loose_ends
from agentloop_nb.record import journal, locating, reading
from agentloop_nb.session.continuation import RecordedRun, continuation
from agentloop_nb.session.parts import resumed_limits, with_limits_of
from agentloop_nb.session.session import Session
from agentloop_nb.state import State, fold


def resume(how: RecordedRun, make_workspace: Callable[[Web], Workspace], *, live: State | None = None) -> Session:
    """Prepare a recorded run to go on. Raises `UserError`.

    `live` is its state if it took place in this kernel; else its variables are rebuilt first.
    """
    events = reading.read(how.path)
    state = live or fold(events)
    ends = loose_ends(state, [] if live else locating.parts(how.path))
    ended = fold([*events, *ends])
    if not how.own:
        ended = with_limits_of(how.settings, ended)
    limits = resumed_limits(ended, how.overrides, how.settings, how.note)
    made = continuation(how, state, limits, make_workspace)
    record = journal.Journal.open(how.path, limit=how.room)
    notes = [NoteAdded(step=limits.step + 1, text=how.note)] if how.note else []
    return made.session(record, [*ends, made.limits, *notes], None if live else [*events, *ends])
