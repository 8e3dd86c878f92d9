"""What carries out `%agent COMMAND`: one function a command of the table that lives in a notebook."""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.display import publish_display_data

from agentloop_nb import command_table as table
from agentloop_nb._internal.paths import typed_path
from agentloop_nb._internal.text import clean
from agentloop_nb.errors import Front, UserError
from agentloop_nb.notebook.beside_loop import tell
from agentloop_nb.notebook.kernel import output_scope
from agentloop_nb.notebook.launch_commands import NOTE, fix, fork, resume, retry
from agentloop_nb.notebook.magic import LASTING
from agentloop_nb.notebook.undo_commands import restore, undo
from agentloop_nb.record import locating
from agentloop_nb.settings import environment
from agentloop_nb.settings.options import OPTIONS, split_words

if TYPE_CHECKING:
    from agentloop_nb.notebook.magic import AgentMagics
    from agentloop_nb.settings import Settings
    from agentloop_nb.state import State

_HELP = ("-h", "--help")
_OF_ANYBODY = frozenset({"help", "status", "runs", "who", "why", "cost", "sent", "models", "actions"})
"""Commands that only tell something."""


def perform(magics: AgentMagics, line: str, *, awaited: bool) -> Any:
    """Carry out what stands after `%agent`. Raises `UserError` for an unknown word."""
    word, _, rest = line.strip().partition(" ")
    word = "help" if word in _HELP else word or "status"
    if word not in table.BY_NAME:
        close = difflib.get_close_matches(word, COMMANDS, n=1)
        hint = f"did you mean %agent {close[0]}?" if close else f"there are {', '.join(COMMANDS)}."
        raise UserError(f"there is no %agent {word}; {hint} A goal is given with two signs: %%agent {line.strip()}")
    if any(each in _HELP for each in NOTE.split(rest, maxsplit=1)[0].split()):
        return help_(magics, word)
    table.check_lives(word, "notebook")
    if word not in _OF_ANYBODY and output_scope.in_step():
        raise UserError(f"%agent {word} is for the person at the keyboard: this code runs inside a step")
    if word in LASTING:
        return COMMANDS[word](magics, rest.strip(), awaited=awaited)
    return COMMANDS[word](magics, rest.strip())


class _Here:
    """The runs of this kernel and this folder, with the settings of `%config`."""

    front: Front = "notebook"

    def __init__(self, magics: AgentMagics) -> None:
        self._magics = magics

    @property
    def folder(self) -> Path:
        return self._magics.manager.folder

    def find(self, reference: str | None) -> Path:
        return self._magics.manager.find(reference)

    def state(self, reference: str | None) -> State:
        return self._magics.manager.state(reference)

    @property
    def functions(self) -> Mapping[str, Any]:
        return dict(self._magics.manager.shell.user_ns)

    def settings(self, arguments: Mapping[str, Any]) -> Settings:
        return self._magics.manager.settings(arguments, self._magics.config_values())


def ask(name: str, magics: AgentMagics, rest: str) -> None:
    """Answer a question about recorded runs."""
    from agentloop_nb.reports.queries import QUERIES

    options, words = table.parsed(name, rest, "notebook", 2)
    print(clean(QUERIES[name](_Here(magics), words, options)))


def status(magics: AgentMagics, rest: str) -> None:
    """Say how the last run of this kernel went."""
    if rest or magics.manager.runs:
        ask("status", magics, rest)
    else:
        print("No run in this kernel yet. Give a goal: %%agent what you want   (%agent help lists what else there is)")


def help_(magics: AgentMagics, rest: str) -> None:
    """List what can be typed, or tell all about one command."""
    print(table.help_of(rest, "notebook") if rest else table.help_for("notebook", OPTIONS))


def export(magics: AgentMagics, rest: str, *, awaited: bool = False) -> Any:
    """Write a run as a notebook, and prove that it re-runs."""
    from agentloop_nb.verify.certified_export import publish

    options, words = table.parsed("export", rest, "notebook", 2, least=1)
    if options.pop("session", False):
        session = _whole_session(magics, words, options)
        return tell(lambda: f"Exported to {words[-1]}: {session()}", awaited=awaited)
    *reference, path = words
    record = magics.manager.find(reference[0] if reference else None)
    here = magics.manager.run_of(record)
    write = here.publish if here else partial(publish, record)
    return tell(lambda: f"Exported to {path}: {write(Path(path), **options).told}", awaited=awaited)


def report(magics: AgentMagics, rest: str, *, awaited: bool = False) -> Any:
    """Write a report to hand in."""
    from agentloop_nb.verify.certified_export import publish_report

    options, words = table.parsed("report", rest, "notebook", 2, least=1)
    *reference, path = words
    record = magics.manager.find(reference[0] if reference else None)
    here = magics.manager.run_of(record)
    write = here.report if here else partial(publish_report, record)
    return tell(lambda: f"Report written to {path}: {write(Path(path), **options).told}", awaited=awaited)


def cells(magics: AgentMagics, rest: str) -> None:
    """Put the steps of a run below as cells, or into a notebook file."""
    from agentloop_nb.notebook.added_cells import add_cells, write_cells

    options, words = table.parsed("cells", rest, "notebook", 1)
    record, path = magics.manager.find(words[0] if words else None), options.pop("file", None)
    here = magics.manager.run_of(record)
    folder = here.workspace.folder if here and here.workspace else locating.home(record)
    told = write_cells(record, path, folder, **options) if path else add_cells(magics.shell, record, folder, **options)
    print(told)


def verify(_magics: AgentMagics, rest: str, *, awaited: bool = False) -> Any:
    """Prove an exported notebook again."""
    from agentloop_nb.verify import verify as prove

    _, (path,) = table.parsed("verify", rest, "notebook", 1, least=1)
    return tell(lambda: f"{path}: {prove(Path(path)).text}", awaited=awaited)


