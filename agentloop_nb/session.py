"""A session: the parts of one run put together, from settings to the handle that its user gets."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from agentloop_nb import __version__, journal
from agentloop_nb.actions.text import bounded
from agentloop_nb.control import Control
from agentloop_nb.differences import Differences
from agentloop_nb.errors import UserError
from agentloop_nb.events import AnyEvent, NamespaceRebuilt, NoteAdded, RunFinished, RunResumed, RunStarted, WaitStarted
from agentloop_nb.isolated.fork import inherited
from agentloop_nb.isolated.workspace import IsolatedWorkspace
from agentloop_nb.loop import Loop
from agentloop_nb.models import registry
from agentloop_nb.models.replay import ReplayModel
from agentloop_nb.ports import Model, Undoing, Usage, Web, Workspace
from agentloop_nb.rebuild import Ask, loose_ends, rebuild
from agentloop_nb.run import Run
from agentloop_nb.safety.provenance import mark
from agentloop_nb.safety.secrets import Masker
from agentloop_nb.settings import Settings
from agentloop_nb.state import State, fold
from agentloop_nb.stream import Approver, Stream, View
from agentloop_nb.web import LiveWeb

NAMESPACE_TOKENS = 2000
"""What the description of the namespace may take of the prompt."""
INSTRUCTIONS = 8000
"""Characters of AGENTS.md that the model is told."""

MakeWorkspace = Callable[[Web], Workspace]


class Rebuilding(NamedTuple):
    """What the variables of a run are rebuilt from."""

    events: Sequence[AnyEvent]
    ask: Ask | None
    anyway: bool = False
    """Go on where only what is shown differs."""


@dataclass
class Session:
    """One run, ready to go. Made by `begin` or `resume`, which raise `UserError` before anything is spent."""

    run: Run
    opening: Sequence[AnyEvent]
    state: State
    record: journal.Journal
    model: Model
    workspace: Workspace
    settings: Settings
    control: Control
    masker: Masker
    rebuilding: Rebuilding | None = None

    async def go(self, views: Sequence[View] = (), approver: Approver | None = None) -> Run:
        """Take the run to its end. How it ended is in the run; only a cancellation from outside is raised."""
        stream = Stream(self.state, self.record.append, views, masker=self.masker)
        loop = Loop(stream, self.model, self.workspace, self.settings, self.control, approver, self._written_before)
        if isinstance(self.workspace.web, LiveWeb):
            self.workspace.web.on_wait = partial(_tell_wait, stream)
        if isinstance(self.model, ReplayModel):
            stream.join(Differences(self.model, self.workspace.folder, stream.emit))
        try:
            for event in self.opening:
                stream.emit(event)
            if self.rebuilding is not None:
                await self._rebuild_or_stop(stream, self.rebuilding)
            await loop.run()
        finally:
            self.record.close()
            await self.model.close()
        return self.run

    async def _rebuild_or_stop(self, stream: Stream, rebuilding: Rebuilding) -> None:
        """Bring the variables back; a stop meanwhile ends the run as one whose variables are not there."""
        self.control.attach()
        try:
            await self._rebuild(stream, rebuilding)
        except asyncio.CancelledError:
            self._stop_rebuilding(stream)
            if not self.control.stopping:
                raise
        finally:
            self.control.detach()
        if self.control.stopping and self.state.status == "running":
            self._stop_rebuilding(stream)

    def _stop_rebuilding(self, stream: Stream) -> None:
        self._give_up_rebuilding(
            stream, "stopped while the variables were being rebuilt; %agent resume begins that anew"
        )

    async def _rebuild(self, stream: Stream, rebuilding: Rebuilding) -> None:
        """Bring the variables back; where that comes out differently, the run ends again and says so."""
        failed = "the variables could not be rebuilt"
        try:
            rebuilt = await rebuild(rebuilding.events, self.workspace, ask=rebuilding.ask, anyway=rebuilding.anyway)
        except OSError as error:
            told = f"{failed}: the files of the run cannot be kept safe ({error.strerror or error})"
            self._give_up_rebuilding(stream, told)
            return
        if self.control.stopping:
            return
        divergence = rebuilt.divergence.text if rebuilt.divergence else None
        made = {"steps": rebuilt.steps, "skipped": rebuilt.skipped, "divergence": divergence}
        stream.emit(NamespaceRebuilt(step=self.state.current_step, **made))
        if divergence:
            hint = "%agent resume --anyway goes on where only what is shown differs"
            self._give_up_rebuilding(stream, f"{failed}: {divergence}; {hint}")

    def _give_up_rebuilding(self, stream: Stream, reason: str) -> None:
        """End the run, and take back what was rebuilt in part: the next attempt begins where this one did."""
        if isinstance(self.workspace, IsolatedWorkspace):
            self.workspace.close()
        elif isinstance(self.workspace, Undoing):
            self.workspace.undo(0)
        stream.emit(RunFinished(step=self.state.current_step, status="interrupted", reason=reason))

    def _written_before(self) -> frozenset[str]:
        """SHA-256 of the files that earlier runs of this folder wrote."""
        return frozenset().union(*(state.written for state in journal.runs(journal.home(self.run.journal))))


def begin(
    goal: str,
    settings: Settings,
    variables: Mapping[str, str],
    *,
    folder: Path,
    make_workspace: MakeWorkspace,
    masker: Masker,
    earlier_goals: Sequence[str] = (),
    control: Control | None = None,
    run_id: str | None = None,
) -> Session:
    """Prepare a new run whose record lies in `folder`. Raises `UserError`, one line that says what to type."""
    if not goal.strip():
        raise UserError("the goal is empty: write what you want after %%agent, or in the lines below it")
    model = _model(settings, variables)
    workspace = make_workspace(_web(model, settings))
    state = State()
    run_id = run_id or journal.new_run_id()
    record = journal.Journal.create(folder, run_id, limit=settings.record_limit * journal.MEGABYTE)
    opening = RunStarted(
        run=run_id,
        goal=goal,
        context=_context(settings, model, workspace, folder),
        settings=_recorded(settings, model, variables),
        versions={"agentloop_nb": __version__, "python": platform.python_version()},
        cells=workspace.history(),
        earlier_goals=tuple(earlier_goals),
    )
    run = Run(state, record.path, workspace)
    _recover_with(workspace, record.path, None, cells=False)
    return Session(run, [opening], state, record, model, workspace, settings, control or Control(), masker)


def resume(
    path: Path,
    overrides: Mapping[str, Any],
    variables: Mapping[str, str],
    *,
    settings: Settings,
    make_workspace: MakeWorkspace,
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
    events = journal.read(path)
    state = live or fold(events)
    ends = loose_ends(state)
    limits = _limits(fold([*events, *ends]), overrides, settings, note)
    settings = replace(settings, max_steps=limits.max_steps, budget=limits.budget)
    model = _model(settings, variables)
    limits = limits.model_copy(update={"settings": _recorded(settings, model, variables)})
    if isinstance(model, ReplayModel):
        model.position = state.current_step
    workspace = make_workspace(_web(model, settings))
    record = journal.Journal.open(path, limit=settings.record_limit * journal.MEGABYTE)
    notes = [NoteAdded(step=limits.step + 1, text=note)] if note else []
    opening: list[AnyEvent] = [*ends, limits, *notes]
    run = Run(state, path, workspace)
    rebuilding = None if live else Rebuilding(events, ask, anyway)
    if live is None:
        _recover_with(workspace, path, ask, cells=True)
    return Session(run, opening, state, record, model, workspace, settings, control or Control(), masker, rebuilding)


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
    whole = journal.read(path)
    taken = inherited(whole, at, run_id, note=note)
    state = fold(taken)
    steps = max(state.max_steps, state.current_step + 20) if overrides.get("max_steps") is None else settings.max_steps
    limits = _limits(state, {**overrides, "max_steps": steps}, replace(settings, max_steps=steps), note or "go on")
    settings = replace(settings, max_steps=limits.max_steps, budget=limits.budget)
    model = _model(settings, variables)
    limits = limits.model_copy(update={"settings": _recorded(settings, model, variables)})
    if isinstance(model, ReplayModel):
        model.position = state.current_step
    workspace = make_workspace(_web(model, settings), whole)
    record = journal.Journal.create(journal.home(path), run_id, limit=settings.record_limit * journal.MEGABYTE)
    for event in taken:
        record.append(event)
    told = workspace.told if isinstance(workspace, IsolatedWorkspace) else ""
    notes = [NoteAdded(step=limits.step + 1, text="\n".join(filter(None, [_FORKED, told, note])))]
    opening: list[AnyEvent] = [limits, *notes]
    run = Run(state, record.path, workspace)
    _recover_with(workspace, record.path, ask, cells=True)
    rebuilding = Rebuilding(taken, ask, anyway)
    return Session(run, opening, state, record, model, workspace, settings, control or Control(), masker, rebuilding)


_FORKED = (
    "From here on this run goes another way than the one it was forked from. It has a process and a copy of the folder "
    "of its own; the variables are as they were after the last step. Others of the user's may be missing."
)


def _recover_with(workspace: Workspace, path: Path, ask: Ask | None, *, cells: bool) -> None:
    """Have an isolated kernel that dies replaced by one in which the record's code ran again."""
    if isinstance(workspace, IsolatedWorkspace):
        workspace.recover = partial(_recover, path, ask, cells=cells)


