"""What a notebook asks for outside of its folder: which of it is really there, and which files can be its inputs."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

from agentloop_nb._internal.paths import from_home
from agentloop_nb.export.inputs import describe, is_inside
from agentloop_nb.verify.kernel_run import Asked, Performance
from agentloop_nb.verify.place import ABOVE
from agentloop_nb.verify.programs import is_harmless

Json = dict[str, Any]

_NO_FILES = ("/proc/", "/sys/", "/dev/", "/run/")


def real_path(name: str, origin: Path) -> Path:
    """Where a file lies that the notebook knows by this name."""
    return Path(from_home(name)) if name.startswith("~/") else origin / name


def described(name: str, origin: Path) -> Json:
    """Path, hash and size of an input file, beside the notebook or elsewhere."""
    if is_inside(name) and not name.startswith("~"):
        return describe(name, origin).model_dump()
    return _described(name, real_path(name, origin))


def _described(name: str, file: Path) -> Json:
    try:
        if not file.is_file():
            return {"path": name, "sha256": None, "size": 0}
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        return {"path": name, "sha256": digest, "size": file.stat().st_size}
    except OSError:
        return {"path": name, "sha256": None, "size": 0}


def may_be_input(file: Any) -> bool:
    """Whether what a notebook lists as an input can be one. What lies elsewhere has to be known by its hash."""
    if not isinstance(file, dict) or not isinstance(file.get("path"), str):
        return False
    digest, name = file.get("sha256"), file["path"]
    if is_inside(name):
        return digest is None or isinstance(digest, str)
    depth = PurePosixPath(os.path.normpath(name)).parts.count("..")
    return isinstance(digest, str) and bool(name) and "\0" not in name and depth <= len(ABOVE)


class Outside:
    """What the cells of one run asked for outside, seen from the machine as it is."""

    def __init__(self, run: Performance, origin: Path, sources: dict[str, str]) -> None:
        self._run = run
        self._origin = origin
        self._sources = sources

    def inputs(self) -> list[Json]:
        """Return the plain files among it, as inputs."""
        names = {self._name(each) for each in self._run.asked if each.kind in ("file", "stat")}
        files = [_described(name, real_path(name, self._origin)) for name in sorted(names) if _is_plain(name)]
        return [file for file in files if file["sha256"] is not None and may_be_input(file)]

    def of(self, cell: str) -> list[Asked]:
        """Return what a cell asked for that is there, or that nobody could watch."""
        return [each for each in self._run.asked if each.cell == cell and self._counts(each)]

    def unseen(self, cell: str) -> Asked | None:
        """Return what taints a cell even if it came out the same."""
        kinds = ("program", "library", "machine")
        return next((each for each in self.of(cell) if each.kind in kinds or (each.direct and _reads(each))), None)

    def _counts(self, each: Asked) -> bool:
        if each.kind == "program":
            return not self._is_harmless(each)
        if each.kind in ("network", "library", "machine"):
            return True
        return os.path.lexists(real_path(self._name(each), self._origin))

    def _is_harmless(self, each: Asked) -> bool:
        place = self._run.place
        own = [str(each) for each in (place.folder, place.home, place.temporary)]
        try:
            words = [str(word) for word in json.loads(each.what)]
        except (ValueError, TypeError):
            return False
        return is_harmless(words, each.folder, own, hooked=each.hooked, source=self._sources.get(each.cell, ""))

    def told(self, each: Asked) -> str:
        """Return what was asked for, and what helps, in words."""
        what = self._name(each) if each.kind in ("file", "folder", "stat") else each.what
        return _TOLD[each.kind].format(_shown(what) if each.kind == "program" else what)

    def _name(self, each: Asked) -> str:
        return self._run.place.name(each.what)


_TOLD = {
    "file": "it reads {!r}, a file outside of the notebook's folder; put a copy beside the notebook, read that, and "
    "export again",
    "folder": "it lists {!r}, a folder outside of the notebook's folder; put what it needs beside the notebook, and "
    "export again",
    "stat": "it looks at {!r}, outside of the notebook's folder; put what it needs beside the notebook, and export "
    "again",
    "network": "it needs the network ({}); save what it fetched in a file, and read that",
    "program": "it starts a program that may read outside of the notebook's folder, and cannot be watched here ({}); "
    "do that in Python, or verify on Linux with namespaces",
    "library": "it calls {} itself, which may read outside of the notebook's folder and cannot be watched here",
    "machine": "it asks for {}, which is another one elsewhere",
}


def _reads(each: Asked) -> bool:
    return each.kind in ("file", "folder")


def _is_plain(name: str) -> bool:
    return not name.startswith(_NO_FILES)


def _shown(words: str) -> str:
    try:
        text = " ".join(map(str, json.loads(words)))
    except (ValueError, TypeError):
        text = words
    return text if len(text) <= 60 else text[:59] + "…"
