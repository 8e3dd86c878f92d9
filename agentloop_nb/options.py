"""The options of a run, as typed: one table for `%%agent` and the command line, and the reader of both."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agentloop_nb.errors import UserError


@dataclass(frozen=True)
class Option:
    """One option: the setting it fills, how it is typed, and what it means."""

    setting: str
    """The name in `Settings`, and the keyword of `run_agent`."""
    flags: tuple[str, ...]
    help: str
    value: str = ""
    """How its value is shown; empty for a switch."""
    example: str = ""

    @property
    def usage(self) -> str:
        """`-n, --max-steps N`."""
        return ", ".join(self.flags) + (f" {self.value}" if self.value else "")


OPTIONS: tuple[Option, ...] = (
    Option("model", ("-m", "--model"), "the model, provider:model; also replay:PATH and demo", "MODEL", "ollama:qwen3"),
    Option("base_url", ("--base-url",), "address of an OpenAI-compatible server", "URL", "http://localhost:8000/v1"),
    Option("max_steps", ("-n", "--max-steps"), "steps a run may take (50)", "N", "20"),
    Option("budget", ("-b", "--budget"), "US dollars a run may spend; never exceeded", "USD", "0.50"),
    Option("timeout", ("-t", "--timeout"), "seconds a code step may take by default (30)", "SECONDS", "120"),
    Option("approve", ("--approve",), "what waits for a person: auto (nothing), code, all", "WHAT", "code"),
    Option("output", ("-o", "--output"), "bind the run to this variable", "NAME", "run"),
    Option("export", ("--export",), "write the finished run to this notebook", "PATH", "run.ipynb"),
    Option("strict", ("--strict",), "meeting a limit is an error"),
    Option("quiet", ("--quiet",), "show the summary only"),
    Option("max_retries", ("--max-retries",), "retries of a bad reply or a failing server (3)", "N", "3"),
    Option("effort", ("--effort",), "how much a reasoning model thinks: low, medium, high", "EFFORT", "low"),
    Option("privacy", ("--privacy",), "what the model sees of your data: full, schema, none", "LEVEL", "schema"),
    Option("allow_changes", ("--allow-changes",), "names the agent may change unwarned, or all", "NAMES", "all"),
    Option("undo_memory", ("--undo-memory",), "megabytes copies for undo may take (512)", "MB", "2048"),
    Option("trust_web", ("--trust-web",), "let code use what pages and search results said"),
    Option("live", ("--live",), "with replay: ask the web instead of the record"),
    Option("isolated", ("--isolated",), "run the code in a process and a folder of its own"),
    Option(
        "bring", ("--with",), "isolated: variables and files it gets (those the goal names)", "NAMES", "sales,a.csv"
    ),
    Option(
        "limits",
        ("--limits",),
        "isolated: memory (4, in GB), cpu (14400 s), processes (64), file (2 GB)",
        "LIMITS",
        "memory=2,cpu=600",
    ),
)
"""Every option a run takes, in the order help shows it."""

OUTPUT_DIR = Option("output_dir", ("--output-dir",), "folder of the files a run makes (./output)", "DIR", "results")
"""For scripts and the command line; in a notebook the working folder is the notebook's own."""

ANYWAY = Option("anyway", ("--anyway",), "go on although recorded code shows something else now")
"""For resuming and forking, where variables are rebuilt first."""
AT = Option("at", ("--at",), "fork: the step after which another way begins (the last)", "N", "4")

_QUOTED = re.compile(r""""[^"]*"|'[^']*'""")
_WORD = re.compile(rf"""(?:[^\s"']|{_QUOTED.pattern})+""")


def parse_options(source: str | Sequence[str], options: Iterable[Option] = OPTIONS) -> tuple[dict[str, Any], str]:
    """Split what was typed into settings and goal. Values stay text; switches are True.

    `source` is the line of a magic, or the words of a command line. Options come first; from the first other word on
    (or after `--`) everything is goal, verbatim. On a command line, options may also follow a goal given in quotes.
    Raises `UserError`.
    """
    words, by_flag, settings = _words(source), _by_flag(options), dict[str, Any]()
    if _take_options(words, by_flag, settings) == "--":
        return settings, words.rest()
    goal = words.goal()
    _take_options(words, by_flag, settings)
    return settings, " ".join(filter(None, (goal, words.rest())))


def parse_command(source: str | Sequence[str], options: Iterable[Option]) -> tuple[dict[str, Any], str, str]:
    """Split what follows a command into settings, the first other word, and the rest, verbatim.

    The word may name a run; one in quotes is taken whole, without them. Options stand before or after it. Raises
    `UserError`.
    """
    words, by_flag, settings = _words(source), _by_flag(options), dict[str, Any]()
    _take_options(words, by_flag, settings)
    first = words.take()
    _take_options(words, by_flag, settings)
    return settings, first, words.rest()


