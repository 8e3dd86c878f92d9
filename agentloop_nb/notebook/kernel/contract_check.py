"""Evaluating an expression of a contract in the kernel: bounded like a step, and put back afterwards."""

from __future__ import annotations

import ast
import base64
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import BuiltinFunctionType, CoroutineType, FunctionType, MethodType, ModuleType
from typing import Any

from agentloop_nb.notebook.kernel import preview, value_facts
from agentloop_nb.notebook.kernel.plain_text import cut
from agentloop_nb.notebook.kernel.unattended import unattended
from agentloop_nb.notebook.snapshots.undo_history import History
from agentloop_nb.protocols import Check, CodeOutcome

PROBE = "_agentloop_contract"
"""The name that the evaluated code knows the probe by, as long as it runs."""
MAX_VALUE = 240
"""Characters told of one value."""
MAX_PARTS = 24
MOST_FILES = 2_000
"""Files of the folder that are remembered; with more, none is taken for new."""
_NO_DATA = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, CoroutineType, type)
_COMPREHENSION = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_MISSING = object()


class Probe:
    """Takes the values of an expression and of its parts while it is evaluated."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        wrapper = _Wrapper()
        body = wrapper.visit(ast.parse(expression, mode="eval").body)
        self.sources = wrapper.sources
        self.code = f"with {PROBE}.unattended():\n    {PROBE}.end({ast.unparse(body)})"
        """What evaluates the expression and hands its parts in."""
        self._seen: dict[int, Any] = {}
        self._yielded: Any = _MISSING
        self._told = ""
        self._parts: tuple[tuple[str, str], ...] = ()

    def __call__(self, place: int, value: Any) -> Any:
        """Take the value of a part."""
        self._seen[place] = value
        return value

    @staticmethod
    def unattended() -> AbstractContextManager[None]:
        """Return what keeps the expression from waiting for a person."""
        return unattended()

    def end(self, value: Any) -> None:
        """Take the value of the whole; what is told of values is told now, within the bounds of the step."""
        self._yielded, self._told = value, _kind(value)
        self._parts = tuple(self._tell_parts()) if self._holds is not True else ()
        self._seen.clear()

    def _tell_parts(self) -> Iterator[tuple[str, str]]:
        told = set()
        for place in sorted(self._seen)[:MAX_PARTS]:
            source, value = self.sources[place], self._seen[place]
            if source not in told and not isinstance(value, _NO_DATA):
                told.add(source)
                yield source, _text(value)

    @property
    def _holds(self) -> bool | None:
        """Whether it yielded True; None for what is no bool."""
        kind = type(self._yielded)
        if kind is bool or (kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_")):
            return bool(self._yielded)
        return None

    def outcome(self, outcome: CodeOutcome, timeout: float, left: tuple[str, ...]) -> Check:
        """Return what came of it, in the light of how its code ended."""
        ending = outcome.ending
        if ending in ("timeout", "stopped"):
            return Check(expression=self.expression, outcome=ending, value=f"{timeout:g} s", left=left)
        if outcome.error is not None or self._yielded is _MISSING:
            told = f"{outcome.error.type}: {outcome.error.message}" if outcome.error else "nothing"
            return Check(expression=self.expression, outcome="error", value=cut(told, MAX_VALUE), left=left)
        kind = {True: "held", False: "false", None: "no_bool"}[self._holds]
        value = str(bool(self._holds)) if self._holds is not None else self._told
        fields = {"expression": self.expression, "outcome": kind, "value": value, "parts": self._parts, "left": left}
        return Check.model_validate(fields)


class _Wrapper(ast.NodeTransformer):
    """Wraps the parts of an expression whose values say why it is what it is; outer parts have the lower places."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self._whole = True

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.expr):
            return self.generic_visit(node)
        whole, self._whole = self._whole, False
        place = None if whole or not _tells(node) else self._place(node)
        inner = self._inside(node)
        if place is None:
            return inner
        call = ast.Call(func=ast.Name(PROBE, ast.Load()), args=[ast.Constant(place), inner], keywords=[])
        return ast.copy_location(call, node)

    def _place(self, node: ast.expr) -> int:
        self.sources.append(ast.unparse(node))
        return len(self.sources) - 1

    def _inside(self, node: ast.expr) -> ast.expr:
        """Wrap what lies inside; of what is called, only the value that its method is of."""
        if isinstance(node, ast.Lambda | ast.JoinedStr):
            pass  # evaluated in a scope of its own, or not to be taken apart
        elif isinstance(node, _COMPREHENSION):
            node.generators[0].iter = self.visit(node.generators[0].iter)
        elif isinstance(node, ast.NamedExpr):
            node.value = self.visit(node.value)
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                node.func.value = self.visit(node.func.value)
            elif not isinstance(node.func, ast.Name):
                node.func = self.visit(node.func)
            node.args = [self.visit(each) for each in node.args]
            node.keywords = [self.visit(each) for each in node.keywords]
        else:
            self.generic_visit(node)
        return node


