"""The table of commands: what `%agent` and the shell can be asked. Help, completion and the docs come from it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from agentloop_nb.errors import Front, UserError
from agentloop_nb.settings.options import ANYWAY, AT, OPTIONS, RUN_OPTIONS, Option, describe, parse_words

SESSION = Option("session", ("--session",), "all goals of the kernel, in order, as one notebook")
MINIMAL = Option("minimal", ("--minimal",), "only the steps that the result depends on")
SHARE = Option("shared", ("--share",), "PATH is a new folder to share: inputs, environment, Binder set-up and link")
REPOSITORY = Option(
    "repository", ("--repository",), "where on GitHub the shared folder's link leads", "OWNER/NAME", "me/runs"
)
COST = Option("cost", ("--cost",), "say what the run cost, too")
FILE = Option("file", ("--file",), "write a notebook file instead", "OUT.ipynb", "steps.ipynb")
TREE = Option("tree", ("--tree",), "tries, delegated parts and forks below what they belong to")
ALL = Option("all", ("--all",), "every run, not only the last 20")
HTML = Option("html", ("--html",), "write a page instead", "FILE", "runs.html")
WHAT_IF = Option("what_if", ("--what-if",), "what the same tokens would cost on another model", "MODEL", "gpt-4o")
RERUN = Option("rerun", ("--rerun",), "run the code of the run here instead")
UNDO = Option("undo", ("--undo",), "take back what was copied last")
STOP = Option("stop", ("--stop",), "stop serving")
NAME = Option("name", ("--name",), "what clients call this kernel (the folder's name)", "NAME", "sales")
MINUTES = Option("minutes", ("--for",), "stop serving after this time", "MINUTES", "60")
MOST_TOLD = Option("most_told", ("--max-told",), "megabytes that agents may be told (50)", "MB", "10")
READ_ONLY = Option("read_only", ("--read-only",), "let agents look, and change nothing")
HTTP = Option(
    "http",
    ("--http",),
    "listen on a port of loopback, too: this one, or any free one",
    "[PORT]",
    "8765",
    pattern=r"[-+]?\d[\d.:]*|\S*:\d+",
)
MODELS = Option(
    "models", ("-m", "--model"), "a model to measure; several are compared in pairs", "MODEL", "gpt-4o", repeatable=True
)
PROMPTS = Option(
    "prompts",
    ("--instructions",),
    "a file whose text goes with each goal; several are compared",
    "FILE",
    "p.md",
    repeatable=True,
)
TASKS = Option("tasks", ("-n", "--tasks"), "only this many tasks, spread over the suite", "N", "10")
REPEAT = Option("repeat", ("--repeat",), "run each task this many times", "K", "3")
SPEND = Option("budget", ("-b", "--budget"), "US dollars that all runs together may spend", "USD", "2.50")
JOBS = Option("jobs", ("--jobs",), "runs at once (1)", "J", "2")
MOST_STEPS = Option("max_steps", ("--max-steps",), "decisions a run may take", "N", "12")
RESULTS = Option("output_dir", ("-o", "--output-dir"), "folder of the results (./eval-SUITE)", "DIR", "results")
ALLOW = Option("allow", ("--allow",), "look at the tools of these servers, and let runs use them")
LET = Option("allow", ("--allow",), "look at actions that were learned, and let runs call them")
FORGET = Option("forget", ("--forget",), "take that permission back")
_SERVED = (
    *("max_steps", "approve", "timeout", "privacy", "allow_changes", "undo_memory", "trust_web"),
    *("isolated", "bring", "limits", "on"),
)
KERNEL = Option("kernel", ("--kernel",), "the kernel to connect to (the one of the nearest folder)", "NAME", "sales")
FOLDER = Option("output_dir", ("--output-dir",), "folder of the files it makes (./output)", "DIR", "results")

LEADS: dict[Front, str] = {"notebook": "%agent", "shell": "agentloop"}
"""What a command begins with."""


class Command(NamedTuple):
    """One command: how it is typed, what it does, and where it lives."""

    name: str
    arguments: str
    help: str
    options: tuple[Option, ...] = ()
    lives: Literal["both", "notebook", "shell"] = "both"
    instead: str = ""
    """What to do where it does not live."""
    wrong: str = ""
    """What is said of too few or too many words; its usage follows."""

    def usage(self, front: Front) -> str:
        """Say how it is typed there."""
        return f"{LEADS[front]} {self.name} {self.arguments}".rstrip()

    def options_in(self, front: Front) -> tuple[Option, ...]:
        """Return the options it takes there; a run in a notebook works in the notebook's folder."""
        return tuple(each for each in self.options if front == "shell" or each in OPTIONS or each not in RUN_OPTIONS)


