"""Servers named in `.mcp.json`, `.vscode/mcp.json` or another file. Reading starts nothing."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from agentloop_nb._internal.text import on_one_line
from agentloop_nb.errors import UserError

USUAL = (".mcp.json", ".vscode/mcp.json")
"""Files of a folder that are looked at."""
LARGEST = 1_000_000
"""Bytes of a file that is read."""
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_ -]{0,39}")
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_FOLDERS = ("workspaceFolder", "workspaceRoot")
_LONGEST = 2_000
"""Characters of a command or an address: what is not shown whole is not allowed."""
_COMMENT = re.compile(r"(?m)^[^\S\n]*//.*$")


class Server(NamedTuple):
    """One server of a file, as it stands there."""

    name: str
    file: Path
    spec: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """The project's folder: where the file is, or above `.vscode`."""
        return self.file.parent.parent if self.file.parent.name == ".vscode" else self.file.parent

    @property
    def how(self) -> str:
        """How it is reached, on one line: its command, or its address."""
        if url := self.spec.get("url"):
            return on_one_line(str(url))
        return on_one_line(" ".join(map(str, [self.spec.get("command", ""), *self.spec.get("args", ())])))

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the variables and headers that the file gives it."""
        return tuple(on_one_line(str(name))[:60] for key in ("env", "headers") for name in self.spec.get(key) or {})

    @property
    def takes(self) -> tuple[str, ...]:
        """Names of the variables of your environment that the file fills in anywhere: header, argument, address."""
        texts = [each for value in self.spec.values() for each in _texts(value)]
        names = (
            match[1].removeprefix("env:").partition(":-")[0] for text in texts for match in _VARIABLE.finditer(text)
        )
        return tuple(dict.fromkeys(on_one_line(name)[:60] for name in names if name not in _FOLDERS))

    @property
    def variables(self) -> dict[str, str]:
        """The variables and headers that the file gives it, as far as they can be filled in."""
        found = {}
        for key in ("env", "headers"):
            for name, value in (self.spec.get(key) or {}).items():
                with suppress(UserError):
                    found[str(name)] = self.expanded(value)
        return found

    def expanded(self, text: Any) -> str:
        """Fill in `${VAR}`, `${VAR:-default}`, `${env:VAR}` and `${workspaceFolder}`. Raises `UserError`."""

        def one(match: re.Match[str]) -> str:
            name, mark, default = match[1].removeprefix("env:").partition(":-")
            if name in _FOLDERS:
                return str(self.folder)
            found = os.environ.get(name) or (default if mark else None)
            if found is None:
                raise UserError(f"the server {self.name} needs {name[:60]}, which is not set in the environment")
            return found

        return _VARIABLE.sub(one, str(text))


def servers(folder: Path, named: Sequence[str] = ()) -> list[Server]:
    """Return the servers that are named, by name or by file; without names those of the folder's usual files.

    Raises `UserError`.
    """
    if not named:
        return _usual(folder)
    found: list[Server] = []
    for each in named:
        found += read(folder / Path(each).expanduser()) if _is_file(each) else [_by_name(each, _usual(folder), folder)]
    return list({server.name: server for server in reversed(found)}.values())[::-1]


def given(folder: Path) -> dict[str, str]:
    """All that the usual files of a folder give to servers, by name; what cannot be read gives nothing."""
    found: dict[str, str] = {}
    with suppress(UserError):
        for server in _usual(folder):
            found |= server.variables
    return found


def _usual(folder: Path) -> list[Server]:
    """Return the servers of the usual files; of two with the same name the first."""
    found: dict[str, Server] = {}
    for name in USUAL:
        if (folder / name).is_file():
            for server in read(folder / name):
                found.setdefault(server.name, server)
    return list(found.values())


def _is_file(word: str) -> bool:
    return "/" in word or os.sep in word or word.endswith(".json")


def _by_name(name: str, known: Iterable[Server], folder: Path) -> Server:
    there = {server.name: server for server in known}
    if name in there:
        return there[name]
    close = difflib.get_close_matches(name, there, n=1)
    if close:
        raise UserError(f"there is no server {name!r}; did you mean {close[0]}?")
    if there:
        raise UserError(f"there is no server {name!r}; there are {', '.join(there)}")
    raise UserError(f"there is no server {name!r}: {folder} has no {' or '.join(USUAL)}; name a file: --mcp FILE")


def read(file: Path) -> list[Server]:
    """Read the servers of a file: `mcpServers` (Claude Code, Cursor) or `servers` (VS Code). Raises `UserError`."""
    file = file.absolute()
    data = _json(file)
    listed = data.get("mcpServers", data.get("servers")) if isinstance(data, dict) else None
    if not isinstance(listed, dict):
        raise UserError(f'{file} names no servers; it holds {{"mcpServers": {{"NAME": {{"command": ...}}}}}}')
    return [_server(file, name, spec) for name, spec in listed.items()]


def _json(file: Path) -> Any:
    try:
        if not file.is_file():
            raise UserError(f"there is no file {file}; name another: --mcp FILE")
        if file.stat().st_size > LARGEST:
            raise UserError(f"{file} is too large for a list of servers ({file.stat().st_size:,} bytes)")
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    try:
        return json.loads(_COMMENT.sub("", text))
    except json.JSONDecodeError as error:
        raise UserError(f"{file} is no JSON (line {error.lineno}: {error.msg}); mend it, or leave it out") from None
    except (ValueError, RecursionError):
        raise UserError(f"{file} is no JSON that can be read; mend it, or leave it out") from None


def _server(file: Path, name: str, spec: Any) -> Server:
    """Check one server. Raises `UserError`."""
    said = on_one_line(name)[:40]
    if not _NAME.fullmatch(name):
        raise UserError(f"{file}: {said!r} is no name of a server; letters, digits, - and _ make one")
    if not isinstance(spec, dict) or not (spec.get("command") or spec.get("url")):
        raise UserError(f'{file}: the server {said} has no "command" and no "url"; give it one')
    texts = [spec.get("command", ""), spec.get("url", ""), spec.get("cwd", "")]
    lists, tables = spec.get("args", []), [spec.get("env") or {}, spec.get("headers") or {}]
    plain = isinstance(lists, list) and all(isinstance(each, dict) for each in tables)
    if not plain or not all(isinstance(each, str) for each in texts):
        raise UserError(f'{file}: the server {said} is not well-formed: "args" is a list, "env" an object, others text')
    if len((server := Server(name, file, spec)).how) > _LONGEST:
        raise UserError(f"{file}: the command of the server {said} is longer than {_LONGEST:,} characters; shorten it")
    return server


def _texts(value: Any) -> list[str]:
    """All texts of a part of a server."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else [str(value)]
