"""Bringing variables and files of an isolated run into the user's kernel, because the user says so."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection
from contextlib import ExitStack
from functools import cache, partial
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, cast

from agentloop_nb._internal import safe_files
from agentloop_nb.agent.control import Control
from agentloop_nb.errors import ActionFailed, Hint, UserError
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.notebook.isolation import placement
from agentloop_nb.notebook.isolation.adoption import Adoption
from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace
from agentloop_nb.notebook.kernel.runner import drive
from agentloop_nb.notebook.presenter import ask_on_input
from agentloop_nb.notebook.snapshots.tracker import SHELL_NAMES
from agentloop_nb.notebook.trust_prompt import ask_to_run
from agentloop_nb.protocols import Web
from agentloop_nb.rebuild import rebuild
from agentloop_nb.record import locating, reading
from agentloop_nb.run import Run

if TYPE_CHECKING:
    from agentloop_nb.notebook.run_manager import RunManager

_FLAGS = ("--rerun", "--undo")


def adopt(manager: RunManager, words: list[str]) -> str:
    """Bring what `words` name (a run, variables, files; all of the last isolated run), and say what was brought."""
    flags = {word for word in words if word.startswith("-")}
    if unknown := flags - set(_FLAGS):
        raise UserError(f"adopt has no option {min(unknown)}; it has {' and '.join(_FLAGS)}")
    if "--undo" in flags:
        return _undo(manager)
    names = [word for word in words if word not in flags]
    reference = names[0] if names and locating.names_run(names[0], manager.folder) else None
    run = _run(manager, reference)
    wanted = names[1:] if reference else names
    if "--rerun" in flags:
        if wanted:
            raise UserError("--rerun runs all of the run's code; leave the names out")
        return _rerun(manager, run)
    alive = isinstance(run.workspace, IsolatedWorkspace) and run.workspace.lives()
    if not alive:
        ask_to_run(manager.shell, run.journal)
    workspace = cast("IsolatedWorkspace", run.workspace) if alive else _rebuilt(manager, run)
    try:
        return _bring(manager, run, workspace, wanted)
    finally:
        if not alive:
            workspace.close()


def _undo(manager: RunManager) -> str:
    if not manager.adopted:
        raise UserError("nothing was adopted in this kernel, so there is nothing to take back")
    return manager.adopted.pop().undo(manager.shell.user_ns)


def _run(manager: RunManager, reference: str | None) -> Run:
    """Return the run meant. Raises `UserError` for one that was not isolated."""
    isolated = [run for run in manager.runs if run.state.settings.get("isolated")]
    if reference is None and isolated:
        run = isolated[-1]
    else:
        path = manager.find(reference).resolve()
        run = manager.run_of(path) or Run(reading.load(path), path)
    if run.status == "running":
        raise UserError("the run is still going on; stop it first")
    if not run.state.settings.get("isolated"):
        raise UserError(
            f"run {run.id} was not isolated: what it made is where it ran", Hint("resume", "brings it back")
        )
    return run


# -- as data


def _bring(manager: RunManager, run: Run, workspace: IsolatedWorkspace, wanted: list[str]) -> str:
    there = placement.files_made(run.state, workspace.folder)
    names = [name for name in run.state.changed if _is_bindable(name) and (wanted or not hasattr(builtins, name))]
    if unknown := [name for name in wanted if name not in names and name not in there]:
        made = ", ".join([*names, *there]) or "nothing"
        raise UserError(f"run {run.id} did not make {unknown[0]!r}; it made {made}")
    values, refused = workspace.hand_over([name for name in names if not wanted or name in wanted])
    adoption = Adoption(run.id, manager.working_folder or manager.folder)
    manager.adopted.append(adoption)  # before anything is brought, so that half of it can be taken back too
    written = cache(partial(_written, manager))
    for name, value in values.items():
        adoption.bind(manager.shell.user_ns, name, value)
    left = [f"{name} ({why}; %agent adopt {run.id} --rerun runs its code here)" for name, why in refused.items()]
    files_left = {
        name: _bring_file(adoption, workspace.folder, name, wanted, written)
        for name in there
        if not wanted or name in wanted
    }
    left += [f"{name} ({why})" for name, why in files_left.items() if why]
    return _told(adoption, left)


def _is_bindable(name: str) -> bool:
    """Whether a name the other process told of may be bound here."""
    return name.isidentifier() and not iskeyword(name) and not name.startswith("_") and name not in SHELL_NAMES


def _bring_file(
    adoption: Adoption, source: Path, name: str, wanted: Collection[str], written: Callable[[], frozenset[str]]
) -> str:
    """Copy a file, and say why if it was left. One that nobody asked for by name replaces only what runs wrote."""
    try:
        data, target = (source / name).read_bytes(), adoption.folder / name
        if target.is_file() and target.read_bytes() == data:
            return ""
        if name not in wanted and safe_files.foreign(adoption.folder, name, written()):
            return f"another file of that name is here; to replace it: %agent adopt {adoption.run} {name}"
        adoption.files.append(safe_files.place(adoption.folder, name, data))
    except (ActionFailed, OSError) as error:
        return str(error)
    return ""


def _written(manager: RunManager) -> frozenset[str]:
    """SHA-256 of the files that runs wrote here, or that were adopted."""
    adopted = {file.sha256 for adoption in manager.adopted for file in adoption.files}
    return locating.written(manager.folder) | adopted


def _told(adoption: Adoption, left: list[str]) -> str:
    brought = [*adoption.after, *(file.path for file in adoption.files)]
    lines = [f"Adopted from run {adoption.run}: {', '.join(brought) or 'nothing'}."]
    lines += [f"  These were bound here before: {', '.join(adoption.replaced)}"] if adoption.replaced else []
    lines += [f"  NOT adopted: {each}" for each in left]
    return "\n".join([*lines, *(["To take it back: %agent adopt --undo"] if brought else [])])


# -- by running code


def _rebuilt(manager: RunManager, run: Run) -> IsolatedWorkspace:
    """Return a new process in which the code of a run whose own is gone ran again.

    Raises `UserError`; a stop is one too.
    """
    control = Control()
    workspace = placement.workspace(
        manager.shell,
        locating.home(run.journal),
        "",
        web=_no_web(),
        settings=manager.as_recorded(run.journal, {}),
        control=control,
        earlier=(),
    )
    with ExitStack() as failed:
        failed.callback(workspace.close)
        rebuilt = drive(lambda: rebuild(reading.read(run.journal), workspace), control)
        if control.stopping:
            raise UserError("adopting was interrupted; nothing was brought here")
        if rebuilt.divergence is not None:
            raise UserError(f"what run {run.id} made cannot be made again: {rebuilt.divergence.text}")
        failed.pop_all()
    return workspace


def _rerun(manager: RunManager, run: Run) -> str:
    """Run the recorded code of a run in the user's kernel; in the run's own folder, so that no file here changes."""
    ask_to_run(manager.shell, run.journal)
    events = reading.read(run.journal)
    events[0] = events[0].model_copy(update={"cells": ()})  # the user's own cells ran here
    control, folder = Control(), manager.place(run.journal)
    workspace = KernelWorkspace(manager.shell, web=_no_web(), folder=folder, control=control)
    ask = partial(ask_on_input, manager.shell, control)
    adoption = Adoption(run.id, manager.working_folder or manager.folder, take_back=lambda: workspace.undo(1))
    manager.adopted.append(adoption)
    rebuilt = drive(lambda: rebuild(events, workspace, ask=ask, anyway=True), control)
    if rebuilt.divergence is not None:
        raise UserError(rebuilt.divergence.text, Hint("adopt --undo", "takes back what ran before it"))
    names = workspace.variables(list(run.state.changed))
    lines = [f"Steps of run {run.id} that ran here again: {', '.join(map(str, rebuilt.steps)) or 'none'}."]
    lines += [f"  They made {', '.join(names)}."] if names else []
    lines += [f"  NOT run again, nobody allowed it: step {step}" for step in rebuilt.skipped]
    return "\n".join([*lines, "To take it back: %agent adopt --undo"])


def _no_web() -> Web:
    """Rebuilding asks nothing of the web."""
    return cast("Web", None)
