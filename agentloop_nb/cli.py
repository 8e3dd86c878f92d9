"""The command line: `agentloop "GOAL"`, and what can be done with runs afterwards."""

from __future__ import annotations

import argparse
import difflib
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from agentloop_nb import __version__
from agentloop_nb.errors import AgentFailed, AgentStopped, UserError
from agentloop_nb.options import (
    ANYWAY,
    AT,
    OPTIONS,
    OUTPUT_DIR,
    describe,
    note_from,
    parse_command,
    parse_options,
    run_and_note,
    step_number,
)

if TYPE_CHECKING:
    from agentloop_nb.publish import Published
    from agentloop_nb.run import Run

FINISHED, NOT_FINISHED, WRONG_USE = 0, 1, 2
"""Exit codes. `verify` and `export` use the first two for sound and not."""

RUN_OPTIONS = (*OPTIONS, OUTPUT_DIR)
HELP = f"""\
agentloop [options] "GOAL"                  run until the goal is met or a limit is reached
agentloop demo                              try it: no key, no network, scripted decisions, real code
agentloop runs                              list the runs of this folder
agentloop show [RUN]                        print a run again
agentloop compare RUN [RUN] [--html FILE]   two runs side by side
agentloop resume [options] [RUN] [-- NOTE]  go on with a run, perhaps with a word to the agent
agentloop fork [RUN] [--at N] "NOTE"        another way from step N of a run on, in a process and folder of its own
agentloop export [RUN] OUT.ipynb            write a run as a notebook, and prove that it re-runs
agentloop verify NOTEBOOK                   prove it again; exit code 0 sound, 1 not
agentloop app [VOILA OPTIONS]               a page for people who do not read code (needs voila)

RUN is an id, the beginning of one, or a path; left out, it is the newest run of this folder.

Options:
{describe(RUN_OPTIONS)}

Exit codes: 0 finished, 1 not finished, 2 wrong use. Settings also come from the environment and .env (see README).
"""


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
    from agentloop_nb.plain import clean, for_shell

    print("agentloop:", *for_shell(clean(str(problem))).split(), file=sys.stderr)
    return code


def _dispatch(words: list[str]) -> int:
    if words[:1] in (["-h"], ["--help"]):
        print(HELP, end="")
        return FINISHED
    if words[:1] == ["--version"]:
        print(f"agentloop {__version__}")
        return FINISHED
    if words and (command := _COMMANDS.get(words[0])):
        return command(words[1:])
    return _goal(words)


def _goal(words: list[str]) -> int:
    settings, goal = parse_options(words, RUN_OPTIONS)
    if not goal.strip():
        raise UserError('the goal is missing: agentloop "GOAL" (or try: agentloop demo; agentloop --help)')
    close = difflib.get_close_matches(goal, _COMMANDS, n=1, cutoff=0.75)
    if close and "--" not in words:
        raise UserError(f"did you mean agentloop {close[0]}? (a goal of that one word is written: agentloop -- {goal})")
    from agentloop_nb.api import run_agent

    name, destination = settings.pop("output", None), _destination(settings)
    if name is not None and not name.isidentifier():
        raise UserError(f"-o names a variable, not {name!r}; for files there are --output-dir DIR and --export PATH")
    quiet = bool(settings.pop("quiet", False))
    return _report(run_agent(goal, verbose=not quiet, **settings), destination)


def _destination(settings: dict[str, Any]) -> str | None:
    """Take out where the run is to be exported; said before it costs anything if that cannot be."""
    from agentloop_nb.export.destination import checked

    destination: str | None = settings.pop("export", None)
    if destination is not None:
        checked(destination)
    return destination