COMMANDS = (
    Command("status", "", "see how the last run went"),
    Command("runs", "[--all] [--tree]", "list the runs of this folder, newest last", (ALL, TREE)),
    Command("show", "[RUN]", "draw a run again from its record"),
    Command(
        "resume",
        "[RUN] [options] [-- NOTE]",
        "go on with a run, perhaps with a word to the agent",
        (*RUN_OPTIONS, ANYWAY),
    ),
    Command(
        "fork",
        '[RUN] [--at N] [options] "NOTE"',
        "try a different approach after step N, in a separate process and a copy of the folder; "
        "the original run is unchanged",
        (AT, ANYWAY, *OPTIONS),
    ),
    Command(
        "retry",
        '[options] ["NOTE"]',
        "run the last goal again from the variables and files before it; you are told first what cannot be taken back",
        RUN_OPTIONS,
    ),
    Command(
        "fix",
        '[options] ["NOTE"]',
        "have your last failed cell mended; the model is told its error and the values it touched",
        OPTIONS,
        "notebook",
        "it takes the last cell of a notebook that failed",
    ),
    Command(
        "adopt",
        "[RUN] [NAME ...] [--rerun] [--undo]",
        "copy variables and files from an isolated run or a fork into this kernel, or take that back",
        (RERUN, UNDO),
        "notebook",
        "it brings variables into a living kernel",
    ),
    Command(
        "export",
        "[--minimal | --session] [--share [--repository OWNER/NAME]] [RUN] OUT.ipynb",
        "write a run as a notebook (or `.py`, `.html`, a folder to share), and prove that it re-runs",
        (MINIMAL, SESSION, SHARE, REPOSITORY),
        wrong="name the notebook to write: {0} export run.ipynb (or .py, .html; --share takes a folder)",
    ),
    Command(
        "report",
        "[--cost] [RUN] OUT.html",
        "write a report to hand in (or `.md`): the finding, what it rests on, the method, how to check it",
        (COST,),
        wrong="name the report to write: {0} report report.html (or .md)",
    ),
    Command(
        "cells",
        "[--minimal] [--file OUT.ipynb] [RUN]",
        "put the steps of a run below as cells of your own, or into a notebook file",
        (MINIMAL, FILE),
        "notebook",
        "it adds cells to an open notebook; agentloop export writes a notebook",
    ),
    Command("verify", "NOTEBOOK", "prove an exported notebook again, in a fresh kernel"),
    Command(
        "compare",
        "[RUN] [RUN] [--html FILE]",
        "see two runs side by side: decisions, results, variables, cost; a fork alone is compared with its origin",
        (HTML,),
        wrong="name the runs to compare: {0} compare RUN RUN ({0} runs lists them)",
    ),
    Command(
        "trust",
        "[FOLDER]",
        "allow the code of a folder's runs to run though somebody else or version 0.1.0 recorded it; it sets no option",
    ),
    Command("who", "[RUN]", "list what a run made or changed, and which step did"),
    Command("why", "NAME [RUN]", "show the cells and steps that led to a variable"),
    Command(
        "undo",
        "[RUN] [N]",
        "take back the last N steps (1): variables, files, and what the model remembers",
        lives="notebook",
        instead="it changes the variables of a living kernel",
    ),
    Command(
        "restore",
        "NAME [RUN]",
        "give a variable back the value it had before the last run that changed it",
        lives="notebook",
        instead="it changes the variables of a living kernel",
    ),
    Command(
        "serve",
        "[--name NAME] [--for MINUTES] [--max-told MB] [--read-only] [--isolated] [--on CLUSTER] "
        "[--http [PORT]] [options] [GOAL] | --stop",
        "let outside agents (Claude Code, Cursor and other MCP clients) work in this kernel, under its rules",
        (STOP, NAME, MINUTES, MOST_TOLD, READ_ONLY, HTTP, *(each for each in OPTIONS if each.setting in _SERVED)),
        "notebook",
        "it serves a living kernel; clients start agentloop mcp",
    ),
    Command(
        "mcp",
        "[--kernel NAME]",
        "act as the MCP server that a client starts, connected to the kernel that is served",
        (KERNEL,),
        "shell",
        "type %agent serve; clients start agentloop mcp",
    ),
    Command(
        "skill",
        "",
        "print a SKILL.md that teaches an outside agent to work in a notebook",
        lives="shell",
        instead="type !agentloop skill > SKILL.md",
    ),
    Command("cost", "[RUN] [--what-if MODEL]", "see what a run cost, by step and kind of token", (WHAT_IF,)),
    Command("sent", "[STEP] [RUN]", "see the exact text that left this machine, and its size by source"),
    Command(
        "actions",
        "[--actions NAMES] [--no-actions NAMES]",
        "list what a run may do, and where each action comes from",
        tuple(option for option in OPTIONS if option.setting in ("actions", "no_actions")),
    ),
    Command(
        "tools",
        "[--allow | --forget] [NAME | FILE]",
        "list the MCP servers of this folder, see the tools of one, and let runs use them",
        (ALLOW, FORGET),
    ),
    Command(
        "learn",
        "[RUN] NAME [STEPS] [options] | [--allow | --forget] [NAME]",
        "make a function of what worked in a run, for later runs of this folder; alone, list those there are",
        (LET, FORGET, *(each for each in RUN_OPTIONS if each.setting in ("model", "base_url", "effort", "budget"))),
    ),
    Command("cluster", "[PROFILE[:CLUSTER]]", "list the engines that `--on` uses, what runs on each, and its memory"),
    Command("models", "[PROVIDER]", "list the models that the configured server offers"),
    Command(
        "login",
        "[PROVIDER]",
        "type a key in; it is kept until the kernel ends, and never written down",
        lives="notebook",
        instead="set OPENAI_API_KEY, or put it into .env",
    ),
    Command(
        "eval",
        "[SUITE] -m MODEL [-m MODEL2] [-n N] [--repeat K] [--budget USD] [--jobs J] [-o DIR]",
        "measure models on tasks with checks: accuracy, and what a right answer costs",
        (
            *(MODELS, PROMPTS, TASKS, REPEAT, SPEND, JOBS, MOST_STEPS, RESULTS),
            *(each for each in RUN_OPTIONS if each.setting in ("base_url", "effort", "on")),
        ),
        "shell",
        "type !agentloop eval",
    ),
    Command(
        "demo",
        "[--output-dir DIR]",
        "see it work: no key, no network, scripted decisions, real code",
        (FOLDER,),
        "shell",
        "type %%agent -m demo",
    ),
    Command(
        "app",
        "[--files DIR] [VOILA OPTIONS]",
        "serve a page for people who do not read code (needs voila); each visit gets copies of the data files in DIR",
        lives="shell",
        instead="type !agentloop app",
    ),
    Command("help", "[COMMAND]", "list what can be typed, or tell all about one command"),
)
BY_NAME = {command.name: command for command in COMMANDS}


