"""The commands that take back what runs did."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentloop_nb.errors import UserError

if TYPE_CHECKING:
    from agentloop_nb.notebook.magic import AgentMagics
    from agentloop_nb.notebook.serve.served_kernel import ServedKernelRun
    from agentloop_nb.run import Run

_COUNT = re.compile(r"\d{1,4}")


def undo(magics: AgentMagics, rest: str) -> None:
    """Take back steps: variables, files, and what the model remembers."""
    from agentloop_nb.notebook.undo import undo_steps

    words = rest.split()
    count = int(words.pop()) if words and _COUNT.fullmatch(words[-1]) else 1
    if len(words) > 1 or "".join(words).startswith("-"):
        raise UserError("say how many steps to take back: %agent undo 2, or of which run: %agent undo RUN 2")
    run = _that_did(magics, "undo", words)
    if (served := _served(run)) is not None:
        served.undo_here(count, print)
    else:
        undo_steps(run, count, print)


def restore(magics: AgentMagics, rest: str) -> None:
    """Give a variable back the value it had before the last run that changed it."""
    from agentloop_nb.notebook.undo import restore_name

    name, *reference = rest.split() or [""]
    if not name or len(reference) > 1:
        raise UserError("name a variable: %agent restore NAME (%agent who lists them)")
    run = _that_did(magics, "restore from", reference, name)
    served = _served(run)
    print(restore_name(run, name) if served is None else served.restore_here(name))


def _served(run: Run) -> ServedKernelRun | None:
    """Return what serves a run of outside agents that goes on."""
    if not run.state.is_served or run.status != "running":
        return None
    from agentloop_nb.notebook.serve.serve_command import served_run

    return served_run(run)


def _that_did(magics: AgentMagics, verb: str, reference: list[str], name: str = "") -> Run:
    """Find the run of this kernel that is named, else the newest that took a step, or changed a variable here."""
    runs = magics.manager.runs
    if not runs:
        raise UserError(f"there is no run in this kernel to {verb}; give a goal first: %%agent what you want")
    if reference:
        path = magics.manager.find(reference[0])
        found = magics.manager.run_of(path)
        if found is None:
            raise UserError(f"run {path.stem} did not take place in this kernel, so there is nothing here to {verb}")
        return found
    did = (run for run in reversed(runs) if _did(run, name))
    return next(did, runs[-1])


def _did(run: Run, name: str) -> bool:
    from agentloop_nb.notebook.undo import acting_steps

    if not name:
        return bool(acting_steps(run.state)) or any(step.inherited for step in run.state.steps)
    results = [step.result for step in run.state.steps if step.result]
    return not run.state.settings.get("isolated") and any(
        change.name == name for result in results for change in result.changes
    )