def _report(run: Run, destination: str | None) -> int:
    """Say where things are and what can be done next."""
    print(f"Record: {_relative(run.journal)}")
    if run.state.settings.get("isolated") and run.workspace is not None:
        print(f"Files: {_relative(run.workspace.folder)}")
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
    at = words.index("--") if "--" in words else len(words)
    settings, reference, rest = parse_command(words[:at], (*RUN_OPTIONS, ANYWAY))
    if rest:
        raise UserError(f"one RUN at most, not {note_from(reference, rest)!r}; a note for the agent stands after --")
    from agentloop_nb.api import resume_run

    quiet, destination = bool(settings.pop("quiet", False)), _destination(settings)
    note = " ".join(words[at + 1 :])
    return _report(resume_run(reference or None, note=note, verbose=not quiet, **settings), destination)


def _fork(words: list[str]) -> int:
    at = words.index("--") if "--" in words else len(words)
    settings, first, rest = parse_command(words[:at], (*OPTIONS, ANYWAY, AT))
    from agentloop_nb import journal
    from agentloop_nb.api import fork_run

    reference, note = run_and_note(
        first,
        rest,
        " ".join(words[at + 1 :]),
        lambda word: journal.names_run(word, Path.cwd()),
        quoted=rest in words[:at],  # one argument: the shell has taken its quotes away
    )
    quiet, destination = bool(settings.pop("quiet", False)), _destination(settings)
    step = step_number(settings.pop("at", None))
    return _report(fork_run(reference, at=step, note=note, verbose=not quiet, **settings), destination)


def _demo(words: list[str]) -> int:
    parser = _Parser("demo", OUTPUT_DIR.help)
    parser.add_argument("--output-dir", default="output")
    folder = Path(parser.parse_args(words).output_dir)
    from agentloop_nb import demo
    from agentloop_nb.api import run_agent
    from agentloop_nb.export.destination import checked

    notebook = checked(folder / "fibonacci.ipynb")
    print("The decisions of this demo are scripted and replayed; its code really runs, and its files are real.")
    run = run_agent(demo.goal(), model="demo", output_dir=folder)
    if not run.is_complete:
        return NOT_FINISHED
    notebook, told, sound = _told(run.publish(notebook))
    print(f"\nFiles:    {', '.join(str(folder / name) for name in run.artifacts)}")
    print(f"Notebook: {notebook} ({told})")
    print(f"Record:   {_relative(run.journal)}")
    print('Next: set a key (OPENAI_API_KEY) or start a local server, then: agentloop "GOAL"')
    return FINISHED if sound else NOT_FINISHED


def _export(words: list[str]) -> int:
    parser = _Parser("export", "write a run as a notebook, and prove that it re-runs")
    parser.usage = "agentloop export [--minimal] [--share [--repository OWNER/NAME]] [RUN] OUT.ipynb"
    parser.add_argument("words", nargs="+", metavar="OUT.ipynb", help="or OUT.py, OUT.html")
    parser.add_argument("--minimal", action="store_true", help="only the steps the result depends on")
    parser.add_argument("--share", action="store_true", help="OUT is a new folder, made to be given away")
    parser.add_argument(
        "--repository", metavar="OWNER/NAME", help="where on GitHub the shared folder's Binder link leads"
    )
    given = parser.parse_args(words)
    if len(given.words) > 2:
        raise UserError(f"export takes a run and a file, not {' '.join(given.words)!r}: agentloop export RUN OUT.ipynb")
    *reference, out = given.words
    from agentloop_nb import journal

    record = journal.find(reference[0] if reference else None, Path.cwd())
    options = {"minimal": given.minimal, "shared": given.share, "repository": given.repository}
    from agentloop_nb.publish import publish

    path, told, sound = _told(publish(record, Path(out), **options))
    print(f"{path}: {told}")
    return FINISHED if sound else NOT_FINISHED


def _told(published: Published) -> tuple[Path, str, bool]:
    """The path of an export as a person would type it, what to say of it, and whether it is sound."""
    return _relative(published.path), published.told, published.sound


def _verify(words: list[str]) -> int:
    parser = _Parser("verify", "run an exported notebook in a fresh kernel and compare every output")
    parser.add_argument("notebook", type=Path)
    path = parser.parse_args(words).notebook
    from agentloop_nb.verify import verify

    verdict = verify(path)
    print(f"{path}: {verdict.text}")
    return FINISHED if verdict.ok else NOT_FINISHED


