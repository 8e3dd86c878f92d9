"""Which documents may be read, and reading one in a bounded child process."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from pathlib import Path
from typing import IO

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import Document
from agentloop_nb.web.pages import bounded_child
from agentloop_nb.web.threads import in_thread

DEADLINE = 30.0
"""Seconds reading a document may take."""
_FEW_THREADS = {"OPENBLAS_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
"""What keeps the child's memory small."""
_PRIVATE = re.compile(
    r"\.(env(\..*)?|agentloop|git|ssh|gnupg|aws|azure|kube|docker|netrc|pypirc|ipython|jupyter|config|local)"
)
"""Names of files and folders that hold keys or settings, never documents."""


_SETTINGS = frozenset({".config", ".ipython", ".jupyter", ".local"})
"""Folders above a document that the goal names which may hold documents, too."""


async def read(folder: Path, path: str, part: str, goal: str) -> Document:
    """Read a document of the folder, or one that the goal names. Raises `ActionFailed`."""
    if IN_BROWSER:
        raise ActionFailed("a kernel in a browser starts no processes, so no document is read; use run_code")
    place = locate(folder, path, goal)
    with _opened(place, path) as file:
        found = await _read(file, place.name, part, path)
    if "error" in found:
        raise ActionFailed(f"{path!r} is not read: {found['error']}.")
    return Document(path=path, inside=_inside(folder, place), part=part, **found)


def _inside(folder: Path, place: Path) -> str:
    root = folder.resolve()
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else ""


def locate(folder: Path, path: str, goal: str) -> Path:
    """Return where a document lies. Raises `ActionFailed` for one that is neither in the folder nor named."""
    if "\0" in path:
        raise ActionFailed("a path holds no NUL character")
    root = folder.resolve()
    try:
        inside = (root / path).resolve()
        if inside.is_relative_to(root) and inside.exists():
            return _fit(inside, inside.relative_to(root), path)
        outside = Path(path).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ActionFailed(f"{path!r} is no path that can be read ({error})") from None
    if not _named(path, goal):
        if inside.is_relative_to(root):
            raise ActionFailed(f"there is no file {path!r} in the working folder")
        raise ActionFailed(f"{path!r} lies outside the working folder, and the goal does not name it")
    above = (name for name in outside.parts[:-1] if name.lower() not in _SETTINGS)
    return _fit(outside, Path(*above, outside.name), path)


def _fit(place: Path, inner: Path, path: str) -> Path:
    if any(_PRIVATE.fullmatch(name.lower()) for name in inner.parts):
        raise ActionFailed(f"{path!r} is not read: files of that name hold keys or settings")
    return place


def _named(path: str, goal: str) -> bool:
    """Whether the goal names this path, whole."""
    return len(path) > 2 and re.search(rf"(?<![\w./~-]){re.escape(path)}(?![\w/-]|\.\w)", goal) is not None


def _opened(place: Path, path: str) -> IO[bytes]:
    """Open a plain file; a pipe or a device would never end."""
    try:
        if not stat.S_ISREG(place.stat().st_mode):
            raise ActionFailed(f"{path!r} is a folder or a device, not a document")
        return place.open("rb")
    except OSError as error:
        raise ActionFailed(f"{path!r} cannot be read: {error.strerror or error}") from None


async def _read(file: IO[bytes], name: str, part: str, path: str) -> dict[str, str]:
    child = bounded_child(["-m", "agentloop_nb.documents.child", name, part], file, **_FEW_THREADS)
    try:
        async with asyncio.timeout(DEADLINE):
            answer, _ = await in_thread(child.communicate, "agentloop-document")
        found: dict[str, str] = json.loads(answer)
    except (TimeoutError, ValueError) as error:
        raise ActionFailed(f"{path!r} is not read: it cannot be taken apart within its limits.") from error
    finally:
        child.kill()  # the thread sees the end of the pipe, and reaps it
    return found