async def _recover(path: Path, ask: Ask | None, workspace: Workspace, *, cells: bool) -> str:
    """Rebuild the variables of a run in a new process; say how far that came. `cells` are the user's own."""
    events = journal.read(path)
    if not cells:  # what they made was handed over
        events[0] = events[0].model_copy(update={"cells": ()})
    try:
        rebuilt = await rebuild(events, workspace, ask=ask)
    except OSError as error:
        return f"A new kernel was started, but earlier steps were not run again ({error.strerror or error})."
    done = f"steps {', '.join(map(str, rebuilt.steps))} ran again" if rebuilt.steps else "no step had to run again"
    told = [f"A new kernel was started and {done}."]
    told += [f"Not run again: {', '.join(map(str, rebuilt.skipped))}."] if rebuilt.skipped else []
    told += [f"It is not whole: {rebuilt.divergence.text}."] if rebuilt.divergence else []
    return " ".join(told)


def _recorded(settings: Settings, model: Model, variables: Mapping[str, str]) -> dict[str, Any]:
    """The settings as the record has them: the model and its address as they were found."""
    return settings.record() | {"model": model.name, "base_url": registry.recorded_address(settings, variables)}


def _limits(state: State, overrides: Mapping[str, Any], settings: Settings, note: str) -> RunResumed:
    """The limits a run goes on with. Raises `UserError` if they leave it nothing to do."""
    if state.is_complete and not note:
        raise UserError(f"run {state.run} is finished; to go on from it, add a note: %agent resume -- what to do next")
    max_steps = state.max_steps if overrides.get("max_steps") is None else settings.max_steps
    budget = state.budget if overrides.get("budget") is None else settings.budget
    if state.current_step >= max_steps:
        raise UserError(f"all {max_steps} steps are used; allow more: %agent resume --max-steps {max_steps + 20}")
    if budget is not None and budget <= state.total_cost:
        more = f"{state.total_cost * 2:.2f}".rstrip("0").rstrip(".")
        spent = f"{state.total_cost.normalize():f}"
        raise UserError(f"${spent} is spent already; name a larger budget: %agent resume --budget {more or 1}")
    return RunResumed(step=state.current_step, max_steps=max_steps, budget=budget)


