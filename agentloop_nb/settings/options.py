"""The options of a run, as typed: one table for `%%agent` and the command line, and the reader of both."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from agentloop_nb.errors import Hint, UserError
from agentloop_nb.settings.row import Setting
from agentloop_nb.settings.table import TABLE


class Option:
    """One option: the setting it fills, how it is typed, and what it means. A plain class: `%load_ext` makes it."""

    def __init__(
        self,
        setting: str,
        flags: tuple[str, ...],
        help: str,
        value: str = "",
        example: str = "",
        *,
        repeatable: bool = False,
        pattern: str = "",
    ) -> None:
        self.setting = setting
        """The name in `Settings`, and the keyword of `run_agent`."""
        self.flags = flags
        self.help = help
        self.value = value
        """How its value is shown; empty for a switch."""
        self.example = example
        self.repeatable = repeatable
        self.pattern = pattern
        """Of a value that may be left out, what the word after the flag looks like if it is the value."""

    @property
    def usage(self) -> str:
        """`-n, --max-steps N`."""
        return ", ".join(self.flags) + (f" {self.value}" if self.value else "")


def _option(name: str, setting: Setting) -> Option:
    plain = setting.help.replace("`", "")
    return Option(name, setting.flags, plain, setting.value, setting.example, repeatable=setting.repeatable)


RUN_OPTIONS = tuple(_option(name, setting) for name, setting in TABLE.items() if setting.flags)
"""Every option a run takes, in the order help shows it."""

OPTIONS = tuple(option for option in RUN_OPTIONS if not TABLE[option.setting].shell_only)
"""Those of a notebook, where the working folder is the notebook's own."""

ANYWAY = Option("anyway", ("--anyway",), "go on although recorded code shows something else now")
"""For resuming and forking, where variables are rebuilt first."""
AT = Option("at", ("--at",), "fork: the step after which another way begins (the last)", "N", "4")

_QUOTED = r""""[^"]*"|'[^']*'"""
_WORD = rf"""(?:[^\s"']|{_QUOTED})+"""
_ANY_WORD = r"\S+"


def parse_options(source: str | Sequence[str], options: Iterable[Option] = OPTIONS) -> tuple[dict[str, Any], str]:
    """Split what was typed into settings and goal. Values stay text; switches are True.

    `source` is the line of a magic, or the words of a command line. Options come first; from the first other word on
    (or after `--`) everything is goal, verbatim. On a command line, options may also follow a goal given in quotes.
    Raises `UserError`.
    """
    words, by_flag, settings = _words(source), _by_flag(options), dict[str, Any]()
    try:
        if _take_options(words, by_flag, settings) == "--":
            return settings, words.rest()
        goal = words.goal()
        _take_options(words, by_flag, settings)
    except _NoOption as error:
        raise UserError(f"{error} (A goal that begins with a dash stands after --)") from None
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


def parse_words(source: str | Sequence[str], options: Iterable[Option]) -> tuple[dict[str, Any], list[str], str]:
    """Split what follows a command into settings, the other words, in any order, and the note after `--`, if any.

    Raises `UserError`.
    """
    words, by_flag, settings, others = _words(source), _by_flag(options), dict[str, Any](), list[str]()
    while words.peek():
        if _take_options(words, by_flag, settings) == "--":
            break
        if words.unclosed():
            raise UserError(f"a quote is not closed: {words.rest()}")
        if words.peek():
            others.append(words.take())
    return settings, others, words.rest()


def run_and_note(
    first: str, rest: str, after: str, names_run: Callable[[str], bool], *, quoted: bool = False
) -> tuple[str | None, str]:
    """Tell the run that a fork's words name, if any, from its note. Raises `UserError` where there is no note.

    `after` stood after `--`; `quoted` says that `rest` stood in quotes, now gone. A word alone before `--` or before
    quotes names a run, mistyped or not: taken into the note, another run would be forked than the one that was meant.
    """
    quoted = quoted or re.fullmatch(_QUOTED, f"{rest} {after}".strip()) is not None
    named = first and (names_run(first) or quoted or (after.strip() and not rest and not re.search(r"\s", first)))
    note = note_from("" if named else first, rest, after)
    if not note:
        raise UserError("say what to do instead", Hint(f'fork {first or "[RUN]"} [--at N] "NOTE"'))
    return first if named else None, note


