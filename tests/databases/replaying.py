"""A run that asks a database, and the same run replayed where the database is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agentloop_nb import run_agent
from agentloop_nb.export import export
from agentloop_nb.notebook.kernel.private_shell import private_shell
from agentloop_nb.notebook.run_manager import RunManager
from agentloop_nb.record import reading
from agentloop_nb.run import Run
from tests.wire import Wire


def asked(folder: Path, names: dict[str, Any], steps: list[Any]) -> Run:
    """Carry out decisions over these variables, and export the run."""
    shell = private_shell()
    shell.user_ns.update(names)
    manager = RunManager(shell, private=True)
    manager.working_folder = folder
    with Wire(steps) as wire:
        launch = manager.begin("ask", manager.settings({"model": "m", "base_url": wire.base_url}, {}))
        launch.verbose = False
        run = launch.drive()
    export(reading.read(run.journal), folder / "run.ipynb", folder=folder)
    return run


def replayed_without(run: Run, folder: Path) -> None:
    """Replay a run from its record and from its export where nothing of it is left, and find nothing different."""
    for source in (run.journal, folder / "run.ipynb"):
        again = run_agent("again", model=f"replay:{source}", output_dir=folder / "again", verbose=False)
        outcomes = [result.success for result in again.action_results]
        assert outcomes == [result.success for result in run.action_results], [r.error for r in again.action_results]
        assert again.state.differences == "", [each.difference for each in again.state.steps]
