"""Asking a person before anything of a record that this user's runs did not write is executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agentloop_nb._internal.text import clean, on_one_line
from agentloop_nb.errors import UserError
from agentloop_nb.notebook.kernel.runner import is_attended
from agentloop_nb.record import locating, trust

_VOUCHED = (
    "Run {run} is trusted, not recorded by you: its options (model, folder, budget, limits) are not taken from its "
    "record; name those that you want."
)


def ask_to_run(shell: Any, record: Path) -> None:
    """Have a stranger's record vouched for before its code runs. Raises `UserError` where nobody says yes."""
    standing = trust.standing(record)
    if standing == "vouched":
        print(_VOUCHED.format(run=record.stem))  # a model other than the recorded one may cost money
    if standing != "foreign":
        return
    folder = locating.home(record)
    place = folder if record.parent == locating.runs_folder(folder) else record
    if not _says_yes(shell, record, place):
        raise UserError(
            f"run {record.stem} was not recorded by you, so none of its code is run; look at it (agentloop show "
            f"{record.stem}), and if it may run: agentloop trust {_quoted(place)}"
        )
    trust.vouch(place)
    if trust.standing(record) == "foreign":
        raise UserError(f"run {record.stem} cannot be signed as trusted, because {record} cannot be written")


def says_yes(shell: Any, question: str) -> bool:
    """Put a question to the person, if one can be asked; a text of several lines is shown before it."""
    return says_yes_to(shell, "\n".join(map(on_one_line, question.splitlines())))


def says_yes_to(shell: Any, question: str) -> bool:
    """Do what `says_yes` does with code above the question, whose lines keep their form."""
    if not is_attended(shell):
        return False
    *shown, asked = clean(question).splitlines()
    for line in shown:
        print(line)
    try:
        return input(f"{asked} [y/N] ").strip().lower() in ("y", "yes")
    except (KeyboardInterrupt, EOFError):
        return False


def _says_yes(shell: Any, record: Path, place: Path) -> bool:
    what = f"the runs recorded in {place}" if place.is_dir() else f"the record {place}"
    return says_yes(
        shell, f"Run {record.stem} was not recorded by you. Its code would run with your rights. Trust {what}?"
    )


def _quoted(place: Path) -> str:
    text = on_one_line(str(place))
    return f'"{text}"' if " " in text else text
