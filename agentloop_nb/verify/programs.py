"""Judge a program that a cell starts where the system cannot seal it off: by its words alone.

Harmless is a known plain tool, or a Python that is watched too, whose words name nothing outside. Whatever else is
started may have looked around, and nobody saw it.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import PurePath

_TOOLS = {
    *("echo", "printf", "true", "false", "pwd", "ls", "cat", "head", "tail", "wc", "sort", "uniq", "cut", "tr", "seq"),
    *("grep", "mkdir", "rmdir", "touch", "cp", "mv", "rm", "cd", "date", "sleep", "basename", "dirname", "tee", "diff"),
    *("md5sum", "sha256sum", "nl", "rev", "paste", "test", "[", "exit", "set"),
}
_OF_LIBRARIES = {"uname", "ldconfig", "gcc", "cc", "ld", "fc-list", "kpsewhich", "objdump"}
"""What packages start to find their fonts and libraries."""
_SHELLS = {"sh", "bash", "dash", "zsh"}
_PYTHON = re.compile(r"(?:python|pypy)[\d.]*(?:\.exe)?")
_UNREADABLE = re.compile(r"[$`~\\(){}#]|<<")
_SCRIPT = re.compile(r"%%(?:bash|sh|script\s+(?:ba)?sh)\s*\n")


def is_harmless(words: Sequence[str], folder: str, own: Sequence[str], *, hooked: bool, source: str) -> bool:
    """Whether a program cannot have read outside of `own`. `source` is the cell that started it."""
    if not words:
        return False
    name, rest = PurePath(words[0]).name, list(words[1:])
    if name in _SHELLS:
        if rest[:1] == ["-c"] and len(rest) == 2:
            return _is_harmless_script(rest[1], folder, own, hooked=hooked)
        script = _SCRIPT.match(source)
        return (
            not rest and script is not None and _is_harmless_script(source[script.end() :], folder, own, hooked=hooked)
        )
    if _PYTHON.fullmatch(name):
        flags = [word for word in rest if re.fullmatch(r"-\w+", word)]
        return hooked and not any(letter in flag for flag in flags[:1] for letter in "IES")
    if name in _OF_LIBRARIES:
        return True
    return name in _TOOLS and all(_is_inside(word, folder, own) for word in rest)


def _is_harmless_script(script: str, folder: str, own: Sequence[str], *, hooked: bool) -> bool:
    if _UNREADABLE.search(script):
        return False
    for line in script.splitlines():
        try:
            lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&<>")
            lexer.whitespace_split = True
            words = [word for word in lexer if not re.fullmatch("[<>]+&?", word)]
        except ValueError:
            return False
        for command in _split(words):
            if not is_harmless(command, folder, own, hooked=hooked, source=""):
                return False
    return True


def _split(words: Sequence[str]) -> list[list[str]]:
    commands: list[list[str]] = [[]]
    for word in words:
        if re.fullmatch("[;|&]+", word):
            commands.append([])
        else:
            commands[-1].append(word)
    return [command for command in commands if command]


def _is_inside(word: str, folder: str, own: Sequence[str]) -> bool:
    value = word.partition("=")[2] or word if word.startswith("-") else word
    if value.startswith("-") and "/" in value:
        return False
    place = os.path.realpath(os.path.join(folder, value))  # noqa: PTH118 - never raises
    return place == os.devnull or any(PurePath(place).is_relative_to(each) for each in own)