def run_and_note(
    first: str, rest: str, after: str, names_run: Callable[[str], bool], *, quoted: bool = False
) -> tuple[str | None, str]:
    """Tell the run that a fork's words name, if any, from its note. Raises `UserError` where there is no note.

    `after` stood after `--`; `quoted` says that `rest` stood in quotes, now gone. A word alone before `--` or before
    quotes names a run, mistyped or not: taken into the note, another run would be forked than the one that was meant.
    """
    quoted = quoted or _QUOTED.fullmatch(f"{rest} {after}".strip()) is not None
    named = first and (names_run(first) or quoted or (after.strip() and not rest and not re.search(r"\s", first)))
    note = note_from("" if named else first, rest, after)
    if not note:
        raise UserError(f'say what to do in another way: %agent fork {first or "[RUN]"} [--at N] "NOTE"')
    return first if named else None, note


def note_from(*parts: str) -> str:
    """Join the words of a note; quotes around all of it are no part of it."""
    return " ".join(filter(None, map(str.strip, parts))).strip("\"'")


def _words(source: str | Sequence[str]) -> _Words:
    return _TextWords(source) if isinstance(source, str) else _ArgumentWords(source)


def _by_flag(options: Iterable[Option]) -> dict[str, Option]:
    return {flag: option for option in options for flag in option.flags}


def step_number(text: str | None) -> int | None:
    """Read the N of `--at N`; None where nothing was typed. Raises `UserError`."""
    if text is not None and not text.isdecimal():
        raise UserError(f"--at takes the number of a step, not {text!r}: --at 4")
    return None if text is None else int(text)


def split_words(line: str) -> list[str]:
    """The words of a line; what stands in quotes is one word, without them. A backslash is a character like any."""
    words, found = _TextWords(line), []
    while words.peek():
        found.append(words.take())
    if rest := words.rest():
        raise UserError(f"a quote is not closed: {rest}")
    return found


def describe(options: Iterable[Option] = OPTIONS) -> str:
    """The options as aligned lines of help."""
    options = list(options)
    width = max(len(option.usage) for option in options)
    return "\n".join(f"  {option.usage:<{width}}  {option.help}" for option in options)


class _Words(Protocol):
    """What was typed, taken word by word until the goal begins."""

    def peek(self) -> str:
        """The next word as typed; empty at the end."""

    def take(self) -> str:
        """Take the next word, without its quotes."""

    def goal(self) -> str:
        """Take the goal, where it ends before the words do."""

    def rest(self) -> str:
        """All that is left, verbatim."""


class _TextWords:
    """The words of a magic's line."""

    def __init__(self, text: str) -> None:
        self._left = text.lstrip()

    def peek(self) -> str:
        word = _WORD.match(self._left)
        return word[0] if word else ""

    def take(self) -> str:
        word = self.peek()
        self._left = self._left[len(word) :].lstrip()
        return _QUOTED.sub(lambda quoted: quoted[0][1:-1], word)

    def goal(self) -> str:
        return ""

    def rest(self) -> str:
        return self._left


class _ArgumentWords:
    """The words of a command line, already split by the shell."""

    def __init__(self, words: Sequence[str]) -> None:
        self._left = list(words)

    def peek(self) -> str:
        return self._left[0] if self._left else ""

    def take(self) -> str:
        return self._left.pop(0) if self._left else ""

    def goal(self) -> str:
        quoted = len(self._left) > 1 and len(self._left[0].split()) > 1 and self._left[1].startswith("-")
        return self._left.pop(0) if quoted else ""

    def rest(self) -> str:
        return " ".join(self._left)


def _take_options(words: _Words, by_flag: dict[str, Option], settings: dict[str, Any]) -> str:
    """Take options up to the first other word, or `--`; return the word that ended them."""
    while (word := words.peek()).startswith("-") and word != "-":
        flag, value = _split(words.take(), by_flag)
        if flag == "--":
            return flag
        option = by_flag[flag]
        if option.value:
            if value is None and words.peek() and words.peek() not in by_flag:
                value = words.take()
            if not value:
                quote = " (a quote is not closed)" if words.rest()[:1] in ("'", '"') else ""
                raise UserError(f"{flag} needs a value, like {flag} {option.example}{quote}")
        elif value is not None:
            raise UserError(f"{flag} takes no value")
        settings[option.setting] = value or True
    return words.peek()


def _split(word: str, by_flag: dict[str, Option]) -> tuple[str, str | None]:
    """Take `--flag=value` and `-n5` apart."""
    flag, equals, value = word.partition("=")
    if flag in by_flag or word == "--":
        return flag, value if equals else None
    if not word.startswith("--") and word[:2] in by_flag:
        return word[:2], word[2:]
    if flag in ("-h", "--help"):
        raise UserError("%%agent? shows the options (on a command line: agentloop --help)")
    close = difflib.get_close_matches(flag, by_flag, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the options are {', '.join(by_flag)}."
    raise UserError(f"there is no option {flag}; {hint} (A goal that begins with a dash stands after --)")