def _show(words: list[str]) -> int:
    parser = _Parser("show", "print a run again")
    parser.add_argument("run", nargs="?")
    reference = parser.parse_args(words).run
    from agentloop_nb import journal
    from agentloop_nb.state import State
    from agentloop_nb.stream import Stream
    from agentloop_nb.terminal.view import TerminalView

    path = journal.find(reference, Path.cwd())
    stream = Stream(State(), lambda _event: None, [TerminalView(live=False, command="agentloop")])
    for event in journal.read(path):
        stream.emit(event)
    return FINISHED if stream.state.is_complete else NOT_FINISHED


def _compare(words: list[str]) -> int:
    parser = _Parser("compare", "decisions, results, variables and cost of two runs side by side")
    parser.add_argument("left", metavar="RUN")
    parser.add_argument("right", metavar="RUN", nargs="?", help="left out, it is the newest run of this folder")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page instead")
    given = parser.parse_args(words)
    from agentloop_nb import journal
    from agentloop_nb.compare import compare
    from agentloop_nb.notebook.panel.comparison import comparison_page
    from agentloop_nb.terminal.comparison import comparison_text

    found = compare(*(journal.load(journal.find(each, Path.cwd())) for each in (given.left, given.right)))
    if given.html is None:
        print(comparison_text(found, shutil.get_terminal_size((110, 24)).columns))
    else:
        from agentloop_nb.export.destination import refuse_theirs

        refuse_theirs(given.html)
        given.html.write_text(comparison_page(found), encoding="utf-8", errors="backslashreplace")
        print(f"{given.html}: {found.told}")
    return FINISHED


def _runs(words: list[str]) -> int:
    _Parser("runs", "list the runs of this folder, newest first").parse_args(words)
    from agentloop_nb import journal
    from agentloop_nb.plain import dollars, on_one_line

    states = journal.runs(Path.cwd())
    if not states:
        print("no runs in this folder yet")
    for state in states:
        run, goal = on_one_line(state.run), on_one_line(state.subject or state.reason)
        cost = dollars(state.total_cost) if state.cost_known else "?"
        status, steps = _STATUS.get(state.status, state.status), f"{state.current_step:>3}/{state.max_steps:<3}"
        print(f"{run}  {status:<11} {steps} {cost:>8}  {goal[:80]}")
    return FINISHED


def _app(words: list[str]) -> int:
    import importlib.util
    import signal
    import subprocess
    import tempfile

    if importlib.util.find_spec("voila") is None:
        raise UserError("the app is served by Voila: pip install voila")
    import nbformat

    here = f"import os\nos.chdir({str(Path.cwd())!r})\n"  # Voila starts kernels beside the notebook
    cell = nbformat.v4.new_code_cell(f"{here}from agentloop_nb.notebook.app import App\n\nApp()")
    with tempfile.TemporaryDirectory() as folder:
        notebook = Path(folder) / "AgentLoop.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"title": "AgentLoop"}), notebook)
        with subprocess.Popen([sys.executable, "-m", "voila", str(notebook), *words]) as server:
            signal.signal(signal.SIGTERM, lambda *_: server.terminate())  # its kernels notice that it is gone
            return server.wait()


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


_STATUS = {"not_met": "not met", "step_limit": "step limit", "cost_limit": "cost limit"}


class _Parser(argparse.ArgumentParser):
    """The arguments of a command; a mistake is a `UserError` instead of two lines and an exit."""

    def __init__(self, command: str, description: str) -> None:
        super().__init__(prog=f"agentloop {command}", description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; {' '.join(self.format_usage().split())}")


_COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "demo": _demo,
    "export": _export,
    "verify": _verify,
    "show": _show,
    "compare": _compare,
    "runs": _runs,
    "resume": _resume,
    "fork": _fork,
    "app": _app,
}
