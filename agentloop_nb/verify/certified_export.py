"""Exporting a run and proving it, in one go: what the magic, the command line and `Run.export` do."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.errors import UserError
from agentloop_nb.export import REPORTS, Values, data_folder, export, share, write_report
from agentloop_nb.export.destination import checked_report
from agentloop_nb.record import journal
from agentloop_nb.verify import verify
from agentloop_nb.verify.verdict import Verdict


class Published(NamedTuple):
    """Where an export is, and what verifying it brought."""

    path: Path
    verdict: Verdict | None
    """None where nothing was verified: a script, or because nobody wanted it."""

    @property
    def told(self) -> str:
        """One line for the user."""
        if self.verdict:
            return self.verdict.text
        if IN_BROWSER and self.path.suffix == ".ipynb":
            return f"written, not proven: a browser has no second kernel; elsewhere, agentloop verify {self.path.name}"
        if self.path.suffix in REPORTS:
            return "written; nothing was run again"
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
    values: Values | None = None,
    folder: Path | None = None,
) -> Published:
    """Write a run as a notebook, a script or a report by its suffix, and re-run a notebook in a fresh kernel.

    `minimal` keeps only the steps the result depends on; with `shared` the destination is a new folder that also gets
    the inputs, a pinned environment and a Binder set-up; its link leads to `repository` on GitHub. `values` looks names
    up in the run's living namespace: what earlier cells do not make again travels as data. `folder` is the working
    folder of a run of this kernel; the one that a record names is read only inside the folder the record lies in, since
    a record may come from anybody. Raises `UserError`.
    """
    if repository is not None and not shared:
        raise UserError("--repository is for the Binder link of a shared folder: add --share")
    if destination.suffix in REPORTS and not shared:
        return publish_report(record, destination, check=check, values=values, folder=folder)
    named, foreign = _working_folder(record, folder)
    write = partial(export, record, folder=named, foreign=foreign, minimal=minimal, values=values)
    path = write(share.plan(destination, repository) if shared else destination)
    verdict = None
    if check and path.suffix == ".ipynb" and not IN_BROWSER:
        draft, verdict = path.read_bytes(), verify(path)
        if values is not None and _doubtful(verdict):
            verdict = _with_data(path, draft, verdict, partial(write, path, instead=True))
    if shared:
        share.surround(path, repository)
    return Published(path, verdict)


def publish_report(
    record: Path,
    destination: Path,
    *,
    check: bool = True,
    values: Values | None = None,
    folder: Path | None = None,
    cost: bool = False,
) -> Published:
    """Write a report (`.html`, `.md`), which tells what proving the same run as a notebook brought.

    Raises `UserError`.
    """
    destination, verdict = checked_report(destination), None
    if check and not IN_BROWSER:
        with tempfile.TemporaryDirectory(prefix="agentloop-") as aside:
            verdict = publish(record, Path(aside) / "run.ipynb", values=values, folder=folder).verdict
    named, foreign = _working_folder(record, folder)
    told = verdict.plain if verdict else ""
    return Published(write_report(record, destination, folder=named, foreign=foreign, verdict=told, cost=cost), verdict)


def _working_folder(record: Path, folder: Path | None) -> tuple[Path, bool]:
    """The working folder of a run, and whether only its record says so, which may come from anybody."""
    named = folder or journal.home(record) / str(journal.load(record).settings.get("output_dir") or "")
    return named, folder is None and not journal.is_own(record, named)


def _doubtful(verdict: Verdict) -> bool:
    """Whether something from before the run may not have been made again as it was."""
    return not verdict.ok or _varying(verdict) > 0


def _varying(verdict: Verdict) -> int:
    """Steps that could not be compared."""
    return sum(name.startswith("step-") for name in verdict.unchecked)


def _with_data(path: Path, draft: bytes, first: Verdict, again: Callable[[], Path]) -> Verdict:
    """Try once more with all that was there before the run as data, and keep that if it proves more."""
    certified, there = path.read_bytes(), _files(data_folder(path))
    again()
    if path.read_bytes() != draft:
        second = verify(path)
        if second.ok and (not first.ok or _varying(second) < _varying(first)):
            return second
    path.write_bytes(certified)
    for file in _files(data_folder(path)) - there:
        file.unlink()
    with contextlib.suppress(OSError):  # there is none, or it holds something
        data_folder(path).rmdir()
    return first


def _files(folder: Path) -> set[Path]:
    return set(folder.iterdir()) if folder.is_dir() else set()