def _tells(node: ast.expr) -> bool:
    """Whether the value of a part says more than its source."""
    if isinstance(node, ast.Lambda | ast.GeneratorExp | ast.NamedExpr):
        return False
    if isinstance(node, ast.Constant | ast.Starred | ast.Slice | ast.Tuple | ast.List | ast.Set | ast.Dict):
        return False
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
        return False
    return isinstance(getattr(node, "ctx", None), ast.Load | None)


def _text(value: Any) -> str:
    """Return a value in a few words; nothing of the user's is called for that but representations made for models."""
    told = preview.text(value)
    if told.startswith("\n") or not told:
        return _kind(value)
    return cut(" ".join(told.removeprefix(" = ").split()), MAX_VALUE)


def _kind(value: Any) -> str:
    """Type and size of a value: `DataFrame 3 x 2`."""
    return cut(f"{value_facts.type_name(value)} {value_facts.detail(value)}".strip(), MAX_VALUE)


class Aftermath:
    """Puts back what evaluating an expression did: names and values, settings and random states, files, figures."""

    def __init__(self, namespace: dict[str, Any], folder: Path, history: History) -> None:
        self._namespace = namespace
        self._folder = folder
        self._history = history
        self._figures = set(_figures())
        self._files = _files(folder)

    def put_back(self, outcome: CodeOutcome) -> tuple[str, ...]:
        """Put back all that can be, and name what cannot."""
        undone = self._history.undo(0, self._namespace)
        left = [name for name in undone.lost if not name.startswith("_")]
        left += [name for name in {*outcome.files, *outcome.replaced} if not self._restored(name, outcome)]
        for number in set(_figures()) - self._figures:
            sys.modules["matplotlib.pyplot"].close(number)
        return (*sorted(left), *outcome.beyond)

    def _restored(self, name: str, outcome: CodeOutcome) -> bool:
        """Put a file back as it was; one that was there, and of which nothing was kept, is never deleted."""
        before = outcome.replaced.get(name)
        with suppress(OSError, ValueError):
            if before is None and (name in self._files or len(self._files) >= MOST_FILES):
                return self._files.get(name) == _stamp(self._folder / name)
            if before is None:
                (self._folder / name).unlink(missing_ok=True)
            elif "base64" in before:
                (self._folder / name).write_bytes(base64.b64decode(before["base64"]))
            else:
                (self._folder / name).write_bytes(before["text"].encode())
            return True
        return False


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the files below a folder, relative to it, each with its size and when it was changed last."""
    found: dict[str, tuple[int, int]] = {}
    for base, _, names in os.walk(folder):
        for name in names:
            if len(found) >= MOST_FILES:
                return found
            with suppress(OSError):
                path = Path(base, name)
                found[path.relative_to(folder).as_posix()] = _stamp(path)
    return found


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _figures() -> list[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return list(pyplot.get_fignums()) if pyplot is not None else []
