"""Going another way from a step of a recorded run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from agentloop_nb.agent.contract import refuse_unsound
from agentloop_nb.agent.control import Control
from agentloop_nb.events import AnyEvent, NoteAdded
from agentloop_nb.isolated.fork_copy import inherited
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.protocols import Web, Workspace
from agentloop_nb.rebuild import Ask
from agentloop_nb.record import journal, locating, reading, trust
from agentloop_nb.run import Run
from agentloop_nb.safety.secrets import Masker
from agentloop_nb.session.continuation import continuation
from agentloop_nb.session.parts import resumed_limits, with_limits_of
from agentloop_nb.session.rebuilding import Rebuilding
from agentloop_nb.session.recovery import recover_with
from agentloop_nb.session.session import Session
from agentloop_nb.settings import Settings
from agentloop_nb.state import fold

_FORKED = (
    "From here on this run goes another way than the one it was forked from. It has a process and a copy of the folder "
    "of its own; the variables are as they were after the last step. Others of the user's may be missing."
)


def fork(
    path: Path,
    at: int | None,
    overrides: Mapping[str, Any],
    variables: Mapping[str, str],
    *,
    settings: Settings,
    make_workspace: Callable[[Web, Sequence[AnyEvent]], Workspace],
    masker: Masker,
    run_id: str,
    ask: Ask | None = None,
    note: str = "",
    anyway: bool = False,
    control: Control | None = None,
) -> Session:
    """Prepare a new run that goes another way after step `at` (None: the last) of a recorded one.

    It begins with a copy of the record up to there, and with its variables rebuilt; what was spent until then is not
    counted again. Raises `UserError`.
    """
    refuse_unsound(settings.until)
    whole = reading.read(path)
    taken = inherited(whole, at, run_id, note=note)
    own = trust.standing(path) == "own"
    state = fold(taken) if own else with_limits_of(settings, fold(taken))
    steps = max(state.max_steps, state.current_step + 20) if overrides.get("max_steps") is None else settings.max_steps
    limits = resumed_limits(
        state, {**overrides, "max_steps": steps}, replace(settings, max_steps=steps), note or "go on"
    )
    limits, settings, model, workspace, connect = continuation(
        state,
        limits,
        settings,
        overrides,
        variables,
        home=locating.home(path),
        own=own,
        make_workspace=lambda web: make_workspace(web, whole),
        control=control,
    )
    record = journal.Journal.create(
        locating.home(path), run_id, limit=settings.record_limit * journal.MEGABYTE, standing=trust.standing(path)
    )
    for event in taken:
        record.append(event)
    told = workspace.told if isinstance(workspace, IsolatedWorkspace) else ""
    number = limits.step + 1
    opening: list[AnyEvent] = [
        limits,
        NoteAdded(step=number, text="\n".join(filter(None, [_FORKED, told])), by="system"),
        *([NoteAdded(step=number, text=note)] if note else []),
    ]
    run = Run(state, record.path, workspace)
    recover_with(workspace, record.path, ask, cells=True)
    rebuilding = Rebuilding(taken, ask, anyway)
    parts = (run, opening, state, record, model, workspace, settings, control or Control(), masker, rebuilding)
    return Session(*parts, make_model=connect)
