"""Exporting a run and proving it, in one go: what the magic, the command line and `Run.export` do."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from agentloop_nb import journal
from agentloop_nb.browser import IN_BROWSER
from agentloop_nb.errors import UserError
from agentloop_nb.export import export
from agentloop_nb.export.share import share
from agentloop_nb.verify import verify
from agentloop_nb.verify.verdict import Verdict


class Published(NamedTuple):
    """Where an export is, and what verifying it brought."""

    path: Path
    verdict: Verdict | None
    """None where nothing was verified: a script or a report, or because nobody wanted it."""

    @property
    def told(self) -> str:
        """One line for the user."""
        if self.verdict:
            return self.verdict.text
        if IN_BROWSER and self.path.suffix == ".ipynb":
            return f"written, not proven: a browser has no second kernel; elsewhere, agentloop verify {self.path.name}"
        return "written; only a notebook can be verified"

    @property
    def sound(self) -> bool:
        """Whether nothing speaks against it."""
        return self.verdict is None or self.verdict.ok


def publish(
    record: Path,
    destination: Path,
    *,
    minimal: bool = False,
    shared: bool = False,
    repository: str | None = None,
    check: bool = True,
) -> Published:
    """Write a run as a notebook, a script or a report by its suffix, and re-run a notebook in a fresh kernel.

    `minimal` keeps only the steps the result depends on; with `shared` the destination is a new folder that also gets
    the inputs, a pinned environment and a Binder set-up; its link leads to `repository` on GitHub. Raises `UserError`.
    """
    if repository is not None and not shared:
        raise UserError("--repository is for the Binder link of a shared folder: add --share")
    folder = journal.home(record) / str(journal.load(record).settings.get("output_dir") or "")
    if shared:
        path = share(record, destination, folder=folder, minimal=minimal, repository=repository)
    else:
        path = export(record, destination, folder=folder, minimal=minimal)
    return Published(path, verify(path) if check and path.suffix == ".ipynb" and not IN_BROWSER else None)
