"""The command line: `agentloop "GOAL"`, and what can be done with runs afterwards."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentloop_nb import __version__, command_table
from agentloop_nb._internal.paths import from_here
from agentloop_nb.errors import AgentFailed, AgentStopped, UserError
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
    from agentloop_nb.notebook.run_manager import RunManager
    from agentloop_nb.run import Run
    from agentloop_nb.verify.certified_export import Published

FINISHED, NOT_FINISHED, WRONG_USE = 0, 1, 2
"""Exit codes. `verify` and `export` use the first two for reproduced and not."""

_HELP = ("-h", "--help")
_CODES = "Exit codes: 0 finished, 1 not finished, 2 wrong use. Settings are also read from the environment and .env."


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line, and return its exit code. What goes wrong is one line on standard error."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except (AgentStopped, AgentFailed) as error:
        return _complain(error, NOT_FINISHED)
    except UserError as error:
        return _complain(error, WRONG_USE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains again when it closes standard output
        return NOT_FINISHED
    except OSError as error:
        return _complain(f"{error.filename or 'agentloop'}: {error.strerror or error}", WRONG_USE)
    except KeyboardInterrupt:
        return _complain("stopped", NOT_FINISHED)


def _complain(problem: object, code: int) -> int:
    from agentloop_nb._internal.text import clean

    said = problem.worded("shell") if isinstance(problem, UserError) else str(problem)
    print("agentloop:", *clean(said).split(), file=sys.stderr)
    return code


def _dispatch(words: list[str]) -> int:
    first = words[0] if words else ""
    if first in _HELP:
        return _help([])
    if first == "--version":
        print(f"agentloop {__version__}")
        return FINISHED
    if first not in command_table.BY_NAME:
        return _goal(words)
    if first != "app" and any(word in _HELP for word in words[1 : _end(words)]):  # Voila has a help of its own
        return _help([first])
    command_table.check_lives(first, "shell")
    try:
        return COMMANDS[first](words[1:])
    except UserError as error:
        if len(words) > 2 and not any(word.startswith("-") for word in words):
            raise UserError(f"{error} (a goal stands in quotes: agentloop {_as_goal(words)})") from None
        raise


def _end(words: list[str]) -> int:
    return words.index("--") if "--" in words else len(words)


def _as_goal(words: Sequence[str]) -> str:
    """How words are typed as a goal."""
    text = " ".join(words)
    if " " not in text:
        return f"-- {shlex.quote(text)}"
    return shlex.quote(text) if set('"$`\\!') & set(text) else f'"{text}"'


def _help(words: list[str]) -> int:
    if len(words) > 1:
        raise UserError("help takes one command: agentloop help export")
    told = command_table.help_of(words[0], "shell") if words else command_table.help_for("shell", RUN_OPTIONS)
    print(told if words else f"{told}\n\n{_CODES}")
    return FINISHED


def _goal(words: list[str]) -> int:
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
        raise UserError(f"did you mean agentloop {told}? As a goal it is typed: agentloop {_as_goal(goal.split())}")
    if not rest and goal == words[0]:
        raise UserError(f"there is no command {goal!r} (agentloop help lists them); as a goal: agentloop -- {goal}")


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
        path, told, _ = _told(run.publish(destination))
    except UserError as error:
        _complain(error, WRONG_USE)
        return False
    print(f"Notebook: {path} ({told})")
    return True


def _resume(words: list[str]) -> int:
    settings, others, note = parse_words(words, command_table.BY_NAME["resume"].options)
    if len(others) > 1:
        raise UserError(f"one RUN at most, not {note_from(*others)!r}; a note for the agent stands after --")
    from agentloop_nb.api import resume_run

    quiet, destination = bool(settings.pop("quiet", False)), _destination(settings)
    return _report(resume_run(others[0] if others else None, note=note, verbose=not quiet, **settings), destination)


def _fork(words: list[str]) -> int:
    at = _end(words)
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


def _retry(words: list[str]) -> int:
    settings, others, note = parse_words(words, command_table.BY_NAME["retry"].options)
    from agentloop_nb.api import retry_run

    quiet, destination = bool(settings.pop("quiet", False)), _destination(settings)
    return _report(retry_run(note=note_from(*others, note), verbose=not quiet, **settings), destination)


def _demo(words: list[str]) -> int:
    folder = Path(command_table.parsed("demo", words, "shell", 0)[0].get("output_dir", "output"))
    from agentloop_nb import demo
    from agentloop_nb.api import run_agent
    from agentloop_nb.export.destination import checked

    notebook = checked(folder / "cafe.ipynb")
    print("The decisions of this demo are scripted and replayed; its code really runs, and its files are real.")
    run = run_agent(demo.goal(), model="demo", output_dir=folder)
    if not run.is_complete:
        return NOT_FINISHED
    notebook, told, sound = _told(run.publish(notebook))
    print(f"\nFiles:    {', '.join(str(folder / name) for name in run.artifacts)}")
    print(f"Notebook: {notebook} ({told})")
    print(f"Record:   {from_here(run.journal)}")
    print('Next: set a key (OPENAI_API_KEY) or start a local server, then: agentloop "GOAL"')
    return FINISHED if sound else NOT_FINISHED


def _write(name: str, words: list[str]) -> int:
    """Write a run as a notebook or a report."""
    options, (*reference, out) = command_table.parsed(name, words, "shell", 2, least=1)
    from agentloop_nb.reports.queries import Folder
    from agentloop_nb.verify.certified_export import publish, publish_report

    record, whole = Folder().find(reference[0] if reference else None), options.pop("session", False)
    if whole:
        made = _session(record, Path(out), options)
    else:
        made = (publish if name == "export" else publish_report)(record, Path(out), **options)
    path, told, sound = _told(made)
    print(f"{path}: {told}")
    return FINISHED if sound else NOT_FINISHED


def _session(record: Path, out: Path, options: dict[str, Any]) -> Published:
    """Export all goals of a run's kernel. Raises `UserError`."""
    from agentloop_nb.export.session_export import of_one_kernel
    from agentloop_nb.verify.certified_export import publish_session

    if any(options.values()):
        raise UserError("--session stands alone: agentloop export --session OUT.ipynb")
    return publish_session(of_one_kernel(record), out)


