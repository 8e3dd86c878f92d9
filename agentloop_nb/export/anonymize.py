"""What must not leave with a run: secrets, absolute paths, the name of the user."""

from __future__ import annotations

import ast
import getpass
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentloop_nb._internal.ipython_syntax import parsed
from agentloop_nb._internal.paths import from_home

_HOMES = re.compile(r"(?:/home|/Users)/[^/\s:'\"<>|]+|[A-Za-z]:\\+Users\\+[^\\\s:'\"<>|]+")
_COMMON = {"root", "user", "admin", "ubuntu", "jovyan", "runner", "docker", "test", "guest", "nobody", "python", "data"}


class Anonymizer:
    """Makes texts fit to leave: paths of the working folder become relative, the home folder `~`."""

    def __init__(self, folder: Path | None, mask: Callable[[str], str] | None = None) -> None:
        self._mask = mask or (lambda text: text)
        self._folders = _rules(_folders(folder))
        self._places = _rules({**_machine(), **_folders(folder)})
        self._user = _user()

    def code(self, text: str) -> str:
        """Scrub source. The user's name stays where the code has a variable of that name."""
        text = self._mask(_replace(text, self._folders))
        return text if not self._user or _names_variable(text, self._user) else self._user.sub("user", text)

    def text(self, text: str) -> str:
        """Scrub prose or the output of code."""
        text = self._mask(_replace(text, self._places))
        return self._user.sub("user", text) if self._user else text

    def value(self, value: Any, how: Callable[[str], str] | None = None) -> Any:
        """Scrub every string of a JSON value, as text or with another of the methods above."""
        how = how or self.text
        if isinstance(value, str):
            return how(value)
        if isinstance(value, list | tuple):
            return [self.value(item, how) for item in value]
        if isinstance(value, dict):
            return {key: self.value(item, how) for key, item in value.items()}
        return value


def _replace(text: str, rules: list[tuple[re.Pattern[str], str]]) -> str:
    for pattern, replacement in rules:
        text = pattern.sub(replacement, text)
    return _HOMES.sub("~", text)


def _folders(folder: Path | None) -> dict[str, str]:
    places = {from_home("~"): "~"}
    return places if folder is None else {**places, str(folder.absolute()): "", str(folder.resolve()): ""}


def _machine() -> dict[str, str]:
    """Where Python and its temporary files lie; named in outputs (warnings, tracebacks), rarely in code."""
    return {sys.prefix: "<python>", sys.base_prefix: "<python>", tempfile.gettempdir(): "<tmp>"}


def _rules(places: dict[str, str]) -> list[tuple[re.Pattern[str], str]]:
    """Longest first, so that a folder inside the home folder is found before it."""
    rules = []
    for place, name in sorted(places.items(), key=lambda item: -len(item[0])):
        if len(place) < 4:
            continue
        path = re.escape(place)
        if name:
            rules.append((re.compile(path + r"(?![\w.-])"), name))
        else:
            rules += [(re.compile(path + r"[/\\]+(?=[^\s'\"])"), ""), (re.compile(path + r"(?![\w.-])"), ".")]
    return rules


def _names_variable(source: str, user: re.Pattern[str]) -> bool:
    if not user.search(source):
        return False
    tree = parsed(source)
    nodes = ast.walk(tree) if tree else ()
    names = {getattr(node, field, None) for node in nodes for field in ("id", "attr", "arg", "name")}
    return any(isinstance(name, str) and user.fullmatch(name) for name in names)


def _user() -> re.Pattern[str] | None:
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        return None
    if len(name) < 4 or name.lower() in _COMMON:
        return None
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
