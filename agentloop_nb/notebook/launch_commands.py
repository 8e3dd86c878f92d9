"""The commands that start a run: one goes on, another way is tried, something is done again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from agentloop_nb import command_table as table
from agentloop_nb.record import locating
from agentloop_nb.settings.options import note_from, parse_command, parse_words, run_and_note, step_number

if TYPE_CHECKING:
    from agentloop_nb.notebook.magic import AgentMagics

NOTE = re.compile(r"(?:^|\s)--\s")
"""Parts the words of a command from a note."""


def resume(magics: AgentMagics, rest: str, *, awaited: bool = False) -> Any:
    """Go on with a run."""
    before, *after = NOTE.split(rest, maxsplit=1)
    arguments, words, last = parse_words(before, table.BY_NAME["resume"].options_in("notebook"))
    note, anyway = note_from(*after, last), bool(arguments.pop("anyway", False))
    reference = " ".join(words).strip() or None
    launch = magics.manager.resume(reference, arguments, magics.config_values(), note, anyway=anyway)
    return magics.start(launch, awaited=awaited)


def fork(magics: AgentMagics, rest: str, *, awaited: bool = False) -> Any:
    """Another way from a step on, in a process and folder of its own."""
    before, *after = NOTE.split(rest, maxsplit=1)
    arguments, first, rest = parse_command(before, table.BY_NAME["fork"].options)
    folder = magics.manager.folder
    reference, note = run_and_note(first, rest, " ".join(after), lambda word: locating.names_run(word, folder))
    at, anyway = step_number(arguments.pop("at", None)), bool(arguments.pop("anyway", False))
    launch = magics.manager.fork(reference, at, arguments, magics.config_values(), note, anyway=anyway)
    return magics.start(launch, awaited=awaited)


def retry(magics: AgentMagics, rest: str, *, awaited: bool = False) -> Any:
    """Return the last goal again, from the variables before it."""
    from agentloop_nb.notebook.follow_up import retry as again

    arguments, note = _noted("retry", rest)
    return magics.start(again(magics.manager, arguments, magics.config_values(), note, print), awaited=awaited)


def fix(magics: AgentMagics, rest: str, *, awaited: bool = False) -> Any:
    """Return the person's last cell that failed, as a goal."""
    from agentloop_nb.notebook.follow_up import fix as mend

    arguments, note = _noted("fix", rest)
    return magics.start(mend(magics.manager, arguments, magics.config_values(), note), awaited=awaited)


def _noted(name: str, rest: str) -> tuple[dict[str, Any], str]:
    """Part the options of a command that takes no other words from the note after them, with `--` or quotes or not."""
    before, *after = NOTE.split(f" {rest}", maxsplit=1)
    arguments, first, words = parse_command(before.strip(), table.BY_NAME[name].options_in("notebook"))
    return arguments, note_from(first, words, *after)
