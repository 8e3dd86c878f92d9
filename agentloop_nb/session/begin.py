"""Beginning a new run."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from agentloop_nb import __version__, demo
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.actions.registry import Actions, record_of
from agentloop_nb.agent.approval import Judge
from agentloop_nb.agent.contract import refuse_unsound
from agentloop_nb.agent.control import Control
from agentloop_nb.agent.ledger import Ledger
from agentloop_nb.errors import UserError
from agentloop_nb.events import NoteAdded, RunStarted
from agentloop_nb.protocols import CodeRan, Model, Remembering, Web, Workspace
from agentloop_nb.record import journal, locating
from agentloop_nb.run import Run
from agentloop_nb.safety.secrets import Masker
from agentloop_nb.session.context import context
from agentloop_nb.session.parts import another, chosen, equip, make_model, make_web, recorded, with_contract_of
from agentloop_nb.session.recovery import recover_with
from agentloop_nb.session.session import Session
from agentloop_nb.settings import Settings
from agentloop_nb.state import State


class Part(NamedTuple):
    """What a run belongs to: the run that delegated it, or the tries of one goal."""

    of: str
    which: str


@dataclass(frozen=True)
class NewRun:
    """A run that is to begin, and how."""

    goal: str
    settings: Settings
    variables: Mapping[str, str]
    folder: Path
    """Where its record lies."""
    masker: Masker
    earlier_goals: Sequence[str] = ()
    control: Control = field(default_factory=Control)
    run_id: str = field(default_factory=locating.new_run_id)
    model: Model | None = None
    """Takes the place of the one that the settings name."""
    notes: Sequence[NoteAdded] = ()
    ledger: Ledger | None = None
    """A budget that the run shares with others."""
    part: Part | None = None
    judge: Judge | None = None
    """Knows further reasons to ask a person about an action."""


def begin(how: NewRun, make_workspace: Callable[[Web], Workspace]) -> Session:
    """Prepare a new run. Raises `UserError`, one line that says what to type."""
    if not how.goal.strip():
        raise UserError("the goal is empty: say in words what you want done")
    refuse_unsound(how.settings.until, how.goal)
    model = how.model or make_model(how.settings, how.variables, how.ledger)
    settings = with_contract_of(model, how.settings)
    workspace = make_workspace(make_web(model, settings))
    equip(workspace, model, settings, how.folder)
    if model.name == "demo":
        demo.prepare(workspace.folder)
    opening = _opening(how, settings, model, workspace)
    record = journal.Journal.create(how.folder, how.run_id, limit=settings.record_limit * journal.MEGABYTE)
    if settings.isolated:
        recover_with(workspace, record.path, None, cells=False)
    state = State()
    return Session(
        Run(state, record.path, workspace),
        [opening, *how.notes],
        state,
        record,
        model,
        workspace,
        settings,
        how.control,
        how.masker,
        judge=how.judge,
        ledger=how.ledger,
        make_model=None if how.model else another(model, settings, how.variables, how.ledger),
    )


def _opening(how: NewRun, settings: Settings, model: Model, workspace: Workspace) -> RunStarted:
    """Return the first event: all that is known before the first request."""
    actions = chosen(settings, model, workspace, how.control, how.goal)
    return RunStarted(
        run=how.run_id,
        goal=how.goal,
        context=context(settings, model, workspace, how.folder, actions, how.goal),
        actions=tuple(map(record_of, actions)),
        settings=recorded(settings, model, how.variables, how.control),
        versions={"agentloop_nb": __version__, "python": platform.python_version()},
        **_cells(actions, workspace),
        earlier_goals=tuple(how.earlier_goals),
        part_of=how.part and how.part.of,
        part=how.part.which if how.part else "",
    )


def _cells(actions: Actions, workspace: Workspace) -> dict[str, Any]:
    """Return the code that ran before the run, learned functions first, and what is known of it."""
    learned = [each.learned_source for each in actions if issubclass(each, OwnAction) and each.learned_source]
    ran = workspace.code_ran() if isinstance(workspace, Remembering) else ()
    by_model = [CodeRan(index=index, by_model=True) for index in range(len(learned))]
    others = [each.model_copy(update={"index": each.index + len(learned)}) for each in ran]
    return {"cells": (*learned, *workspace.history()), "ran": (*by_model, *others)}
