"""The command line: `agentloop "GOAL"`, and what can be done with runs afterwards."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agentloop_nb import __version__, command_table
from agentloop_nb.cli.exits import FINISHED, NOT_FINISHED, WRONG_USE, complain
from agentloop_nb.cli.record_commands import ask, compare, show, trust_folder, verify_notebook, write
from agentloop_nb.cli.run_commands import as_goal, demo_run, end_of_options, fork, resume, retry, run_goal
from agentloop_nb.errors import AgentFailed, AgentStopped, UserError
from agentloop_nb.settings.options import RUN_OPTIONS

if TYPE_CHECKING:
    from agentloop_nb.notebook.run_manager import RunManager

_HELP = ("-h", "--help")
_CODES = (
    "Exit codes: 0 finished or reproduced, 1 not, 2 wrong use. Settings are also read from the environment and .env."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line, and return its exit code. What goes wrong is one line on standard error."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except (AgentStopped, AgentFailed) as error:
        return complain(error, NOT_FINISHED)
    except UserError as error:
        return complain(error, WRONG_USE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains again when it closes standard output
        return NOT_FINISHED
    except OSError as error:
        return complain(f"{error.filename or 'agentloop'}: {error.strerror or error}", WRONG_USE)
    except KeyboardInterrupt:
        return complain("stopped", NOT_FINISHED)


def _dispatch(words: list[str]) -> int:
    first = words[0] if words else ""
    if first in _HELP:
        return _help([])
    if first == "--version":
        print(f"agentloop {__version__}")
        return FINISHED
    if first not in command_table.BY_NAME:
        return run_goal(words)
    asked = any(word in _HELP for word in words[1 : end_of_options(words)])
    if asked and first != "app":  # Voila has a help of its own
        return _help([first])
    command_table.check_lives(first, "shell")
    try:
        return COMMANDS[first](words[1:])
    except UserError as error:
        if len(words) > 2 and not any(word.startswith("-") for word in words):
            raise UserError(f"{error} (a goal stands in quotes: agentloop {as_goal(words)})") from None
        raise


def _help(words: list[str]) -> int:
    if len(words) > 1:
        raise UserError("help takes one command: agentloop help export")
    told = command_table.help_of(words[0], "shell") if words else command_table.help_for("shell", RUN_OPTIONS)
    print(told if words else f"{told}\n\n{_CODES}")
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


def _cluster(words: list[str]) -> int:
    _, named = command_table.parsed("cluster", words, "shell", 1)
    from agentloop_nb.cluster.overview import overview
    from agentloop_nb.settings import environment

    print(overview("".join(named), environment()))
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
    from agentloop_nb.evals.eval_command import evaluate

    return FINISHED if evaluate(suite[0] if suite else "", options) else NOT_FINISHED


def _skill(words: list[str]) -> int:
    command_table.parsed("skill", words, "shell", 0)
    from agentloop_nb.bridge.skill import skill

    print(skill(), end="")
    return FINISHED


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "demo": demo_run,
    "export": partial(write, "export"),
    "report": partial(write, "report"),
    "verify": verify_notebook,
    "trust": trust_folder,
    "tools": _tools,
    "learn": _learn,
    "actions": _actions,
    "cluster": _cluster,
    "show": show,
    "compare": compare,
    "resume": resume,
    "fork": fork,
    "retry": retry,
    "app": _app,
    "mcp": _mcp,
    "skill": _skill,
    "eval": _eval,
    "help": _help,
    **{name: partial(ask, name) for name in ("status", "runs", "who", "why", "cost", "sent", "models")},
}
"""What carries out each command of the table that lives in a shell."""
