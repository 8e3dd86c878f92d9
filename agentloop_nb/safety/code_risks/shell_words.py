"""Taking command lines apart as a shell does: quotes, escapes, comments, operators, redirections, substitutions."""

from __future__ import annotations

import re
from typing import NamedTuple

_REDIRECTION = re.compile(r"&>>?|>>|>\||>&|<<<|<<-?|<>|<&|>|<")
_OUTPUT = {"&>": ">", "&>>": ">>", ">|": ">", ">&": ">", "<>": ">"}
"""Operators that write a file, as the plain one that does so."""
_QUOTED = re.compile(r"[^\"\\$`]+|\\.|\\\Z", re.DOTALL)
_ARITHMETIC = re.compile(r"\([\w\s+*/%<>=!?:,.$-]*\)")
_ANSI = re.compile(r"\$'(?:\\.|[^'\\])*'?", re.DOTALL)
_PLAIN = re.compile(r"[^\s\\'\"`$#;&|<>()]+")


class Script(NamedTuple):
    """A command line, taken apart."""

    parts: list[list[str]]
    """The words of each simple command; a redirection is a word of its own, `>` and `>>` for all that write."""
    inner: list[str]
    """Command lines that substitutions hold."""


def take_apart(line: str) -> Script:
    """Take a command line, or a script, apart; what shells read differently stands as a command. Never raises."""
    reader = _Reader(line)
    reader.read()
    return Script([part for part in (*reader.odd, *reader.parts) if part], reader.inner)


class _Reader:
    """Reads a command line in one pass."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._word: list[str] | None = None
        self.odd: list[list[str]] = []
        self.parts: list[list[str]] = [[]]
        self.inner: list[str] = []

    def read(self) -> None:
        while self._at < len(self._text):
            letter = self._text[self._at]
            if (plain := _PLAIN.match(self._text, self._at)) is not None:
                self._add(plain[0])
            elif letter in _READERS and (self._word is None or letter != "#"):
                _READERS[letter](self)
            elif letter.isspace():
                self._end_word()
                self._at += 1
            else:
                self._add(letter)
        self._end_word()

    def _add(self, text: str, length: int | None = None) -> None:
        """Add to the word what the next `length` characters say."""
        self._word = self._word or []
        self._word.append(text)
        self._at += len(text) if length is None else length

    def _end_word(self) -> None:
        if self._word is not None:
            self.parts[-1].append("".join(self._word))
        self._word = None

    def end_part(self) -> None:
        self._end_word()
        self.parts.append([])
        self._at += 1

    def comment(self) -> None:
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end

    def escape(self) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        if following == "\n":
            self._at += 2
        else:
            self._add(following, 2)

    def single(self) -> None:
        end = self._text.find("'", self._at + 1)
        end = len(self._text) if end < 0 else end
        self._add(self._text[self._at + 1 : end], end + 1 - self._at)

    def double(self) -> None:
        self._add("", 1)
        while self._at < len(self._text) and self._text[self._at] != '"':
            if (match := _QUOTED.match(self._text, self._at)) is not None:
                said = match[0][1:] if match[0][:1] == "\\" and match[0][1:2] in '"\\$`\n' else match[0]
                self._add(said.removeprefix("\n") if match[0] == "\\\n" else said, len(match[0]))
            elif self._text[self._at] == "`":
                self.backticks()
            else:
                self.dollar(quoted=True)
        self._add("", 1)

    def backticks(self) -> None:
        match = re.compile(r"`((?:\\.|[^`\\])*)`?", re.DOTALL).match(self._text, self._at)
        if match is not None:
            self.inner.append(re.sub(r"\\([`$\\])", r"\1", match[1]))
            self._add(match[0])

    def dollar(self, *, quoted: bool = False) -> None:
        if self._text.startswith("$(", self._at):
            self._substitution(2)
        else:
            if not (quoted or self.odd) and (match := _ANSI.match(self._text, self._at)) and "\\" in match[0]:
                self.odd.append([match[0]])  # bash ends it elsewhere than sh does; one is enough to ask
            self._add("$", 1)

    def _substitution(self, length: int) -> None:
        end = _closing(self._text, self._at + length)
        content = self._text[self._at + length : end]
        if not _ARITHMETIC.fullmatch(content):
            self.inner.append(content)
        self._add(self._text[self._at : end + 1])

    def redirect_or_end(self) -> None:
        match = _REDIRECTION.match(self._text, self._at)
        if match is None:
            self.end_part()
        elif self._text.startswith(("<(", ">("), self._at):
            self._substitution(2)
        else:
            self._redirect(match[0])

    def _redirect(self, operator: str) -> None:
        descriptor = "".join(self._word or ())
        if descriptor.isdecimal():
            self._word = None
        else:
            self._end_word()
        self._at += len(operator)
        copied = re.compile(r"\d+|-").match(self._text, self._at) if operator.endswith("&") else None
        if copied is not None:
            self._at = copied.end()
            self.parts[-1].append(f"{operator}{copied[0]}")
        else:
            self.parts[-1].append(_OUTPUT.get(operator, operator))


_READERS = {
    "\\": _Reader.escape,
    "'": _Reader.single,
    '"': _Reader.double,
    "`": _Reader.backticks,
    "$": _Reader.dollar,
    "#": _Reader.comment,
    "<": _Reader.redirect_or_end,
    ">": _Reader.redirect_or_end,
    "&": _Reader.redirect_or_end,
    **dict.fromkeys(";|\n()", _Reader.end_part),
}


def _closing(text: str, start: int) -> int:
    """Return where the parenthesis that is open at `start` ends; the end of the text if nowhere."""
    depth, position = 1, start
    for match in re.compile(r"\\.|'[^']*'|[()]", re.DOTALL).finditer(text, start):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if not depth:
            return match.start()
        position = match.end()
    return max(position, len(text))
