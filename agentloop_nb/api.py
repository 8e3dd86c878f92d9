"""`run_agent` and `arun_agent`: the agent from Python, in a script or in a notebook cell."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from agentloop_nb.agent.ledger import Ledger
from agentloop_nb.errors import AgentFailed, UserError
from agentloop_nb.events import NoteAdded
from agentloop_nb.notebook.kernel.private_shell import current_shell, is_private, private_shell
from agentloop_nb.notebook.kernel.turn import caller_folder
from agentloop_nb.notebook.presenter import Presenter
from agentloop_nb.notebook.run_manager import RunManager, run_manager_of
from agentloop_nb.record import locating, reading, trust
from agentloop_nb.run import Run
from agentloop_nb.safety.provenance import mark
from agentloop_nb.session.goal_files import bring
from agentloop_nb.settings import Settings

OUTPUT_DIR = "output"
"""The working folder outside Jupyter, below the caller's folder."""


def run_agent(
    goal: str,
    *,
    model: str | None = None,
    base_url: str | None = None,
    max_steps: int | None = None,
    max_retries: int | None = None,
    budget: float | Decimal | str | None = None,
    timeout: int | None = None,
    output_dir: str | Path | None = None,
    approve: str | None = None,
    verbose: bool = True,
    ledger: Ledger | None = None,
    **options: Any,
) -> Run:
    """Run the agent until the goal is met or a limit is reached, and return the run, however it ended (but `strict`).

    Works inside a running event loop too. In Jupyter the user's namespace and folder are used; elsewhere a private
    IPython shell, with `output_dir` (`./output`) as the folder of files and code. What is left None comes from
    `%config AgentMagics`, the environment, `.env`, then the defaults: gpt-4o-mini, 50 steps, 3 retries, no budget (US
    dollars), 30 seconds a code step, approve "auto". `ledger` is a budget that this run shares with others, beside its
    own. `options` are the other options of `%%agent`, named as settings.
    Raises `UserError` for wrong input, before anything is spent.
    """
    arguments = {
        "model": model,
        "base_url": base_url,
        "max_steps": max_steps,
        "max_retries": max_retries,
        "budget": budget,
        "timeout": timeout,
        "output_dir": None if output_dir is None else str(output_dir),
        "approve": approve,
        **options,
    }
    launch = _begin(goal, arguments, verbose=verbose, ledger=ledger)
    return _strictly(launch, launch.drive())


async def arun_agent(goal: str, *, verbose: bool = True, ledger: Ledger | None = None, **options: Any) -> Run:
    """Do what `run_agent` does, awaited; takes the same keywords."""
    launch = _begin(goal, options, verbose=verbose, ledger=ledger)
    return _strictly(launch, await launch.go())


def resume_run(
    reference: str | None = None, *, note: str = "", anyway: bool = False, verbose: bool = True, **options: Any
) -> Run:
    """Go on with a recorded run of this folder: its id, a unique beginning of it, a path, or None for the newest.

    With `anyway` its rebuilt code may show something else than it did.
    """
    record = locating.find(reference, caller_folder())
    recorded, folder = reading.load(record).settings, options.get("output_dir")
    if not folder and recorded.get("output_dir") and trust.standing(record) == "own":
        folder = locating.working_folder(record, recorded["output_dir"])
    manager = _launcher()
    if manager.private and not recorded.get("isolated"):
        manager.working_folder = _usable(Path(folder or OUTPUT_DIR))
    launch = manager.resume(str(record), _known(options), _config(manager), note, anyway=anyway)
    launch.verbose = verbose and launch.verbose
    return launch.drive()