def _tell_wait(stream: Stream, seconds: float, reason: str) -> None:
    stream.progress(WaitStarted(step=stream.state.next_step, seconds=seconds, reason=reason))


def _model(settings: Settings, variables: Mapping[str, str]) -> Model:
    model = registry.create(settings, variables)
    if settings.budget is not None and model.quote(Usage(input=1, output=1)) is None:
        raise UserError(
            f"the price of {model.name} is unknown, so no budget can be kept; give one: AGENTLOOP_PRICE=0.15,0.60 "
            "(dollars a million tokens in and out), or leave --budget out"
        )
    return model


def _web(model: Model, settings: Settings) -> Web:
    live = LiveWeb(settings)
    return model.web(live) if isinstance(model, ReplayModel) and not settings.live else live


def _context(settings: Settings, model: Model, workspace: Workspace, folder: Path) -> str:
    """What the model is told beside the goal: the project's instructions, its limits, and what is in the namespace."""
    instructions = "\n\n".join(filter(None, [_agents_file(folder), settings.instructions.strip()]))
    tokens = min(NAMESPACE_TOKENS, model.context_window // 4) if model.context_window else NAMESPACE_TOKENS
    parts = [
        f"Instructions of this project:\n{instructions}" if instructions else "",
        f"You may take at most {settings.max_steps} steps.",
        mark(workspace.describe(tokens), "the namespace"),
    ]
    return "\n\n".join(filter(None, parts))


def _agents_file(folder: Path) -> str:
    try:
        return bounded((folder / "AGENTS.md").read_text(encoding="utf-8").strip(), INSTRUCTIONS)
    except (OSError, UnicodeDecodeError):
        return ""
