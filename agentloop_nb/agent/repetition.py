"""Decisions that were taken before, with the same result and nothing changed since."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from agentloop_nb.actions import Action, ActionResult, Finish, RunCode, WriteFile
from agentloop_nb.actions.effects import Effects
from agentloop_nb.actions.output_text import text_of
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.agent.rebinding import only_rebinds
from agentloop_nb.safety.provenance import unmarked

MOST = 4
"""The same again this often ends the run."""
_FIXED = frozenset(
    {
        "AttributeError", "ImportError", "IndentationError", "IndexError", "KeyError", "ModuleNotFoundError",
        "NameError", "SyntaxError", "TabError", "TypeError", "UnboundLocalError", "ZeroDivisionError",
    }
)  # fmt: skip
"""Errors that code meets each time, as long as nothing has changed."""
_WAITING = re.compile(r"\b(?:sleep|wait|poll\w*|retry|random|input)\s*\(")
"""Code that waits for something, or that chance has a part in: the same again is what it is for."""
LONGEST_ERROR = 160
"""Characters of an error that are told again; a longer one quotes data, and only its type is told."""
_HASHED = 20_000_000
"""Bytes of a written file that are compared."""


@dataclass
class Seen:
    """A decision that was carried out, and what it brought."""

    step: int
    brought: str
    result: ActionResult
    count: int = 1


@dataclass
class Repetitions:
    """Notices that a decision is the same again. One serves a run, in one process."""

    folder: Path
    _seen: dict[str, Seen] = field(default_factory=dict)
    _streak: int = 0
    """Steps in a row that only repeated."""

    def stuck(self, action: Action) -> str | None:
        """Say why the run ends before this decision is carried out, if it is the fourth of its kind."""
        seen = self._seen.get(_key(action))
        if seen is None or seen.count < MOST - 1 or self._streak < MOST - 2 or _waits(action):
            return None
        return f"stuck: the same {action.name} as in step {seen.step} for the fourth time, and nothing has changed"

    def useless(self, action: Action) -> ActionResult | None:
        """Answer a decision that cannot but fail as it did, without carrying it out."""
        seen = self._seen.get(_key(action))
        if seen is None or not _is_fixed(action, seen.result):
            return None
        seen.count += 1
        self._streak += 1
        error = unmarked(" ".join(str(seen.result.error).split()))
        error = error if len(error) <= LONGEST_ERROR else error.partition(":")[0][:LONGEST_ERROR]
        told = f"This is exactly what failed in step {seen.step}, and was not done again ({error}). Do something else."
        return ActionResult(success=False, output=told, error=told, effects=Effects(repeated=seen.step))

    def note(self, action: Action, result: ActionResult, step: int) -> ActionResult:
        """Take a result in; say on it that it is the same as before."""
        if isinstance(action, Finish) or result.stopped:
            return result
        key, brought = _key(action), self._brought(action, result)
        seen = self._seen.get(key)
        if seen is not None and seen.brought == brought and not _goes_on(action, result):
            seen.count += 1
            self._streak += 1
            return result.with_effects(again=_again(seen, action))
        if _changes(result) or isinstance(action, WriteFile):
            self._seen.clear()
        self._seen[key] = Seen(step, brought, result)
        self._streak = 0
        return result

    def _brought(self, action: Action, result: ActionResult) -> str:
        """Return what a step did as one text to compare: what it showed, how it ended, names, files, their content."""
        files = [(name, self._hash(name)) for name in result.effects.files_written]
        shown = text_of(result.outputs) if isinstance(action, RunCode) else result.output
        changes = sorted((each.name, each.type, each.detail) for each in result.changes)
        deleted = [each.name for each in result.changes if each.how == "deleted"]
        return json.dumps([result.success, result.error, shown, changes, deleted, files], default=str)

    def _hash(self, name: str) -> str:
        try:
            with (self.folder / name).open("rb") as file:
                return hashlib.sha256(file.read(_HASHED)).hexdigest()
        except (OSError, ValueError):
            return ""


def _key(action: Action) -> str:
    return json.dumps([action.name, action.model_dump(mode="json", exclude={"timeout"})], sort_keys=True)


def _goes_on(action: Action, result: ActionResult) -> bool:
    """Whether something was changed that was there, so that another time is another state: `x += 1`."""
    if isinstance(action, OwnAction):
        return "writes" in action.declared.reaches or bool(result.changes)
    return isinstance(action, RunCode) and not only_rebinds(action.code, (each.name for each in result.changes))


def _changes(result: ActionResult) -> bool:
    return bool(result.changes or result.effects.files_written or result.effects.external)


def _waits(action: Action) -> bool:
    return isinstance(action, RunCode) and _WAITING.search(action.code) is not None


def _is_fixed(action: Action, result: ActionResult) -> bool:
    """Whether failed code can only fail again: an error of the code itself, before anything was changed."""
    kind = str(result.error or "").partition(":")[0]
    failed = isinstance(action, RunCode) and not result.success and kind in _FIXED
    return failed and not _changes(result) and not _waits(action)


def _again(seen: Seen, action: Action) -> str:
    what = "result" if seen.result.success else "failure"
    ordinal = _ORDINALS.get(seen.count, f"{seen.count}th")
    more = "" if _waits(action) or seen.count < MOST - 1 else " Once more ends the run."
    instead = "finish with what it shows, or decide" if seen.result.success else "decide"
    again = f"This is the same as step {seen.step}, with the same {what}, for the {ordinal} time."
    return f"{again} Do not do it again: {instead} on something else.{more}"


_ORDINALS = {2: "second", 3: "third"}
