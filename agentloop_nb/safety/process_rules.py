"""Which processes are covered: programs that only read, and commands that stood in the code as they are started."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from agentloop_nb._internal.steering_files import steers
from agentloop_nb.safety.code_risks.command_lines import WRAPPERS, Command, commands
from agentloop_nb.safety.code_risks.shell_commands import carries_out_unread, plain, runs_files, same, written_by
from agentloop_nb.safety.code_risks.shell_evaluation import evaluates_data
from agentloop_nb.safety.code_risks.words import words as words_of
from agentloop_nb.safety.observed_effects import Mandate, Place

_REMOVERS = words_of("rm rmdir unlink shred mv rename gzip bzip2 xz zstd srm trash dd truncate")
"""Programs after which a file that they are given is gone, or emptied."""

_IS_FILE = re.compile(r"\.agentloop/|agentloop(_nb)?/[\w./-]*\.(jsonl|csv|md|txt|ipynb)$")
"""Words that name records and outputs of ours."""

MayGo = Callable[[str], bool]
"""Tells whether a path may be moved or deleted unasked."""


def _starts_agents(words: Sequence[str]) -> bool:
    """Whether our own command line is started: what it runs is judged by nobody here."""
    return any(re.search(r"(?<![\w.-])agentloop(_nb)?(?![\w-])", word) and not _IS_FILE.search(word) for word in words)


def is_covered(line: str, folder: str, mandate: Mandate, place: Place, may_go: MayGo) -> bool:
    """Whether a command line that is started in `folder` (where the process stands if empty) raises no question."""
    found = commands(line)
    exact = line.strip() in mandate.lines or mandate.says(line)
    if not found or (not exact and (carries_out_unread(found) or evaluates_data(line))):
        return False
    folders = _folders(found, folder or os.getcwd())
    judge = _Judge(mandate, place, folders, may_go, exact=exact, astray=any(map(_goes_astray, found)))
    return all(map(judge.covers, found))


def _folders(found: Sequence[Command], start: str) -> list[str]:
    """Return where commands may stand: where they are started, and each folder that a word of theirs names."""
    folders = [start]
    for word in (each for command in found for each in command.words):
        for spelled in {word, word.rpartition("=")[2], word[2:] if word.startswith("-") else word}:
            path = os.path.normpath(os.path.join(start, os.path.expanduser(spelled)))
            if spelled and "\0" not in path and path not in folders and os.path.isdir(path):
                folders.append(path)
    return folders


def _goes_astray(command: Command) -> bool:
    """Whether a command goes to a folder that is not known beforehand."""
    return command.name in ("cd", "pushd") and any("$" in word or "`" in word for word in command.words[1:])


class _Judge:
    """Judges the commands of one command line."""

    def __init__(
        self, mandate: Mandate, place: Place, folders: list[str], may_go: MayGo, *, exact: bool, astray: bool
    ) -> None:
        self._mandate, self._place, self._folders, self._may_go = mandate, place, folders, may_go
        self._exact = exact
        """The whole line stood in the code as it is now."""
        self._goes_astray = astray
        """The line goes to a folder that only comes up while it runs."""

    def covers(self, command: Command) -> bool:
        """Whether one command is harmless, or stood in the code as it is now."""
        words = plain(command.words)
        if _starts_agents(words):
            return self._mandate.says("agentloop")
        if self._is_somewhere_unknown(command) or self._is_in_odd_repository(command):
            return False
        made = [program for program in self._programs(command) if self._place.made(program)]
        if not made and Command(words).read_only:
            return True
        named = [os.path.join(folder, word) for word in Command(words).executed for folder in self._folders]
        runs = made or runs_files(command) or command.name in WRAPPERS
        if runs and self._place.unread(self._mandate, [*named, *made]):
            return False
        written = (*written_by(words), *words[1:])
        if not self._exact and any(steers(word.rpartition("=")[2]) for word in written):
            return False
        return (
            self._exact or self._mandate.says(" ".join(words)) or any(map(self._stood(words), self._mandate.commands))
        )

    def _programs(self, command: Command) -> Iterator[str]:
        """Yield the files that the program of a command may be."""
        program = command.words[0]
        if "/" not in program:
            yield os.path.realpath(shutil.which(program) or "")
        else:
            yield from (os.path.realpath(os.path.join(folder, program)) for folder in self._folders)

    def _stood(self, words: tuple[str, ...]) -> Callable[[Sequence[str]], bool]:
        """Return what tells whether a command of the code is this one, and takes nothing away that only data names."""

        def stood(template: Sequence[str]) -> bool:
            if not same(words, template):
                return False
            filled = [word for word, known in zip(words, plain(template), strict=True) if word != known]
            removes = words[0].rsplit("/", 1)[-1] in _REMOVERS or (words[0] == "git" and bool({"rm", "mv"} & {*words}))
            return not removes or all(map(self._may_leave, filled))

        return stood

    def _may_leave(self, word: str) -> bool:
        spelled = {word} if word.startswith("if=") else {word, word.rpartition("=")[2]}
        paths = [os.path.normpath(os.path.join(folder, each)) for folder in self._folders for each in spelled]
        return all(self._may_go(path) for path in paths if os.path.lexists(path))

    def _is_somewhere_unknown(self, command: Command) -> bool:
        """Whether a program is named from a folder that only comes up while the line runs."""
        program = command.words[0]
        return self._goes_astray and "/" in program and not Path(program).is_absolute()

    def _is_in_odd_repository(self, command: Command) -> bool:
        """Whether git would obey the configuration of a repository that the run made, or that is none by its name."""
        return command.name == "git" and (self._goes_astray or any(map(self._is_odd, self._folders)))

    def _is_odd(self, folder: str) -> bool:
        for above in (Path(folder), *Path(folder).parents):
            inner = above / ".git"
            if any(self._place.made(str(above / name)) for name in ("HEAD", "config", "commondir")):
                return True
            if os.path.lexists(inner):
                return any(self._place.made(str(each)) for each in (inner, inner / "config", inner / "HEAD"))
            if (above / "HEAD").is_file() and (above / "config").is_file():
                return above.name != ".git"
        return False
