"""The files of the working folder that a run read and did not make, listed with their hash."""

from __future__ import annotations

import ast
import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from agentloop_nb._internal.ipython_syntax import parsed, to_python
from agentloop_nb.export.slicing import Piece
from agentloop_nb.protocols import Value

MAX_COPIED = 64 * 1024 * 1024
"""Bytes of an input file that an export into another folder takes along."""


class InputFile(Value):
    """A file that has to lie beside the notebook. `sha256` is None when it was gone at the time of the export."""

    path: str
    sha256: str | None
    size: int = 0
    """Bytes."""


def inputs(chain: Sequence[Piece], folder: Path | None) -> list[InputFile]:
    """List what the pieces read before any of them wrote it, sorted by path."""
    made: set[str] = set()
    asked: set[str] = set()
    for piece in chain:
        named = piece.reads | (_named_files(piece.source, folder) if folder else set())
        asked |= named - made - (piece.writes - piece.reads)
        made |= piece.writes
    return [describe(path, folder) for path in sorted(asked) if is_inside(path)]


def describe(path: str, folder: Path | None) -> InputFile:
    """Hash a file of the folder."""
    file = folder / path if folder else None
    try:
        there = file is not None and file.is_file()
    except (OSError, ValueError):  # no path of this system
        there = False
    if not there or file is None or folder is None or not file.resolve().is_relative_to(folder.resolve()):
        return InputFile(path=path, sha256=None)
    with file.open("rb") as content:
        return InputFile(path=path, sha256=hashlib.file_digest(content, "sha256").hexdigest(), size=file.stat().st_size)


def is_inside(path: str) -> bool:
    """Whether a recorded path is a plain one inside its folder."""
    pure = PurePosixPath(path)
    return bool(path) and not pure.is_absolute() and ".." not in pure.parts and "\\" not in path and ":" not in path


def take_along(files: Iterable[InputFile], folder: Path, destination: Path) -> None:
    """Copy input files beside a notebook that is exported into another folder; never over an existing file."""
    for file in files:
        source, target = folder / file.path, destination / file.path
        if file.sha256 is not None and file.size <= MAX_COPIED and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _named_files(source: str, folder: Path) -> set[str]:
    """Return files of the folder that a source names in a string."""
    tree = parsed(to_python(source)[0])
    if tree is None:
        return set()
    root = folder.resolve()
    found = set(_own_modules(tree, root))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) < 300:
            file = _file(root, node.value)
            if file is not None:
                found.add(file.relative_to(root).as_posix())
    return found


def _own_modules(tree: ast.Module, root: Path) -> Iterator[str]:
    """Yield files of the folder that a source imports, also by a folder of it that the source names."""
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    for home in ("", *sorted(text for text in texts if 0 < len(text) < 100 and "\0" not in text)):
        for name in names:
            parts = name.split(".")
            inits = ["/".join([*parts[:count], "__init__.py"]) for count in range(1, len(parts) + 1)]
            for path in (f"{'/'.join(parts)}.py", *inits):
                file = _file(root, f"{home}/{path}" if home else path)
                if file is not None:
                    yield file.relative_to(root).as_posix()


def _file(root: Path, name: str) -> Path | None:
    try:
        file = (root / name).resolve()
        return file if file.is_relative_to(root) and file.is_file() else None
    except (OSError, ValueError):
        return None
