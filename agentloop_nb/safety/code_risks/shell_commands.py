"""Comparing command lines: what stood in the code with what is really started."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from itertools import pairwise

from agentloop_nb.safety.code_risks.command_lines import BUILDERS, SHELLS, Command, is_of_system
from agentloop_nb.safety.code_risks.constant_values import HOLE
from agentloop_nb.safety.code_risks.places import hosts, outside

_INTERPRETERS = SHELLS | {"python", "perl", "ruby", "node", "php", "lua", "ipython", "pypy", "rscript"}
_TAKES_FILES = frozenset(
    {"source", ".", "jupyter", "papermill", "sqlite3", "duckdb", "psql", "gdb", "vim", "octave", "r"}
)
"""Programs that execute what lies in a file they are given."""
_EXPANDED = re.compile(r"\$[\w{(@*?]|`")
_CONFIGURED = re.compile(r"(^| )(-\w*K|--config|--input-file|-i \S+\.\w+$)")
"""Options by which a file says where a command connects to."""
_PROGRAM = re.compile(
    r"system\s*\(|\|\s*getline|getline\s*<|-exec(dir)? \S*sh\b|(^| )[\d,$]*e( |$)|busybox \S*sh\b|/e( |$)|\| *\""
)
"""Programs of awk, sed and find that start others."""
_RUNS_OTHERS = re.compile(
    r"(PATH|LD_\w+|DYLD_\w+|BASH_ENV|ENV|\w*PAGER|LESSOPEN|LESSCLOSE|EDITOR|VISUAL|BROWSER|PROMPT_COMMAND|IFS|PS4|"
    r"GIT_\w+|PYTHONSTARTUP|PERL5OPT|RUBYOPT|NODE_OPTIONS|JAVA_TOOL_OPTIONS)=|"
    r"--(checkpoint-action|to-command|use-compress-program|rsh-command|info-script|new-volume-script|compress-program|"
    r"ext-diff|upload-pack|receive-pack|unzip-command)(=|$)"
)
"""Variables and options that name a program to run."""
_GIVEN_PROGRAM = {
    "tar": re.compile(r"(^| )-\w*[IF]"),
    "git": re.compile(
        r"(^| )(-c|--config-env)[ =]?(alias|pager|diff|merge|filter|credential|gpg|sequence|url|include\w*|core\."
        r"(fsmonitor|pager|editor|sshcommand|hookspath|askpass|gitproxy|alternaterefscommand))\b|(^| )--exec-path=",
        re.IGNORECASE,
    ),
    "rsync": re.compile(r"(^| )(-\w*e|--rsh)\b"),
    "zip": re.compile(r"(^| )-TT"),
    "split": re.compile(r"(^| )--filter"),
}
"""Options of commands that name a program to run."""
_DATA = re.compile(r"\.(csv|tsv|txt|json|jsonl|log|dat|xml|md|html?|ya?ml|ini|cfg|out)$", re.IGNORECASE)
_PLAIN_FILL = re.compile(r"(?!-)[\w./ @+=,:%-]*")


def plain(words: Sequence[str]) -> tuple[str, ...]:
    """Return a command with Python called `python`, and `python -m pip` called `pip`."""
    if not words:
        return ()
    first = _interpreter(words[0].rsplit("/", 1)[-1].removesuffix(".exe"))
    if "/" in words[0] and not (first == "python" and _is_installed(words[0])):
        first = words[0]
    rest = tuple(words[1:])
    if first == "pip3" or (first == "python" and rest[:2] in (("-m", "pip"), ("-mpip",))):
        return ("pip", *(rest if first == "pip3" else rest[2:]))
    return (first, *rest)


def _interpreter(name: str) -> str:
    return re.sub(r"^(python|pypy)[\d.]*$", "python", name)


def _is_installed(path: str) -> bool:
    """Whether a path leads where the system's programs or this Python lie."""
    return is_of_system(path) or path.rpartition("/")[0] == sys.executable.rpartition("/")[0]


