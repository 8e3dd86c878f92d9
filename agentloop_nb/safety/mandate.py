"""What covers the effects of a step: the user's words, and what stood in the code when it was read."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from agentloop_nb._internal.ipython_syntax import parsed
from agentloop_nb.safety.code_risks import Reading, as_cell
from agentloop_nb.safety.code_risks.constant_values import HOLE
from agentloop_nb.safety.memory import Memory
from agentloop_nb.safety.observed_effects import Mandate
from agentloop_nb.safety.permission import Judge
from agentloop_nb.state import State

MAX_FILE = 200_000
"""Bytes of a file that is read before a child process may execute it."""
MAX_FILES = 50


def mandate(
    code: str, state: State, *, memory: Memory, folder: Path, trusting: bool = False, anybody: bool = False
) -> Mandate:
    """Return the mandate of a step of code that was admitted."""
    memory.take_in(state, state.cells)
    reading = memory.read(code)
    targets = reading.targets | memory.used
    commands = [command.words for command in (*reading.commands, *reading.templates)]
    judge = Judge(state, state.cells, folder, memory)
    return Mandate(
        user=memory.said(state),
        strangers=bool(memory.sources),
        trusting=trusting,
        anybody=anybody,
        hosts=frozenset(target.name for target in targets if target.kind == "host"),
        commands=tuple(dict.fromkeys(commands)),
        lines=frozenset(reading.lines),
        paths=frozenset(path for path in _paths(reading) if HOLE not in path),
        modules=frozenset(name.partition(".")[0] for name in reading.values.modules),
        vetted=frozenset(_vetted(code, reading, state, judge, folder)) if commands else frozenset(),
    )


def _paths(reading: Reading) -> Iterator[str]:
    yield from (*reading.deleted, *reading.written)
    yield from (target.name for target in reading.targets if target.kind == "path")


def _vetted(code: str, reading: Reading, state: State, judge: Judge, folder: Path) -> Iterator[str]:
    """Yield the SHA-256 of texts of the code, and of files that steps wrote, that may be executed unasked."""
    for text in _texts(code, reading):
        if not judge.objects_to(text):
            yield hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    for name in list(_written(state))[-MAX_FILES:]:
        content = _content(folder / name)
        cell = content and as_cell(name, content.decode("utf-8", "replace"))
        if content and cell and not judge.objects_to(cell, strictly=True):
            yield hashlib.sha256(content).hexdigest()


def _texts(code: str, reading: Reading) -> Iterator[str]:
    """Texts that a step may write into a file and execute."""
    yield from reading.bodies
    tree = parsed(code)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < MAX_FILE:
            yield node.value


def _written(state: State) -> Iterator[str]:
    """Files that the code of this run's steps and of its parts wrote, relative to the folder."""
    for step in state.steps:
        yield from step.effects.files_written
        yield from (file.path for child in step.effects.children for file in child.files)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.is_file() and path.stat().st_size <= MAX_FILE else None
    except OSError:
        return None
