"""Keeps the files that a run wrote safe while its code runs again: in the end they are what they were."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from agentloop_nb._internal.links import refuse_links
from agentloop_nb.actions import Delegate, WriteFile
from agentloop_nb.export.inputs import is_inside
from agentloop_nb.step import Step

_PLACING = (WriteFile, Delegate)
"""Actions that put whole files into the folder, and do so again when they are done again."""


class FileStash:
    """Takes files out of the working folder, and puts them back whatever was written in their place.

    They lie in `.agentloop/aside/<run>` meanwhile. If the kernel dies in between, the next rebuilding finds them there.
    """

    def __init__(self, folder: Path, run: str) -> None:
        self._folder = folder
        self._kept = folder / ".agentloop" / "aside" / (re.sub(r"[^\w-]", "_", run, flags=re.ASCII) or "_")

    def take(self, moved: Iterable[str], copied: Iterable[str]) -> None:
        """Move files that the run made, copy those that were there before it. Raises `OSError`."""
        refuse_links(self._kept)
        self.put_back()
        for names, keep in ((moved, shutil.move), (copied, shutil.copy2)):
            for name in names:
                source, target = self._folder / name, self._kept / name
                if source.is_file() and not source.is_symlink():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    keep(source, target)

    def put_back(self) -> None:
        """Put everything back that was taken, over what lies there now. Raises `OSError`."""
        if not self._kept.is_dir():
            return
        refuse_links(self._kept)
        for kept in sorted(self._kept.rglob("*")):
            if kept.is_file() and not kept.is_symlink():
                target = self._folder / kept.relative_to(self._kept)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(kept, target)
        shutil.rmtree(self._kept)


def written(steps: Iterable[Step]) -> tuple[set[str], set[str]]:
    """Return the files that steps made, and those that were there before and were changed."""
    made: set[str] = set()
    there: set[str] = set()
    for step in steps:
        there |= set(step.effects.files_read) - made
        made |= set(step.effects.files_written) - there
        for file in step.effects.placed if step.decision and isinstance(step.decision.action, _PLACING) else ():
            (there if file.replaced and file.path not in made else made).add(file.path)
    return {name for name in made if is_inside(name)}, {name for name in there if is_inside(name)}
