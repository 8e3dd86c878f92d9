"""Input files that an export leaves out because they are secret, and what stands for the code that reads them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from agentloop_nb._internal.ipython_syntax import parsed, to_python
from agentloop_nb.actions import RunCode
from agentloop_nb.export.inputs import inputs
from agentloop_nb.export.selection import Story
from agentloop_nb.export.slicing import Piece
from agentloop_nb.safety.redaction import Masker
from agentloop_nb.safety.secret_files import BY_ITS_NAME, MAX_READ, looks_secret, values_in, why_secret
from agentloop_nb.step import Step

_DOTENV = frozenset({"load_dotenv", "dotenv_values", "find_dotenv", "dotenv"})
"""Functions that read a `.env` without its name."""


class Hiding:
    """Masks a text with what was known before, and with what secret files hold."""

    def __init__(self, mask: Callable[[str], str]) -> None:
        self._mask = mask
        self._learned = Masker(())

    def learn(self, values: Iterable[str]) -> None:
        """Mask these values too."""
        self._learned.learn(values)

    def __call__(self, text: str) -> str:
        return self._learned.mask(self._mask(text))

    def hides(self, text: str) -> bool:
        """Whether a text holds a secret."""
        return self(text) != text


def left_out(story: Story, folder: Path | None, hiding: Hiding) -> dict[str, str]:
    """Input files that are secret, path -> why. `hiding` learns what they hold."""
    found = {file.path: _read(file.path, folder) for file in inputs(story.code, folder) if file.sha256 is not None}
    for path, content in found.items():
        hiding.learn(values_in(path, content))
    named = {piece for each in story.code for piece in each.reads if looks_secret(piece)}
    gone = {path: BY_ITS_NAME for path in sorted(named) if path not in found}
    why = {path: why_secret(path, content, hiding.hides) for path, content in found.items()}
    return {**gone, **{path: reason for path, reason in why.items() if reason}}


def _read(path: str, folder: Path | None) -> bytes:
    try:
        with ((folder or Path()) / path).open("rb") as file:
            return file.read(MAX_READ)
    except OSError:
        return b""


def without(story: Story, files: Mapping[str, str]) -> Story:
    """Return the story with a placeholder for each statement that reads one of these files."""
    if not files:
        return story
    steps = tuple(_step(step, files) for step in story.steps)
    changed = {new.number for new, old in zip(steps, story.steps, strict=True) if new is not old}
    code = tuple(_piece(piece, files) for piece in story.code)
    brought = tuple(_piece(piece, files) for piece in story.brought)
    return replace(story, steps=steps, brought=brought, code=code, left_out=dict(files), placeheld=frozenset(changed))


def _step(step: Step, files: Mapping[str, str]) -> Step:
    action = step.decision.action if step.decision else None
    if (
        step.decision is None
        or not isinstance(action, RunCode)
        or (made := replaced(action.code, files)) == action.code
    ):
        return step
    decision = step.decision.model_copy(update={"action": action.model_copy(update={"code": made})})
    return replace(step, decision=decision)


def _piece(piece: Piece, files: Mapping[str, str]) -> Piece:
    return replace(piece, source=replaced(piece.source, files), reads=piece.reads - set(files))


def replaced(source: str, files: Mapping[str, str]) -> str:
    """Return a cell in which a placeholder stands for each top-level statement that reads one of these files."""
    tree = parsed(to_python(source)[0])
    lines = source.split("\n")
    if tree is None or not tree.body:
        return "\n".join(_line(line, files) for line in lines)
    for statement in reversed(tree.body):
        first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
        text = "\n".join(lines[first:last])
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if name := _reads(statement, files) or _mentions(text, files):
            lines[first:last] = _placeholder(statement, name, files[name])
    return "\n".join(lines)


def _reads(statement: ast.stmt, files: Collection[str]) -> str:
    """Return the file of these that a statement names, or reads without naming it."""
    names = {PurePosixPath(path).name: path for path in files}
    for node in ast.walk(statement):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 1000:
            found = names.get(PurePosixPath(node.value.replace("\\", "/")).name)
            if found:
                return found
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _DOTENV:
            return next((path for name, path in names.items() if ".env" in name), "")
    return ""


def _mentions(text: str, files: Collection[str]) -> str:
    """Return the file of these that a magic or a shell line names."""
    if not text.lstrip().startswith(("%", "!")) and "= !" not in text and "= %" not in text:
        return ""
    dotenv = next((path for path in files if ".env" in PurePosixPath(path).name), "")
    named = next((path for path in files if PurePosixPath(path).name in text), "")
    return named or (dotenv if text.lstrip().startswith("%dotenv") else "")


def _line(line: str, files: Mapping[str, str]) -> str:
    name = next((path for path in files if PurePosixPath(path).name in line), "")
    return f"# left out: this line reads {name!r}, and {files[name]}" if name else line


def _placeholder(statement: ast.stmt, name: str, why: str) -> list[str]:
    """Lines that stand for a statement: its names are to be filled in."""
    told = f"it was read from {name!r}, which was left out: {why}"
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [f"pass  # left out: {told}"]
    bound = [*dict.fromkeys(_bound(statement))]
    return [f"{each} = None  # fill this in; {told}" for each in bound] or [f"pass  # {told}"]


def _bound(statement: ast.stmt) -> Iterator[str]:
    waiting: Sequence[ast.AST] = [statement]
    handles = {
        name.id
        for node in ast.walk(statement)
        if isinstance(node, ast.withitem) and node.optional_vars
        for name in ast.walk(node.optional_vars)
        if isinstance(name, ast.Name)
    }
    while waiting:
        node, *rest = waiting
        waiting = [*ast.iter_child_nodes(node), *rest]
        if isinstance(
            node, ast.FunctionDef | ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
        ):
            waiting = rest
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id not in handles:
            yield node.id