def _whole_session(magics: AgentMagics, words: list[str], options: dict[str, Any]) -> Callable[[], str]:
    """Return what exports all goals of this kernel, and says how that went. Raises `UserError`."""
    from agentloop_nb.verify.certified_export import publish_session

    if options or len(words) > 1:
        raise UserError("--session takes a name only, and all goals of this kernel: %agent export --session day.ipynb")
    runs = [run for run in magics.manager.runs if not run.state.settings.get("isolated")]
    if not runs:
        raise UserError("no goal was given in this kernel yet: %%agent what you want")
    here = runs[-1].workspace
    values, folder = (here.variables, here.folder) if here else (None, None)
    records, destination = [run.journal for run in runs], Path(words[0])
    return lambda: publish_session(records, destination, values=values, folder=folder).told


def compare(magics: AgentMagics, rest: str) -> None:
    """Two runs side by side."""
    from agentloop_nb.notebook.panel.comparison_page import comparison_html, write_page
    from agentloop_nb.reports.queries import compared
    from agentloop_nb.terminal.comparison_table import comparison_text

    options, words = table.parsed("compare", rest, "notebook", 2)
    found = compared(_Here(magics), words)
    if page := options.get("html"):
        print(write_page(found, Path(page)))
    else:
        publish_display_data({"text/html": comparison_html(found), "text/plain": comparison_text(found)})


def show(magics: AgentMagics, rest: str) -> None:
    """Draw a run again from its record."""
    from agentloop_nb.notebook.kernel.runner import can_ask
    from agentloop_nb.notebook.panel.buttons import BUTTONS
    from agentloop_nb.notebook.panel.html import plain_text, static_html

    _, words = table.parsed("show", rest, "notebook", 1)
    record = magics.manager.find(words[0] if words else None)
    here, place = magics.manager.run_of(record), f"agent-{uuid.uuid4().hex[:12]}"
    state = here.state if here else magics.manager.state(str(record))
    publish_display_data({"text/html": static_html(state, place=place), "text/plain": plain_text(state)})
    if here and here.status != "running" and can_ask(magics.shell):
        BUTTONS.put(state, place)


def adopt(magics: AgentMagics, rest: str) -> None:
    """Bring here what an isolated run or a fork made, or take that back."""
    from agentloop_nb.notebook.isolation.adopt import adopt as bring_here

    print(bring_here(magics.manager, split_words(rest)))


def serve(magics: AgentMagics, rest: str) -> None:
    """Let outside agents work in this kernel, under its rules."""
    from agentloop_nb.notebook.serve.serve_command import serve as begin_or_end

    begin_or_end(magics, rest)


def login(magics: AgentMagics, rest: str) -> None:
    """Take a key, try it, and keep it for this kernel's life."""
    from agentloop_nb.notebook.login import take_key

    print(take_key(_Here(magics), rest))


def trust(magics: AgentMagics, rest: str) -> None:
    """Let the code of runs that somebody else, or version 0.1.0, recorded in a folder be run."""
    from agentloop_nb.record import trust as trusting

    _, words = table.parsed("trust", rest, "notebook", 1)
    print(trusting.vouch((typed_path(words[0]) if words else magics.manager.folder).absolute()).told)


def cluster(magics: AgentMagics, rest: str) -> None:
    """List the engines of a cluster, and what runs on each."""
    from agentloop_nb.cluster.overview import overview

    _, words = table.parsed("cluster", rest, "notebook", 1)
    print(overview("".join(words), environment(magics.manager.folder)))


def tools(magics: AgentMagics, rest: str) -> None:
    """List MCP servers, and let runs use their tools."""
    from agentloop_nb.mcp_tools.looking import tools as looking
    from agentloop_nb.notebook.kernel.runner import refuse_nesting
    from agentloop_nb.notebook.trust_prompt import says_yes

    refuse_nesting()
    options, words = table.parsed("tools", rest, "notebook", 8)
    print(looking(magics.manager.folder, words, options, partial(says_yes, magics.manager.shell)))


def learn(magics: AgentMagics, rest: str) -> None:
    """Make a function of what worked in a run, or say which there are."""
    from agentloop_nb.learn.command import learn as learned
    from agentloop_nb.notebook.kernel.runner import refuse_nesting
    from agentloop_nb.notebook.learning import desk

    refuse_nesting()
    options, words = table.parsed("learn", rest, "notebook", 8)
    print(learned(desk(magics.manager, magics.config_values(), "notebook"), words, options))


def actions(magics: AgentMagics, rest: str) -> None:
    """Print what a run may do here, and where each action comes from."""
    from agentloop_nb.notebook.learning import bring

    bring(magics.manager, print, asks=False)
    ask("actions", magics, rest)


runs, who, why, cost, sent, models = (partial(ask, name) for name in ("runs", "who", "why", "cost", "sent", "models"))

COMMANDS: dict[str, Callable[..., Any]] = {
    "status": status,
    "runs": runs,
    "show": show,
    "resume": resume,
    "fork": fork,
    "retry": retry,
    "fix": fix,
    "adopt": adopt,
    "export": export,
    "report": report,
    "cells": cells,
    "verify": verify,
    "compare": compare,
    "who": who,
    "why": why,
    "undo": undo,
    "restore": restore,
    "serve": serve,
    "cost": cost,
    "sent": sent,
    "models": models,
    "actions": actions,
    "learn": learn,
    "login": login,
    "trust": trust,
    "tools": tools,
    "cluster": cluster,
    "help": help_,
}
"""What carries out each command of the table that lives in a notebook."""
