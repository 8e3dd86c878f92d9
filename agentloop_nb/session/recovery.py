"""What an isolated kernel that died is replaced by: a new one, in which the record's code ran again."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.protocols import Workspace
from agentloop_nb.rebuild import Ask, rebuild
from agentloop_nb.record import reading


def recover_with(workspace: Workspace, path: Path, ask: Ask | None, *, cells: bool) -> None:
    """Have an isolated kernel that dies replaced by one in which the record's code ran again."""
    if isinstance(workspace, IsolatedWorkspace):
        workspace.recover = partial(_recover, path, ask, cells=cells)


async def _recover(path: Path, ask: Ask | None, workspace: Workspace, *, cells: bool) -> str:
    """Rebuild the variables of a run in a new process; say how far that came. `cells` are the user's own."""
    events = reading.read(path)
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
