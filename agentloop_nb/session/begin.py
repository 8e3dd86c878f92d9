"""Beginning a new run."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from agentloop_nb import __version__, demo
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.actions.registry import record_of
from agentloop_nb.agent.approval import Judge
from agentloop_nb.agent.contract import refuse_unsound
from agentloop_nb.agent.control import Control
from agentloop_nb.agent.ledger import Ledger
from agentloop_nb.errors import UserError
from agentloop_nb.events import AnyEvent, NoteAdded, RunStarted
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


def begin(
    goal: str,
    settings: Settings,
    variables: Mapping[str, str],
    *,
    folder: Path,
    make_workspace: Callable[[Web], Workspace],
    masker: Masker,
    earlier_goals: Sequence[str] = (),
    control: Control | None = None,
    run_id: str | None = None,
    model: Model | None = None,
    notes: Sequence[NoteAdded] = (),
    ledger: Ledger | None = None,
    part: Part | None = None,
    judge: Judge | None = None,
) -> Session:
    """Prepare a new run whose record lies in `folder`. Raises `UserError`, one line that says what to type.

    `model` takes the place of the one that the settings name; `ledger` is a budget that the run shares with others,
    `part` says what it belongs to, `judge` knows further reasons to ask a person.
    """
    if not goal.strip():
        raise UserError("the goal is empty: say in words what you want done")
    refuse_unsound(settings.until, goal)
    given, model = model, model or make_model(settings, variables, ledger)
    settings = with_contract_of(model, settings)
    workspace = _equipped(make_workspace(make_web(model, settings)), model, settings, folder)
    actions = chosen(settings, model, workspace, control, goal)
    learned = [each.learned_source for each in actions if issubclass(each, OwnAction) and each.learned_source]
    ran = workspace.code_ran() if isinstance(workspace, Remembering) else ()
    run_id = run_id or locating.new_run_id()
    opening = RunStarted(
        run=run_id,
        goal=goal,
        context=context(settings, model, workspace, folder, actions, goal),
        actions=tuple(map(record_of, actions)),
        settings=recorded(settings, model, variables, control),
        versions={"agentloop_nb": __version__, "python": platform.python_version()},
        cells=(*learned, *workspace.history()),
        ran=(
            *(CodeRan(index=index, by_model=True) for index in range(len(learned))),
            *(each.model_copy(update={"index": each.index + len(learned)}) for each in ran),
        ),
        earlier_goals=tuple(earlier_goals),
        part_of=part and part.of,
        part=part.which if part else "",
    )
    state, record = State(), journal.Journal.create(folder, run_id, limit=settings.record_limit * journal.MEGABYTE)
    if settings.isolated:
        recover_with(workspace, record.path, None, cells=False)
    openings: list[AnyEvent] = [opening, *notes]
    run = Run(state, record.path, workspace)
    parts = (run, openings, state, record, model, workspace, settings, control or Control(), masker)
    connect = None if given else another(model, settings, variables, ledger)
    return Session(*parts, judge=judge, ledger=ledger, make_model=connect)


def _equipped(workspace: Workspace, model: Model, settings: Settings, folder: Path) -> Workspace:
    """Give a workspace what its run works with."""
    equip(workspace, model, settings, folder)
    if model.name == "demo":
        demo.prepare(workspace.folder)
    return workspace
