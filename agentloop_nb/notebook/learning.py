"""Learned actions at the edge: where the command is typed, and how a run of this shell gets them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentloop_nb.actions.own import LIVE
from agentloop_nb.errors import Front
from agentloop_nb.learn import library
from agentloop_nb.notebook.kernel.runner import is_attended
from agentloop_nb.notebook.trust_prompt import ask_to_run, says_yes_to
from agentloop_nb.settings import environment

if TYPE_CHECKING:
    from agentloop_nb.learn.command import Desk
    from agentloop_nb.notebook.run_manager import RunManager


def desk(manager: RunManager, config: Mapping[str, Any], front: Front) -> Desk:
    """Where the command is typed: in a notebook, or in a shell."""
    from agentloop_nb.learn.command import Desk

    def find(reference: str | None) -> Path:
        record = manager.find(reference).resolve()
        ask_to_run(_asked(manager), record)
        return record

    def working(record: Path) -> Path:
        here = manager.run_of(record)
        return here.workspace.folder if here and here.workspace else manager.place(record)

    return Desk(
        front=front,
        folder=manager.folder,
        attended=is_attended(_asked(manager)),
        asks=partial(says_yes_to, _asked(manager)),
        find=find,
        settings=lambda record, given: manager.as_recorded(record, given, config),
        variables=environment(manager.folder),
        working=working,
        state=lambda record: here.state if (here := manager.run_of(record)) else None,
    )


def bring(manager: RunManager, say: Callable[[str], object], *, asks: bool = True) -> None:
    """Let the next run call what this folder has learned, as far as the user allows it; says what is not used."""
    folder = manager.folder
    if not (folder / library.FOLDER).is_dir() and not any(each.learned_source for each in LIVE.values()):
        return
    there = asks and is_attended(_asked(manager))
    asked = partial(says_yes_to, _asked(manager)) if there else None
    front: Front = "shell" if manager.private else "notebook"
    for line in library.use(folder, manager.shell.user_ns, asked, front):
        say(line)


def _asked(manager: RunManager) -> Any:
    """Return the shell that a person answers through; a private one has only the terminal."""
    return None if manager.private else manager.shell
