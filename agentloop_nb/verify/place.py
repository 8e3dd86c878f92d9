"""The clean folder in which a notebook is verified, and what is told to its kernel of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from agentloop_nb._internal.paths import TEMPORARY, from_home

MEANS = ("namespaces", "landlock")
"""What of the system may hold the kernel; without either, Python alone watches it."""
ABOVE = ("up",) * 6
"""Folders above the clean one, where input files from above the notebook's folder lie."""
_HERE = Path(__file__).parent


class Place:
    """A temporary folder: the clean one inside it, a home, a folder for temporary files, and the fresh kernel's own."""

    def __init__(self, root: Path, origin: Path, *, opened: bool = False) -> None:
        self.root = root
        self.folder = root.joinpath(*ABOVE, "work" if not opened else origin.name or "work")
        self.home = root / "home"
        self.cache = self.home / ".cache"
        self.temporary = root / "tmp"
        self.log = root / "asked.jsonl"
        self.settings = root / "settings.json"
        self._origin = origin
        self._opened = opened
        self._given: dict[str, str] = {}

    def furnish(self, inputs: Mapping[str, Path]) -> None:
        """Make the folders, put the input files where the notebook looks for them, and write the settings down."""
        for each in (self.folder, self.home, self.cache, self.temporary, self.root / "view", self.root / "children"):
            each.mkdir(parents=True)
        if self._opened:
            self._link_surroundings()
        for number, (path, source) in enumerate(inputs.items()):
            self._give(path, source, number)
        self._copy_caches()
        shutil.copyfile(_HERE / "watch.py", self.root / "children" / "sitecustomize.py")
        self.settings.write_text(json.dumps(self._told()), encoding="utf-8")

    def _give(self, path: str, source: Path, number: int) -> None:
        target = self.find(path)
        if target.is_relative_to(self.root):
            if not os.path.lexists(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
            self._given[str(target)] = str(target)
            return
        copy = self.root / "given" / str(number)
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, copy)
        self._given[str(target)] = str(copy)

    def find(self, path: str) -> Path:
        """Where a file that the notebook knows by this name lies: beside it, above it, at home, or where it says."""
        if path.startswith("~/"):
            return self.home / path[2:]
        return Path(os.path.normpath(self.folder / path))

    def name(self, place: str) -> str:
        """Return the name that the notebook would know a place by: the other way round."""
        path = Path(place)
        if path.is_relative_to(self.home):
            return f"~/{path.relative_to(self.home).as_posix()}"
        if path.is_relative_to(self.root):
            return Path(os.path.relpath(path, self.folder)).as_posix()
        return path.as_posix()

    def _told(self) -> dict[str, object]:
        root, folder = str(self.root), str(self.folder)
        temporary = {tempfile.gettempdir(), str(Path(tempfile.gettempdir()).resolve())}
        temporary |= set(TEMPORARY) if os.name == "posix" else set()
        outside = {place: copy for place, copy in self._given.items() if place != copy}
        return {
            "root": root,
            "own": [folder, *(str(each) for each in (self.home, self.temporary)), *self._of_kernel()],
            "environment": [os.environ["SYSTEMROOT"]] if os.name == "nt" else [],
            "hidden": [str(self._origin)],
            "temporary": sorted(temporary),
            "given": list(self._given),
            "log": str(self.log),
            "open": self._opened,
            "means": list(MEANS),
            "watch": str(_HERE / "watch.py"),
            "namespaces": str(_HERE / "namespaces.py"),
            "children": str(self.root / "children" / "settings.json"),
            "view": {
                "root": root,
                "folder": folder,
                "base": str(self.root / "view"),
                "given": outside,
                "open": self._opened,
            },
        }

    def _of_kernel(self) -> list[str]:
        return [str(self.root / name) for name in ("kernel.json", "children", self.log.name)]

    def _copy_caches(self) -> None:
        """Bring the lists of fonts that matplotlib keeps: made again, they cost seconds."""
        kept = os.environ.get("XDG_CACHE_HOME") or from_home("~/.cache")
        source = Path(os.environ.get("MPLCONFIGDIR") or Path(kept) / "matplotlib")
        (self.cache / "matplotlib").mkdir()
        with contextlib.suppress(OSError):
            for each in source.glob("fontlist-*.json"):
                shutil.copyfile(each, self.cache / "matplotlib" / each.name)

    def _link_surroundings(self) -> None:
        """Let what lies around the notebook's folder, and at home, be found from the clean folder too."""
        pairs = list(zip(self.folder.parents, self._origin.parents, strict=False))[: len(ABOVE)]
        for here, there in [*pairs, (self.home, Path(from_home("~")))]:
            with contextlib.suppress(OSError):
                for each in there.iterdir():
                    if not os.path.lexists(here / each.name):
                        (here / each.name).symlink_to(each)