def name_of(command: Command) -> str:
    """Return the program of a command, whatever its folder, as interpreters are called in plain words."""
    return _interpreter(plain(command.words)[0].rsplit("/", 1)[-1].lower())


def same(words: Sequence[str], template: Sequence[str]) -> bool:
    """Whether a command is one that stood in the code, its unknown words filled with plain ones."""
    template = plain(template)
    if not template or HOLE in template[0] or len(words) != len(template):
        return False
    installs = Command(tuple(words)).installs
    return all(
        word == pattern or (not installs and _fills(word, pattern.replace("*", HOLE)))
        for word, pattern in zip(words, template, strict=True)
    )


def _fills(word: str, pattern: str) -> bool:
    """Whether what fills the holes of a word names nothing but things of the folder."""
    if HOLE not in pattern:
        return False
    match = re.fullmatch("(.*)".join(map(re.escape, pattern.split(HOLE))), word, re.DOTALL)
    if match is None or _EXPANDED.search(word) or not all(_PLAIN_FILL.fullmatch(fill) for fill in match.groups()):
        return False
    if pattern.startswith("-") and " " in word:
        return False  # a program with its arguments, as options of tar and find take them
    parts = [part for fill in match.groups() for part in (fill, *fill.split())]
    return not any(outside(part) or hosts(part, bare=True) for part in parts)


def runs_files(command: Command) -> bool:
    """Whether a command executes code that lies in files."""
    name = name_of(command)
    return name in (_INTERPRETERS | BUILDERS | _TAKES_FILES) or "/" in command.words[0] or "pytest" in name


def carries_out_unread(found: Sequence[Command]) -> bool:
    """Whether a command line runs what only comes up while it runs: `$c`, `... | sh`, `xargs sh -c`, `curl -K`."""
    written = {word for command in found for word in written_by(command.words)}
    return any(
        _is_unread(command)
        or (runs_files(command) and not written.isdisjoint(command.executed))
        or _takes_data(command)
        for command in found
    )


def written_by(words: Sequence[str]) -> set[str]:
    """Return the files that a command puts its output, or copies, into."""
    names = {right for left, right in pairwise(words) if re.fullmatch(r"\d?>>?", left)}
    names |= {match[1] for word in words if (match := re.fullmatch(r"\d?>>?([^&>].*)", word))}
    if words[0] in ("tee", "touch", "mkdir"):
        names |= set(words[1:])
    if words[0] in ("cp", "mv", "ln", "install", "rsync"):
        names |= {words[-1]} | (
            {f"{words[-1]}/{word.rsplit('/', 1)[-1]}" for word in words[1:-1]} if len(words) > 2 else set()
        )
    if words[0] in ("curl", "wget"):
        names |= {right for left, right in pairwise(words) if left in ("-o", "-O", "--output")}
    return {name.removeprefix("./") for name in names}


def _is_unread(command: Command) -> bool:
    name, words = name_of(command), command.words
    unknown = [word for word in words if HOLE in word or _EXPANDED.search(word)]
    if words[0] in unknown or name in ("parallel", "at", "batch", "crontab"):
        return True
    if any(map(_RUNS_OTHERS.match, words)) or words[0].startswith("$'") or words[0].rsplit("/", 1)[-1] == "xargs":
        return True
    if name in _INTERPRETERS or name in ("source", "."):
        stands_alone = not command.script and not command.arguments and not Command(plain(words)).read_only
        return bool(unknown) or command.feeds or stands_alone or any(word.startswith("<") for word in words)
    if name in _GIVEN_PROGRAM and _GIVEN_PROGRAM[name].search(" ".join(words[1:])):
        return True
    if command.network and (unknown or command.feeds or _CONFIGURED.search(" ".join(words))):
        return True
    if name in ("awk", "gawk", "mawk", "sed", "find", "busybox", "env"):
        return _PROGRAM.search(" ".join(words)) is not None
    return command.feeds and command.deletes


def _takes_data(command: Command) -> bool:
    """Whether an interpreter is given a file of data for a program."""
    return name_of(command) in (_INTERPRETERS | {"source", "."}) and any(map(_DATA.search, command.arguments[:1]))