def note_from(*parts: str) -> str:
    """Join the words of a note; quotes around all of it are no part of it."""
    return " ".join(filter(None, map(str.strip, parts))).strip("\"'")


def _words(source: str | Sequence[str]) -> _TextWords | _ArgumentWords:
    return _TextWords(source) if isinstance(source, str) else _ArgumentWords(source)


def _by_flag(options: Iterable[Option]) -> dict[str, Option]:
    return {flag: option for option in options for flag in option.flags}


def step_number(text: str | None) -> int | None:
    """Read the N of `--at N`; None where nothing was typed. Raises `UserError`."""
    if text is not None and not text.isdecimal():
        raise UserError(f"--at takes the number of a step, not {text!r}: --at 4")
    return None if text is None else int(text)


def split_words(line: str) -> list[str]:
    """Return the words of a line.

    What stands in quotes is one word, without them. A backslash is a character like any.
    """
    words, found = _TextWords(line), []
    while words.peek():
        if words.unclosed():
            raise UserError(f"a quote is not closed: {words.rest()}")
        found.append(words.take())
    return found


def describe(options: Iterable[Option] = OPTIONS) -> str:
    """Return the options as aligned lines of help."""
    options = list(options)
    width = max(len(option.usage) for option in options)
    return "\n".join(f"  {option.usage:<{width}}  {option.help}" for option in options)


class _NoOption(UserError):
    """Somebody typed an option that is none."""


class _TextWords:
    """The words of a magic's line, taken one by one until the goal begins."""

    def __init__(self, text: str) -> None:
        self._left = text.lstrip()

    def peek(self) -> str:
        """Return the next word as typed; empty at the end."""
        word = re.match(_ANY_WORD if self.unclosed() else _WORD, self._left)
        return word[0] if word else ""

    def unclosed(self) -> bool:
        """Whether the next word has a quote that is not closed."""
        word = re.match(_WORD, self._left)
        return self._left[word.end() if word else 0 :][:1] in ("'", '"')

    def take(self) -> str:
        """Take the next word, without its quotes."""
        word = self.peek()
        self._left = self._left[len(word) :].lstrip()
        return re.sub(_QUOTED, lambda quoted: quoted[0][1:-1], word)

    def goal(self) -> str:
        """Take the goal, where it ends before the words do."""
        return ""

    def rest(self) -> str:
        """All that is left, verbatim."""
        return self._left


class _ArgumentWords:
    """The words of a command line, already split by the shell."""

    def __init__(self, words: Sequence[str]) -> None:
        self._left = list(words)

    def peek(self) -> str:
        return self._left[0] if self._left else ""

    def unclosed(self) -> bool:
        return False  # the shell has seen to that

    def take(self) -> str:
        return self._left.pop(0) if self._left else ""

    def goal(self) -> str:
        quoted = len(self._left) > 1 and len(self._left[0].split()) > 1 and self._left[1].startswith("-")
        return self._left.pop(0) if quoted else ""

    def rest(self) -> str:
        return " ".join(self._left)


def _take_options(words: _TextWords | _ArgumentWords, by_flag: dict[str, Option], settings: dict[str, Any]) -> str:
    """Take options up to the first other word, or `--`; return the word that ended them."""
    while (word := words.peek()).startswith("-") and word != "-":
        unclosed = words.unclosed()
        flag, value = _split(words.take(), by_flag)
        if flag == "--":
            return flag
        option = by_flag[flag]
        if option.value:
            if value is None and option.pattern and not re.fullmatch(option.pattern, words.peek()):
                settings[option.setting] = True
                continue
            if value is None and words.peek() and words.peek() not in by_flag:
                unclosed = words.unclosed()
                value = words.take()
            if unclosed:
                raise UserError(f'{flag} {value}: a quote is not closed; what holds one stands in others: "it\'s"')
            if not value:
                raise UserError(f"{flag} needs a value, like {flag} {option.example}")
        elif value is not None:
            raise UserError(f"{flag} takes no value")
        settings[option.setting] = [*settings.get(option.setting, ()), value] if option.repeatable else value or True
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
    import difflib

    close = difflib.get_close_matches(flag, by_flag, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the options are {', '.join(by_flag)}."
    raise _NoOption(f"there is no option {flag}; {hint}")
