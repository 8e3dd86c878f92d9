"""Reaches a verdict on a notebook: performs it once, and again where it came out differently."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import nbformat

from agentloop_nb import visible
from agentloop_nb.errors import UserError
from agentloop_nb.export import write
from agentloop_nb.export.inputs import describe, is_inside
from agentloop_nb.export.notebook import FORMAT, UNCHECKED
from agentloop_nb.export.scrub import Scrubber
from agentloop_nb.export.seal import broken, seal
from agentloop_nb.verify import causes
from agentloop_nb.verify.clock import clock_cells
from agentloop_nb.verify.compare import failed, same, same_for_nbval, skeleton
from agentloop_nb.verify.fresh import Performance, perform
from agentloop_nb.verify.verdict import CELL, Verdict

Json = dict[str, Any]

MAX_NOTEBOOK = 256 * 1024 * 1024
"""Bytes of a notebook that are read at all."""
DATES = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %B %Y", "%B %d, %Y", "%Y%m%d")
"""How a date is usually written."""
HASH_SEEDS = (1, 20261, 977)
"""Of the three runs that tell chance from a hidden dependency."""


class Certifier:
    """Verifies one notebook."""

    def __init__(self, path: Path, timeout: int) -> None:
        self._path = path
        self._timeout = timeout
        self._notebook = _read(path)
        self._ours: Json = self._notebook["metadata"]["agentloop"]
        self._cells: list[Json] = [cell for cell in self._notebook["cells"] if cell["cell_type"] == "code"]
        self._clock = clock_cells(self._cells)
        self._pictures = not causes.changed_packages(self._notebook)
        self._performances: list[Performance] = []

    def verdict(self) -> Verdict:
        """Check the seal, the input files, then every cell. A first verdict, or a better one, is written down."""
        if changed := broken(self._notebook):
            cell = changed.removeprefix("cell ") if changed.startswith("cell ") else None
            how = "taken off or changed" if changed == "the seal" else "changed after it was sealed"
            return Verdict(ok=False, cell=cell, cause=f"{'it' if cell else changed} was {how}")
        verdict = self._forged() or self._inputs() or self._run()
        if not (self._ours.get("verdict") or {}).get("ok"):
            self._write(verdict)
        return verdict

    def _write(self, verdict: Verdict) -> None:
        cells = [cell for cell in self._notebook["cells"] if cell["id"] != CELL]
        told = {"cell_type": "markdown", "id": CELL, "metadata": {}, "source": verdict.told(self._ours)}
        self._notebook["cells"] = [*cells, told]
        self._ours["verdict"] = verdict.model_dump(mode="json") | {"text": verdict.text}
        seal(self._notebook)
        write(self._notebook, self._path)

    def _forged(self) -> Verdict | None:
        """A verdict if a cell hides its code, or shows outputs that no run made; then nothing is run."""
        forged = ((cell["id"], why) for cell in self._cells if (why := visible.forged(cell)))
        return next((Verdict(ok=False, cell=cell, cause=why) for cell, why in forged), None)

    # -- input files

    def _inputs(self) -> Verdict | None:
        """A verdict if an input file is missing or changed."""
        for file in self._ours["inputs"]:
            found = describe(file["path"], self._path.parent.absolute())
            if file["sha256"] is None and found.sha256 is None:
                return Verdict(ok=False, cause=f"the input file {file['path']!r} is missing since before the export")
            if found.sha256 is None:
                return Verdict(ok=False, cause=f"the input file {file['path']!r} is missing beside the notebook")
            if found.sha256 != file["sha256"]:
                return Verdict(ok=False, cause=f"the input file {file['path']!r} is not the one that the run read")
        return None

    # -- cells

    def _run(self) -> Verdict:
        first = self._perform(0)
        unchecked: dict[str, str] = {}
        checked = 0
        for cell in self._cells:
            if why := self._ended(cell, first):
                return Verdict(ok=False, cell=cell["id"], cause=why, checked=checked, unchecked=unchecked)
            reason = self._reason(cell) or (None if self._same(cell, first) else self._chance(cell))
            if reason is None and not self._same(cell, first):
                cause = causes.explain(self._notebook, cell, first)
                return Verdict(ok=False, cell=cell["id"], cause=cause, checked=checked, unchecked=unchecked)
            reason = reason or self._date(cell, first)
            if reason is None:
                checked += bool(cell["execution_count"])
                self._settle(cell, first)
            else:
                unchecked[cell["id"]] = reason
                _mark(cell, "unchecked", reason)
        return Verdict(ok=True, checked=checked, unchecked=unchecked)

    def _perform(self, number: int) -> Performance:
        """The run of that number; each is made once, with another order of sets."""
        while len(self._performances) <= number:
            inputs = {file["path"]: self._path.parent / file["path"] for file in self._ours["inputs"]}
            seed = HASH_SEEDS[len(self._performances)]
            home = self._path.parent.resolve()
            run = perform(self._notebook, inputs, home=home, timeout=self._timeout, hash_seed=seed)
            self._performances.append(run)
        return self._performances[number]

    def _ended(self, cell: Json, performance: Performance) -> str:
        """Why a cell could not be run to its end, or failed where it did not before."""
        if performance.died and performance.died[0] == cell["id"]:
            return "the kernel died" if performance.died[1] == "death" else f"it took longer than {self._timeout} s"
        allowed = "raises-exception" in cell["metadata"].get("tags", ())
        if failed(performance.outputs.get(cell["id"], ())) and not allowed:
            return causes.explain(self._notebook, cell, performance)
        return ""

    @staticmethod
    def _reason(cell: Json) -> str | None:
        """Why a cell was never to be compared, if it says so."""
        kept = cell["metadata"].get("agentloop") or {}
        return str(kept["unchecked"]) if "unchecked" in kept else "parameters" if not cell["execution_count"] else None

    def _same(self, cell: Json, performance: Performance, other: Performance | None = None) -> bool:
        """Whether a cell came out as recorded, or as in another run."""
        recorded = cell["outputs"] if other is None else self._scrubbed(cell, other)
        timed = cell["id"] in self._clock
        return same(recorded, self._scrubbed(cell, performance), timed=timed, pictures=self._pictures)

    def _scrubbed(self, cell: Json, performance: Performance) -> list[Json]:
        scrub = Scrubber(performance.folder)
        return [scrub.value(output) for output in performance.outputs.get(cell["id"], [])]

    def _chance(self, cell: Json) -> str | None:
        """Why a cell that differs from the record is not to be compared: it differs from run to run, too."""
        runs = [self._perform(number) for number in range(len(HASH_SEEDS))]
        shapes = [skeleton(self._scrubbed(cell, run)) for run in runs]
        if all(shape == shapes[0] for shape in shapes) and shapes[0] != skeleton(cell["outputs"]):
            return None
        if any(not self._same(cell, runs[0], other) for other in runs[1:]):
            return "it differs from run to run"
        return "it shows the time" if cell["id"] in self._clock else None

    def _date(self, cell: Json, performance: Performance) -> str | None:
        """A cell that came out the same, and will not tomorrow."""
        today = dt.datetime.now().astimezone()
        shown = json.dumps(performance.outputs.get(cell["id"], []))
        shows = any(today.strftime(form) in shown for form in DATES)
        return "it shows the date" if shows and cell["id"] in self._clock else None

    def _settle(self, cell: Json, performance: Performance) -> None:
        """Let `pytest --nbval` agree: errors are kept as a fresh kernel words them, what varies is marked."""
        fresh = performance.outputs.get(cell["id"], [])
        if (error := failed(self._scrubbed(cell, performance))) and (kept := failed(cell["outputs"])):
            kept["ename"], kept["evalue"] = error["ename"], error["evalue"]
        if cell["id"] in performance.updated:
            _mark(cell, "compared", "what is shown is updated in place, which nbval does not follow")
        elif not same_for_nbval(cell["outputs"], fresh):
            _mark(cell, "compared", "without addresses, times and paths, which differ from run to run")


def _mark(cell: Json, how: str, why: str) -> None:
    metadata = cell["metadata"]
    metadata.setdefault("agentloop", {})[how] = why
    metadata["tags"] = list(dict.fromkeys([*metadata.get("tags", ()), UNCHECKED]))


def _read(path: Path) -> Json:
    """Read an exported notebook. Raises `UserError`."""
    try:
        if not path.is_file():
            raise UserError(f"there is no notebook {path}")
        if path.stat().st_size > MAX_NOTEBOOK:
            raise UserError(f"{path} is larger than any exported notebook ({path.stat().st_size:,} bytes)")
        found = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(found)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, nbformat.ValidationError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(f"{path} is no valid notebook ({reason})") from None
    notebook: Json = json.loads(json.dumps(found))
    _check(notebook["metadata"].get("agentloop"), path)
    return notebook


def _check(ours: Any, path: Path) -> None:
    """Raise `UserError` unless what stands under our key can be worked with."""
    if not isinstance(ours, dict):
        raise UserError(f"{path} was not exported by agentloop_nb: there is nothing to verify it against")
    if ours.get("format") != FORMAT:
        raise UserError(f"{path} is of format {ours.get('format')!r}; this version verifies format {FORMAT}")
    shapes = {"inputs": list, "packages": dict, "versions": dict, "seeds": list}
    whole = all(isinstance(ours.get(key), kind) for key, kind in shapes.items())
    if not whole or not all(map(_is_input, ours["inputs"])) or not isinstance(ours["versions"].get("python"), str):
        raise UserError(f"{path}: what it says of itself is damaged or forged; export the run again")


def _is_input(file: Any) -> bool:
    known = isinstance(file, dict) and isinstance(file.get("path"), str) and is_inside(file["path"])
    return known and (file.get("sha256") is None or isinstance(file["sha256"], str))