def retry_run(*, note: str = "", verbose: bool = True, **options: Any) -> Run:
    """Run the newest goal of this folder again, as it was set but for `options`; what it made before stays.

    In a kernel where it took place, `%agent retry` takes that back first.
    """
    record = locating.find(None, caller_folder())
    state, manager = reading.load(record), _launcher()
    limits = {name: state.settings[name] for name in ("max_steps", "budget") if state.settings.get(name) is not None}
    settings = manager.as_recorded(record.resolve(), {**limits, **_known(options)}, _config(manager))
    if manager.private and not settings.isolated:
        settings = replace(settings, output_dir=settings.output_dir or OUTPUT_DIR)
        manager.working_folder = _usable(Path(settings.output_dir or OUTPUT_DIR))
        _bring(state.goal, manager.working_folder, verbose=verbose and not settings.quiet)
    told = f"This goal was tried before, in run {state.run}, which ended {state.status}"
    told += f":\n{mark(state.reason, f'run {state.run}')}" if settings.privacy == "full" else "."
    notes = [NoteAdded(step=1, text=told, by="system"), *([NoteAdded(step=1, text=note)] if note else [])]
    launch = manager.begin(state.goal, settings, notes=notes)
    launch.verbose = verbose and launch.verbose
    return _strictly(launch, launch.drive())


def fork_run(
    reference: str | None = None,
    *,
    at: int | None = None,
    note: str = "",
    anyway: bool = False,
    verbose: bool = True,
    **options: Any,
) -> Run:
    """Go another way than a recorded run from the end of its step `at` (None: its last) on.

    The new run has a process, a record and a copy of the folder of its own; the recorded one stays as it is.
    """
    manager = _launcher()
    launch = manager.fork(reference, at, _known(options), _config(manager), note, anyway=anyway)
    launch.verbose = verbose and launch.verbose
    return launch.drive()


def _strictly(launch: Presenter, run: Run) -> Run:
    """Under `strict` a run that did not meet its goal is an error."""
    if launch.session.settings.strict and not run.is_complete:
        raise AgentFailed(run.state.reason, *run.state.hints)
    return run


def _begin(goal: str, arguments: dict[str, Any], *, verbose: bool, ledger: Ledger | None) -> Presenter:
    manager = _launcher()
    settings = manager.settings(_known(arguments), _config(manager))
    if manager.private and not settings.isolated:
        folder = settings.output_dir or OUTPUT_DIR  # recorded, so that an export finds the files there
        settings, manager.working_folder = replace(settings, output_dir=folder), _usable(Path(folder))
        _bring(goal, manager.working_folder, verbose=verbose and not settings.quiet)
    elif settings.output_dir and not settings.isolated:
        _usable(Path(settings.output_dir))
    launch = manager.begin(goal, settings, ledger=ledger)
    launch.verbose = verbose and launch.verbose
    return launch


def _bring(goal: str, folder: Path, *, verbose: bool) -> None:
    """Copy the files of the current folder that the goal names to where the run works, and say so."""
    brought = bring(goal, caller_folder(), folder)
    if brought.copied and verbose:
        print(f"Copied to {folder.name}/ for the run: {', '.join(brought.copied)}")
    for name, reason in brought.kept_out.items():
        print(f"Not copied, {name}: {reason}", file=sys.stderr)


def _launcher() -> RunManager:
    """Return what starts runs here: that of the notebook's shell, or one for a private shell."""
    shell = current_shell()
    if shell is None or is_private(shell):  # the shell of a run that works on another thread is not the user's
        return RunManager(private_shell(), private=True)
    return run_manager_of(shell)


def _usable(folder: Path) -> Path:
    """Make the working folder. Raises `UserError` if nothing can be written there."""
    folder = caller_folder() / folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}); name another folder: --output-dir DIR") from None
    if not os.access(folder, os.W_OK):
        raise UserError(f"{folder} cannot be written; name another folder: --output-dir DIR")
    return folder


def _config(manager: RunManager) -> dict[str, Any]:
    magics = manager.shell.magics_manager.registry.get("AgentMagics")
    return dict(magics.config_values()) if magics is not None else {}


def _known(arguments: dict[str, Any]) -> dict[str, Any]:
    if unknown := arguments.keys() - Settings.__dataclass_fields__.keys():
        raise UserError(f"run_agent has no option {', '.join(sorted(unknown))}; see help(agentloop_nb.run_agent)")
    return arguments
