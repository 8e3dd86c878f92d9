"""Going on with a recorded run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agentloop_nb.agent.contract import refuse_unsound
from agentloop_nb.agent.control import Control
from agentloop_nb.events import AnyEvent, NoteAdded
from agentloop_nb.protocols import Web, Workspace
from agentloop_nb.rebuild import Ask, loose_ends
from agentloop_nb.record import journal, locating, reading, trust
from agentloop_nb.run import Run
from agentloop_nb.safety.secrets import Masker
from agentloop_nb.session.continuation import continuation
from agentloop_nb.session.parts import resumed_limits, with_limits_of
from agentloop_nb.session.rebuilding import Rebuilding
from agentloop_nb.session.recovery import recover_with
from agentloop_nb.session.session import Session
from agentloop_nb.settings import Settings
from agentloop_nb.state import State, fold


def resume(
    path: Path,
    overrides: Mapping[str, Any],
    variables: Mapping[str, str],
    *,
    settings: Settings,
    make_workspace: Callable[[Web], Workspace],
    masker: Masker,
    live: State | None = None,
    ask: Ask | None = None,
    note: str = "",
    anyway: bool = False,
    control: Control | None = None,
) -> Session:
    """Prepare a recorded run to go on. `overrides` tells which limits were named anew; others stay as recorded.

    `live` is its state if it took place in this kernel; else its variables are rebuilt first, where `ask` says whether
    code that is not repeatable may run again.
    """
    refuse_unsound(settings.until)
    events = reading.read(path)
    state = live or fold(events)
    ends = loose_ends(state, [] if live else locating.parts(path))
    ended = fold([*events, *ends])
    own = trust.standing(path) == "own"
    if not own:
        ended = with_limits_of(settings, ended)
    limits = resumed_limits(ended, overrides, settings, note)
    limits, settings, model, workspace, connect = continuation(
        state,
        limits,
        settings,
        overrides,
        variables,
        home=locating.home(path),
        own=own,
        make_workspace=make_workspace,
        control=control,
    )
    record = journal.Journal.open(path, limit=settings.record_limit * journal.MEGABYTE)
    notes = [NoteAdded(step=limits.step + 1, text=note)] if note else []
    opening: list[AnyEvent] = [*ends, limits, *notes]
    run = Run(state, path, workspace)
    rebuilding = None if live else Rebuilding([*events, *ends], ask, anyway)
    if live is None:
        recover_with(workspace, path, ask, cells=True)
    parts = (run, opening, state, record, model, workspace, settings, control or Control(), masker, rebuilding)
    return Session(*parts, make_model=connect)
