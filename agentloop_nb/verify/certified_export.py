"""Exporting a run and proving it, in one go: what the magic, the command line and `Run.export` do."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from agentloop_nb._internal.held_folder import HeldFolder
from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.errors import UserError
from agentloop_nb.export import REPORTS, Hiding, Values, data_folder, export, known_mask, share, write_report
from agentloop_nb.export.destination import checked_report
from agentloop_nb.record import locating, reading, trust
from agentloop_nb.verify import verify
from agentloop_nb.verify.verdict import Verdict


class Published(NamedTuple):
    """Where an export is, and what verifying it brought."""

    path: Path
    verdict: Verdict | None
    """None where nothing was verified: a script, or because nobody wanted it."""
    unverified: str = ""
    """Why a notebook was not run, if that is to be said."""

    left_out: tuple[str, ...] = ()
    """Input files that are secret, and were not taken along."""

    @property
    def told(self) -> str:
        """One line for the user."""
        check = f". Check it yourself: {self.check}" if self.check else ""
        return self.said + check + (f"; {self.left}" if self.left else "")

    @property
    def check(self) -> str:
        """What proves it again; empty where nothing does."""
        checks = self.verdict and self.sound and self.path.suffix == ".ipynb"
        return f"agentloop verify {self.path.name}" if checks else ""

    @property
    def left(self) -> str:
        """What was not taken along; empty for nothing."""
        return f"left out as secret: {', '.join(self.left_out)}" if self.left_out else ""

    @property
    def said(self) -> str:
        """What was proven, or why nothing was."""
        if self.verdict:
            return self.verdict.text
        if self.unverified:
            return self.unverified
        if IN_BROWSER and self.path.suffix == ".ipynb":
            return f"written, not proven: a browser has no second kernel; elsewhere, agentloop verify {self.path.name}"
        if self.path.suffix in REPORTS:
            return "written; nothing was run again"
        return "written; only a notebook can be verified"

    @property
    def sound(self) -> bool:
        """Whether nothing speaks against it, and a verdict proves something."""
        return self.verdict is None or self.verdict.proven


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
    hiding = Hiding(known_mask())
    write = partial(export, record, folder=named, foreign=foreign, minimal=minimal, values=values, mask=hiding)
    path = write(share.plan(destination, repository) if shared else destination)
    verdict, stranger = None, trust.standing(record) == "foreign"
    if check and path.suffix == ".ipynb" and not IN_BROWSER and not stranger:
        draft, verdict = path.read_bytes(), verify(path, own=not foreign)
        if values is not None and _doubtful(verdict):
            verdict = _with_data(path, draft, verdict, partial(write, path, instead=True), own=not foreign)
    if shared:
        share.surround(path, repository)
        share.refuse_leaks(path.parent, hiding.hides)
    return Published(path, verdict, _UNVERIFIED if stranger and path.suffix == ".ipynb" else "", _left_out(path))


def _left_out(notebook: Path) -> tuple[str, ...]:
    """Return the input files that an exported notebook says it left out."""
    if notebook.suffix != ".ipynb":
        return ()
    return tuple(json.loads(notebook.read_bytes())["metadata"]["agentloop"].get("left_out", ()))


_UNVERIFIED = (
    "written, not verified: its record was not written by your runs, and none of its code was run; if it may run, "
    "agentloop trust FOLDER, then export it again"
)


def publish_session(
    records: Sequence[Path], destination: Path, *, values: Values | None = None, folder: Path | None = None
) -> Published:
    """Write all goals of a kernel, oldest first, as one notebook, and re-run that. Raises `UserError`."""
    from agentloop_nb.export.session_export import export_session

    newest = records[-1]
    named = folder or locating.home(newest) / str(reading.load(newest).settings.get("output_dir") or "")
    inside = named if folder is not None or locating.is_own(newest, named) else None
    path = export_session(records, destination, folder=inside, values=values)
    stranger = any(trust.standing(record) == "foreign" for record in records)
    proven = path.suffix == ".ipynb" and not IN_BROWSER and not stranger
    unverified = _UNVERIFIED if stranger and path.suffix == ".ipynb" else ""
    return Published(path, verify(path, own=True) if proven else None, unverified, _left_out(path))


def stop_verifying() -> None:
    """End what this process verifies, from another thread: its kernels are killed and their folders removed."""
    from agentloop_nb.verify.kernel_run import stop

    stop()


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
    destination, verdict, told = checked_report(destination), None, ""
    if check and not IN_BROWSER:
        with HeldFolder("proof") as aside:
            proof = publish(record, Path(aside) / "run.ipynb", values=values, folder=folder)
            verdict, told = proof.verdict, proof.verdict.text if proof.verdict else ""
    named, foreign = _working_folder(record, folder)
    return Published(write_report(record, destination, folder=named, foreign=foreign, verdict=told, cost=cost), verdict)


def _working_folder(record: Path, folder: Path | None) -> tuple[Path, bool]:
    """Return the working folder of a run, and whether only its record says so, which may come from anybody."""
    named = folder or locating.home(record) / str(reading.load(record).settings.get("output_dir") or "")
    return named, folder is None and not locating.is_own(record, named)


def _doubtful(verdict: Verdict) -> bool:
    """Whether something from before the run may not have been made again as it was."""
    return not verdict.ok or _varying(verdict) > 0


def _varying(verdict: Verdict) -> int:
    """Return steps that could not be compared."""
    return sum(name.startswith("step-") for name in verdict.unchecked)


def _with_data(path: Path, draft: bytes, first: Verdict, again: Callable[[], Path], *, own: bool) -> Verdict:
    """Try once more with all that was there before the run as data, and keep that if it proves more."""
    certified, there = path.read_bytes(), _files(data_folder(path))
    again()
    if path.read_bytes() != draft:
        second = verify(path, own=own)
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