def available(front: Front) -> dict[str, Command]:
    """Return the commands that live there, in the order help shows them."""
    return {name: command for name, command in BY_NAME.items() if command.lives in ("both", front)}


def meant(word: str) -> str | None:
    """Return the command a word is, or nearly is, in any case."""
    close = difflib.get_close_matches(word.lower(), BY_NAME, n=1, cutoff=0.75)
    return close[0] if close else None


def check_lives(name: str, front: Front) -> None:
    """Raise `UserError` for a command that lives elsewhere; it says where, and what to do here."""
    command = BY_NAME[name]
    if command.lives not in ("both", front):
        where = "notebooks" if front == "shell" else "the shell"
        raise UserError(f"{name} is a command of {where}; {command.instead}")


def parsed(
    name: str, source: str | Sequence[str], front: Front, most: int, least: int = 0
) -> tuple[dict[str, Any], list[str]]:
    """Return the options and other words of a command.

    Raises `UserError` for a wrong option, too few or too many words.
    """
    command = BY_NAME[name]
    wrong = command.wrong.format(LEADS[front])
    usage = f"{wrong}; {command.usage(front)}" if wrong else f"it is typed: {command.usage(front)}"
    try:
        options, words, rest = parse_words(source, command.options_in(front))
    except UserError as error:
        raise UserError(f"{error.said} {usage}") from None
    words += [rest] if rest else []
    if len(words) > most:
        typed = " ".join(words)
        quotes = f"; one with spaces stands in quotes: %agent {name} {typed!r}" if front == "notebook" else ""
        raise UserError(f"not {typed!r}{quotes}; {usage}")
    if len(words) < least:
        raise UserError(usage)
    return options, words


def help_of(name: str, front: Front) -> str:
    """All about one command. Raises `UserError` where there is none of that name."""
    if name not in BY_NAME:
        close = meant(name)
        hint = f"did you mean {close}?" if close else f"there are {', '.join(available(front))}"
        raise UserError(f"there is no command {name!r}; {hint}")
    command = BY_NAME[name]
    other: Front = "notebook" if front == "shell" else "shell"
    lines = [command.usage(front if command.lives in ("both", front) else other), f"  {_spoken(command.help)}"]
    if command.lives not in ("both", front):
        lines.append(f"  Here: {command.instead}.")
    if "RUN" in command.arguments:
        lines.append("  RUN is an id, the beginning of one, or a path; left out, it is the last run.")
    options = command.options_in(front)
    return "\n".join([*lines, *(["", "Options:", describe(options)] if options else [])])


def help_for(front: Front, options: Iterable[Option]) -> str:
    """Return what can be typed there, with the options of a run."""
    lead, goal = ("agentloop", '"GOAL"') if front == "shell" else ("%agent", "goal   (more lines of it may follow)")
    rows = [(command.usage(front), _spoken(command.help)) for command in available(front).values()]
    first = f"{'agentloop' if front == 'shell' else '%%agent'} [options] {goal}"
    width = max(len(usage) for usage, _ in rows if len(usage) < 40)
    lines = [
        f"{usage:<{width}}  {told}" if len(usage) <= width else f"{usage}\n{'':<{width}}  {told}"
        for usage, told in rows
    ]
    elsewhere = [f"  {name}: {each.instead}" for name, each in BY_NAME.items() if name not in available(front)]
    parts = [first, "", *lines, "", "RUN is an id, the beginning of one, or a path; left out, it is the last run."]
    parts += [f"{lead} help COMMAND tells all about one. Not here:", *elsewhere]
    return "\n".join([*parts, "", "Options of a run:", describe(options)])


def _spoken(text: str) -> str:
    return text.replace("`", "")
