"""Commands that start a run or go on with one: a goal, `resume`, `fork`, `retry`, `demo`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentloop_nb import command_table
from agentloop_nb._internal.paths import from_here
from agentloop_nb.cli.exits import FINISHED, NOT_FINISHED, WRONG_USE, complain, told_of
from agentloop_nb.errors import UserError
from agentloop_nb.settings.options import (
    RUN_OPTIONS,
    note_from,
    parse_command,
    parse_options,
    parse_words,
    run_and_note,
    step_number,
)

if TYPE_CHECKING:
    from agentloop_nb.run import Run


def run_goal(words: list[str]) -> int:
    """Run a goal."""
    settings, goal = parse_options(words, RUN_OPTIONS)
    if not goal.strip():
        raise UserError('the goal is missing: agentloop "GOAL" (or try: agentloop demo; agentloop --help)')
    if "--" not in words:
        _refuse_commands(goal, words)
    from agentloop_nb.api import run_agent

    name, destination = settings.pop("output", None), _destination(settings)
    if name is not None and not name.isidentifier():
        raise UserError(f"-o names a variable, not {name!r}; for files there are --output-dir DIR and --export PATH")
    return _report(run_agent(goal, verbose=not settings.pop("quiet", False), **settings), destination)


def _refuse_commands(goal: str, words: Sequence[str]) -> None:
    """Raise `UserError` for bare words that may be meant as a command: a run costs money, and nothing is asked."""
    if any(word.split() != [word] and word in goal for word in words):  # one argument that holds a blank is a goal
        return
    first, *rest = goal.split()
    if close := command_table.meant(first):
        told = " ".join([close, *rest])
        raise UserError(f"did you mean agentloop {told}? As a goal it is typed: agentloop {as_goal(goal.split())}")
    if not rest and goal == words[0]:
        raise UserError(f"there is no command {goal!r} (agentloop help lists them); as a goal: agentloop -- {goal}")


def resume(words: list[str]) -> int:
    """Go on with a recorded run."""
    settings, others, note = parse_words(words, command_table.BY_NAME["resume"].options)
    if len(others) > 1:
        raise UserError(f"one RUN at most, not {note_from(*others)!r}; a note for the agent stands after --")
    from agentloop_nb.api import resume_run

    quiet, destination = bool(settings.pop("quiet", False)), _destination(settings)
    return _report(resume_run(others[0] if others else None, note=note, verbose=not quiet, **settings), destination)


def fork(words: list[str]) -> int:
    """Go another way from a step of a recorded run."""
    at = end_of_options(words)
    settings, first, rest = parse_command(words[:at], command_table.BY_NAME["fork"].options)
    from agentloop_nb.api import fork_run
    from agentloop_nb.record import locating

    reference, note = run_and_note(
        first,
        rest,
        " ".join(words[at + 1 :]),
        lambda word: locating.names_run(word, Path.cwd()),
        quoted=rest in words[:at],  # one argument: the shell has taken its quotes away
    )
    quiet, destination = bool(settings.pop("quiet", False)), _destination(settings)
    step = step_number(settings.pop("at", None))
    return _report(fork_run(reference, at=step, note=note, verbose=not quiet, **settings), destination)


def retry(words: list[str]) -> int:
    """Begin the last goal anew."""
    settings, others, note = parse_words(words, command_table.BY_NAME["retry"].options)
    from agentloop_nb.api import retry_run

    quiet, destination = bool(settings.pop("quiet", False)), _destination(settings)
    return _report(retry_run(note=note_from(*others, note), verbose=not quiet, **settings), destination)


def demo_run(words: list[str]) -> int:
    """Run the packaged demo, and export it."""
    folder = Path(command_table.parsed("demo", words, "shell", 0)[0].get("output_dir", "output"))
    from agentloop_nb import demo
    from agentloop_nb.api import run_agent
    from agentloop_nb.export.destination import checked

    notebook = checked(folder / "cafe.ipynb")
    print("The decisions of this demo are scripted and replayed; its code really runs, and its files are real.")
    run = run_agent(demo.goal(), model="demo", output_dir=folder)
    if not run.is_complete:
        return NOT_FINISHED
    notebook, told, sound = told_of(run.publish(notebook))
    print(f"\nFiles:    {', '.join(str(folder / name) for name in run.artifacts)}")
    print(f"Notebook: {notebook} ({told})")
    print(f"Record:   {from_here(run.journal)}")
    print('Next: set a key (OPENAI_API_KEY) or start a local server, then: agentloop "GOAL"')
    return FINISHED if sound else NOT_FINISHED


def _destination(settings: dict[str, Any]) -> str | None:
    """Take out where the run is to be exported; said before it costs anything if that cannot be."""
    from agentloop_nb.export.destination import checked

    destination: str | None = settings.pop("export", None)
    if destination is not None:
        checked(destination)
    return destination


def _report(run: Run, destination: str | None) -> int:
    """Say where things are and what can be done next."""
    print(f"Record: {from_here(run.journal)}")
    if run.state.settings.get("isolated") and run.workspace is not None:
        print(f"Files: {from_here(run.workspace.folder)}")
    written = destination is not None and _exported(run, Path(destination))
    if not run.is_complete:
        print(f"To go on: agentloop resume {run.id}")
    elif not written:
        print(f"As a notebook: agentloop export {run.id} {'OUT' if destination else 'run'}.ipynb")
    if destination is not None and not written:
        return WRONG_USE
    return FINISHED if run.is_complete else NOT_FINISHED


def _exported(run: Run, destination: Path) -> bool:
    """Export a run that has ended; why it could not be is told, and loses no other word about the run."""
    try:
        path, told, _ = told_of(run.publish(destination))
    except UserError as error:
        complain(error, WRONG_USE)
        return False
    print(f"Notebook: {path} ({told})")
    return True


def as_goal(words: Sequence[str]) -> str:
    """How words are typed as a goal."""
    text = " ".join(words)
    if " " not in text:
        return f"-- {shlex.quote(text)}"
    return shlex.quote(text) if set('"$`\\!') & set(text) else f'"{text}"'


def end_of_options(words: list[str]) -> int:
    """Return where the options and words of a command end: at `--`, if there is one."""
    return words.index("--") if "--" in words else len(words)
