"""One task of a suite: a goal, the files it gets, and the checks that tell a right answer. Read from a TOML file."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from agentloop_nb._internal.safe_files import fingerprint, safe_name
from agentloop_nb.agent.contract import refuse_unsound
from agentloop_nb.errors import ActionFailed, UserError
from agentloop_nb.evals.expressions import unsound
from agentloop_nb.isolated.resource_limits import parse_limits
from agentloop_nb.settings.table import TABLE

OPTIONS = ("max_steps", "timeout", "max_retries", "until", "budget", "limits", "images")
"""Settings of a run that a task may set; all others are the person's."""
KEYS = (
    *("goal", "area", "files", "inline", "expected", "options", "checks", "guards", "probe", "needs"),
    "reference",
)
"""What a task's file may hold."""


class Criterion(NamedTuple):
    """One expression that has to be True in the end. A guard may hold before anything is done, too."""

    expression: str
    guard: bool = False


class Reference(NamedTuple):
    """A solution that is known to be right: code to run, step by step, and the answer."""

    code: tuple[str, ...]
    says: str
    met: bool = True


@dataclass(frozen=True)
class Task:
    """One task. Two tasks with the same digest ask the same."""

    name: str
    goal: str
    criteria: tuple[Criterion, ...]
    area: str = ""
    files: Mapping[str, Path] = field(default_factory=dict)
    """What the run finds in its folder: name -> the file that is copied."""
    inline: Mapping[str, str] = field(default_factory=dict)
    """Further files, by their text."""
    expected: Mapping[str, Path] = field(default_factory=dict)
    """Files that only the checks may read."""
    options: Mapping[str, Any] = field(default_factory=dict)
    probe: str = ""
    """Code that runs in the run's own process after it ended; the checks see what it binds."""
    needs: tuple[str, ...] = ()
    """Modules without which the task cannot be done."""
    reference: Reference | None = None

    @property
    def digest(self) -> str:
        """What the task asks, as a SHA-256."""
        asked = {
            "goal": self.goal,
            "criteria": self.criteria,
            "options": {name: str(value) for name, value in self.options.items()},
            "files": {name: fingerprint(path) for name, path in {**self.files, **self.expected}.items()},
            "inline": dict(self.inline),
            "probe": self.probe,
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def furnish(self, folder: Path) -> None:
        """Put the task's files into a new folder."""
        folder.mkdir(parents=True)
        given = {name: path.read_bytes() for name, path in self.files.items()}
        for name, content in (given | {name: text.encode() for name, text in self.inline.items()}).items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def read_task(path: Path) -> Task:
    """Read a task from its TOML file. Raises `UserError`, one line that names the file and what to change."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is no TOML that can be read: {error}") from None
    return _Reader(path, data).task()


class _Reader:
    """Takes the fields of one task out of its TOML. Each method raises `UserError`."""

    def __init__(self, path: Path, data: dict[str, Any]) -> None:
        self._path, self._data = path, data

    def task(self) -> Task:
        if unknown := self._data.keys() - set(KEYS):
            raise self._wrong(f"it has no place for {', '.join(sorted(unknown))}; a task holds {', '.join(KEYS)}")
        goal = self._text("goal").strip()
        if not goal:
            raise self._wrong('it has no goal; write goal = "What is to be done"')
        return Task(
            name=self._path.stem,
            goal=goal,
            criteria=self._criteria(),
            area=self._text("area"),
            files=self._files("files"),
            inline=self._inline(),
            expected=self._files("expected"),
            options=self._options(),
            probe=self._text("probe"),
            needs=self._texts("needs"),
            reference=self._reference(),
        )

    def _wrong(self, what: str) -> UserError:
        return UserError(f"{self._path}: {what}")

    def _text(self, key: str) -> str:
        value = self._data.get(key, "")
        if not isinstance(value, str):
            raise self._wrong(f'{key} must be a text: {key} = "..."')
        return value

    def _texts(self, key: str) -> tuple[str, ...]:
        values = self._data.get(key, [])
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            raise self._wrong(f'{key} must be a list of texts: {key} = ["..."]')
        return tuple(values)

    def _table(self, key: str) -> dict[str, Any]:
        value = self._data.get(key, {})
        if not isinstance(value, dict):
            raise self._wrong(f"{key} must be a table: [{key}]")
        return value

    def _criteria(self) -> tuple[Criterion, ...]:
        found = [Criterion(each) for each in self._texts("checks")]
        found += [Criterion(each, guard=True) for each in self._texts("guards")]
        for each in found:
            if why := unsound(each.expression):
                raise self._wrong(f"the check {each.expression!r} {why}")
        if all(each.guard for each in found):
            raise self._wrong(
                'it has no checks; write checks = ["total == 42"], which are False before the work is done'
            )
        return tuple(found)

    def _files(self, key: str) -> dict[str, Path]:
        """Return the files that a key names, without the folders that they have in the suite."""
        found: dict[str, Path] = {}
        for typed in self._texts(key):
            path = self._inside(typed)
            if found.setdefault(path.name, path) != path:
                raise self._wrong(f"two files would be called {path.name}; rename one")
        return found

    def _inside(self, typed: str) -> Path:
        """Return the file of the suite that is meant."""
        root = self._path.parent.resolve()
        found = (root / typed).resolve()
        if not found.is_relative_to(root):
            raise self._wrong(f"{typed!r} lies outside of the suite; copy it into {root}")
        if not found.is_file():
            raise self._wrong(f"there is no file {typed!r} in the suite")
        return found

    def _inline(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, text in self._table("inline").items():
            if not isinstance(text, str):
                raise self._wrong(f"inline files are texts: {name!r} = '''...'''")
            if name in self._files("files"):
                raise self._wrong(f"{name} is listed under files, and stands under inline, too; leave one out")
            try:
                found[safe_name(name)] = text
            except ActionFailed as error:
                raise self._wrong(f"an inline file has a name that cannot be: {error}") from None
        return found

    def _options(self) -> dict[str, Any]:
        options = self._table("options")
        if refused := sorted(options.keys() - set(OPTIONS)):
            raise self._wrong(f"a task may not set {', '.join(refused)}; it may set {', '.join(OPTIONS)}")
        found = {name: self._converted(name, value) for name, value in options.items()}
        try:
            parse_limits(found.get("limits", ""))
            refuse_unsound(found.get("until", ()))
        except UserError as error:
            raise self._wrong(str(error)) from None
        return found

    def _converted(self, name: str, value: Any) -> Any:
        kind = TABLE[name].kind
        try:
            return kind.convert(value)
        except (ValueError, TypeError, ArithmeticError):
            raise self._wrong(f"{name} must be {kind.expected}, not {value!r}") from None

    def _reference(self) -> Reference | None:
        table = self._table("reference")
        if not table:
            return None
        code, says, met = table.get("code", ""), table.get("says", "Done."), table.get("met", True)
        steps = code if isinstance(code, list) else [code]
        sound = all(isinstance(each, str) for each in [*steps, says]) and isinstance(met, bool)
        if not sound or table.keys() - {"code", "says", "met"}:
            raise self._wrong(
                'a reference holds code (a text, or a list of them), says = "..." and met = true or false'
            )
        return Reference(tuple(filter(str.strip, steps)), says, met)
