"""Goals that follow from what just happened: the last one again, or the person's own cell that failed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from agentloop_nb._internal.ipython_syntax import parsed
from agentloop_nb.errors import UserError
from agentloop_nb.events import NoteAdded
from agentloop_nb.notebook.kernel import cell_history
from agentloop_nb.notebook.kernel.namespace import Surroundings
from agentloop_nb.notebook.presenter import Presenter
from agentloop_nb.notebook.run_manager import RunManager
from agentloop_nb.notebook.undo import acting_steps, undo_steps
from agentloop_nb.run import Run
from agentloop_nb.safety.provenance import mark

VALUES = 1_500
"""Tokens that are told of the values a failed cell touched."""
_LIMITS = ("max_steps", "budget")


def retry(
    manager: RunManager,
    overrides: Mapping[str, Any],
    config: Mapping[str, Any],
    note: str,
    tell: Callable[[str], None],
) -> Presenter:
    """Prepare the last goal again, from the variables and files before it. Raises `UserError`.

    `tell` hears what cannot be taken back before anything is, and then what was.
    """
    if not manager.runs:
        raise UserError("there is no run in this kernel to try again; give a goal first: %%agent what you want")
    run = manager.runs[-1]
    if run.status == "running":
        raise UserError("the run is still going on; stop it first")
    recorded = run.state.settings
    limits = {name: recorded[name] for name in _LIMITS if recorded.get(name) is not None}
    place = {"output_dir": ""} if recorded.get("isolated") else {}  # a folder of its own, as it had
    settings = manager.as_recorded(run.journal.resolve(), {**limits, **place, **overrides}, config)
    why = [NoteAdded(step=1, text=_ended(run, private=settings.privacy != "full"), by="system")]
    said = [NoteAdded(step=1, text=note)] if note else []
    if acting_steps(run.state) and not recorded.get("isolated"):
        undo_steps(run, len(acting_steps(run.state)), tell, after="")
    return manager.begin(run.goal, settings, notes=[*why, *said])


def _ended(run: Run, *, private: bool) -> str:
    """Tell the model how it went the first time; below full privacy without a word of results."""
    told = f"This goal was tried before, in run {run.id}, which ended {run.status}"
    if private:
        return f"{told}. What it did was taken back."
    ended = "\n".join(filter(None, [f"{run.reason}.", run.summary]))
    advice = "What it did was taken back; take another way where that one failed."
    return f"{told}. {advice} How it ended:\n{mark(ended, f'run {run.id}')}"


def fix(manager: RunManager, arguments: Mapping[str, Any], config: Mapping[str, Any], note: str) -> Presenter:
    """Prepare a run that mends the person's last cell that failed. Raises `UserError`."""
    failure = cell_history.last_failure(manager.shell)
    if failure is None:
        raise UserError("no cell of yours has failed in this kernel; %%agent gives a goal in words")
    settings = manager.settings(arguments, config)
    names = manager.shell.user_ns
    touched = {name: names[name] for name in _names(failure.source) if name in names}
    values = Surroundings(touched, privacy=settings.privacy).describe(VALUES) if touched else ""
    error = failure.traceback if settings.privacy == "full" else failure.kind
    told = [mark(error, "the error"), mark(values, "the values it touched") if values else ""]
    notes = [NoteAdded(step=1, text="\n\n".join(filter(None, told)), by="system")]
    goal = (
        "My cell failed. Find the cause, mend it, and run the whole cell again as it should be; then tell me what was "
        f"wrong, and show the corrected cell.\n\n```python\n{failure.source}\n```"
    )
    return manager.begin("\n\n".join(filter(None, [goal, note])), settings, notes=notes)


def _names(source: str) -> list[str]:
    """Return the names that code mentions, in order; none of code that cannot be read."""
    tree = parsed(source)
    nodes = ast.walk(tree) if tree else ()
    return list(dict.fromkeys(node.id for node in nodes if isinstance(node, ast.Name)))