def _told(published: Published) -> tuple[Path, str, bool]:
    """The path of an export as a person would type it, what to say of it, and whether it is proven."""
    return from_here(published.path), published.told, published.sound


def _verify(words: list[str]) -> int:
    path = Path(command_table.parsed("verify", words, "shell", 1, least=1)[1][0])
    from agentloop_nb.verify import verify

    verdict = verify(path)
    print(f"{path}: {verdict.text}")
    return FINISHED if verdict.proven else NOT_FINISHED


def _trust(words: list[str]) -> int:
    _, folder = command_table.parsed("trust", words, "shell", 1)
    from agentloop_nb._internal.paths import typed_path
    from agentloop_nb.record import trust

    done = trust.vouch(typed_path(folder[0] if folder else ".").absolute())
    print(done.told)
    return NOT_FINISHED if done.left else FINISHED


def _show(words: list[str]) -> int:
    _, reference = command_table.parsed("show", words, "shell", 1)
    from agentloop_nb.agent.event_stream import Stream
    from agentloop_nb.record import reading
    from agentloop_nb.reports.queries import Folder
    from agentloop_nb.state import State
    from agentloop_nb.terminal.terminal_view import TerminalView

    path = Folder().find(reference[0] if reference else None)
    stream = Stream(State(), lambda _event: None, [TerminalView(live=False, command="agentloop")])
    for event in reading.read(path):
        stream.emit(event)
    return FINISHED if stream.state.is_complete else NOT_FINISHED


def _compare(words: list[str]) -> int:
    options, runs = command_table.parsed("compare", words, "shell", 2)
    from agentloop_nb.notebook.panel.comparison_page import write_page
    from agentloop_nb.reports.queries import Folder, compared
    from agentloop_nb.terminal.comparison_table import comparison_text

    found = compared(Folder(), runs)
    if page := options.get("html"):
        print(write_page(found, Path(page)))
    else:
        print(comparison_text(found, shutil.get_terminal_size((110, 24)).columns))
    return FINISHED


def _ask(name: str, words: list[str]) -> int:
    """Answer a question about recorded runs."""
    options, others = command_table.parsed(name, words, "shell", 2)
    from agentloop_nb.reports.queries import QUERIES, Folder

    print(QUERIES[name](Folder(), others, options))
    return FINISHED


def _app(words: list[str]) -> int:
    from agentloop_nb.notebook.app.voila import serve

    return serve(words)


def _mcp(words: list[str]) -> int:
    kernel = command_table.parsed("mcp", words, "shell", 0)[0].get("kernel")
    if sys.platform == "win32":
        raise UserError("a served kernel listens on a unix socket, which Windows has not; start this in WSL")
    from agentloop_nb.bridge.pipe import carry

    carry(kernel)
    return FINISHED


def _tools(words: list[str]) -> int:
    options, named = command_table.parsed("tools", words, "shell", 8)
    from agentloop_nb.mcp_tools.looking import tools
    from agentloop_nb.notebook.trust_prompt import says_yes

    print(tools(Path.cwd(), named, options, partial(says_yes, None), "shell"))
    return FINISHED


def _learn(words: list[str]) -> int:
    options, named = command_table.parsed("learn", words, "shell", 8)
    from agentloop_nb.learn.command import learn
    from agentloop_nb.notebook.learning import desk

    print(learn(desk(_private_manager(), {}, "shell"), named, options))
    return FINISHED


def _actions(words: list[str]) -> int:
    options, others = command_table.parsed("actions", words, "shell", 2)
    from agentloop_nb.notebook.learning import bring
    from agentloop_nb.reports.queries import QUERIES, Folder

    manager = _private_manager()
    bring(manager, print, asks=False)
    print(QUERIES["actions"](Folder(manager.shell.user_ns), others, options))
    return FINISHED


def _private_manager() -> RunManager:
    from agentloop_nb.notebook.kernel.private_shell import private_shell
    from agentloop_nb.notebook.run_manager import RunManager

    return RunManager(private_shell(), private=True)


def _eval(words: list[str]) -> int:
    options, suite = command_table.parsed("eval", words, "shell", 1)
    from agentloop_nb.evals.command import evaluate

    return FINISHED if evaluate(suite[0] if suite else "", options) else NOT_FINISHED


def _skill(words: list[str]) -> int:
    command_table.parsed("skill", words, "shell", 0)
    from agentloop_nb.bridge.skill import skill

    print(skill(), end="")
    return FINISHED


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "demo": _demo,
    "export": partial(_write, "export"),
    "report": partial(_write, "report"),
    "verify": _verify,
    "trust": _trust,
    "tools": _tools,
    "learn": _learn,
    "actions": _actions,
    "show": _show,
    "compare": _compare,
    "resume": _resume,
    "fork": _fork,
    "retry": _retry,
    "app": _app,
    "mcp": _mcp,
    "skill": _skill,
    "eval": _eval,
    "help": _help,
    **{name: partial(_ask, name) for name in ("status", "runs", "who", "why", "cost", "sent", "models")},
}
"""What carries out each command of the table that lives in a shell."""
