"""Reaches a verdict on a notebook: performs it once, and again where it came out differently."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import nbformat

from agentloop_nb.errors import UserError
from agentloop_nb.export import write
from agentloop_nb.export.anonymize import Anonymizer
from agentloop_nb.export.checksums import broken, seal
from agentloop_nb.export.inputs import is_inside
from agentloop_nb.export.notebook_writer import CONTRACT, FORMAT, UNCHECKED
from agentloop_nb.record import visible_cells
from agentloop_nb.verify import diagnosis
from agentloop_nb.verify.clock import clock_cells
from agentloop_nb.verify.kernel_run import Performance, perform
from agentloop_nb.verify.output_compare import failed, same, same_for_nbval, skeleton
from agentloop_nb.verify.outside import Outside, described, may_be_input, real_path
from agentloop_nb.verify.verdict import CELL, Verdict, reader_names

Json = dict[str, Any]

MAX_NOTEBOOK = 256 * 1024 * 1024
"""Bytes of a notebook that are read at all."""
DATES = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %B %Y", "%B %d, %Y", "%Y%m%d")
"""How a date is usually written."""
MOST_ROUNDS = 3
"""Of finding out which files elsewhere are read: one may name the next."""
UNKNOWN = (
    "it reads something outside of the notebook's folder; put what it needs beside the notebook, read that, and "
    "export again"
)
HASH_SEEDS = (1, 20261, 977)
"""Of the three runs that tell chance from a hidden dependency."""


class Certifier:
    """Verifies one notebook."""

    def __init__(self, path: Path, timeout: int, *, own: bool = False) -> None:
        self._path = path
        self._timeout = timeout
        self._own = own
        self._notebook = _read(path)
        self._ours: Json = self._notebook["metadata"]["agentloop"]
        self._cells: list[Json] = [cell for cell in self._notebook["cells"] if cell["cell_type"] == "code"]
        self._clock = clock_cells(self._cells)
        self._pictures = not diagnosis.changed_packages(self._notebook)
        self._performances: list[Performance] = []
        self._names = reader_names(self._notebook["cells"])

    def verdict(self) -> Verdict:
        """Check the seal, the input files, then every cell. A first verdict, or a better one, is written down."""
        if changed := broken(self._notebook):
            cell = changed.removeprefix("cell ") if changed.startswith("cell ") else None
            how = "taken off or changed" if changed == "the seal" else "changed after it was verified"
            return self._named(Verdict(ok=False, cell=cell, cause=f"{'it' if cell else changed} was {how}"))
        verdict = self._named(self._forged() or self._inputs() or self._with_inputs())
        if not (self._ours.get("verdict") or {}).get("ok"):
            self._write(verdict)
        return verdict

    def _named(self, verdict: Verdict) -> Verdict:
        told = {verdict.cell, *verdict.unchecked}
        return verdict.model_copy(update={"names": {name: self._names[name] for name in told if name in self._names}})

    def _write(self, verdict: Verdict) -> None:
        cells = [cell for cell in self._notebook["cells"] if cell["id"] != CELL]
        told = {
            "cell_type": "markdown",
            "id": CELL,
            "metadata": {},
            "source": verdict.told(self._ours, self._path.name),
        }
        self._notebook["cells"] = [*cells, told]
        self._ours["verdict"] = verdict.model_dump(mode="json") | {"text": verdict.text}
        seal(self._notebook)
        write(self._notebook, self._path)

    def _forged(self) -> Verdict | None:
        """Return a verdict if a cell hides its code, or shows outputs that no run made; then nothing is run."""
        forged = ((cell["id"], why) for cell in self._cells if (why := visible_cells.forged(cell)))
        return next((Verdict(ok=False, cell=cell, cause=why) for cell, why in forged), None)

    # -- input files

    def _inputs(self) -> Verdict | None:
        """Return a verdict if an input file is missing or changed."""
        for file in self._ours["inputs"]:
            found = described(file["path"], self._path.parent.absolute())
            if file["sha256"] is None and found["sha256"] is None:
                return Verdict(ok=False, cause=f"the input file {file['path']!r} is missing since before the export")
            if found["sha256"] is None:
                return Verdict(ok=False, cause=f"the input file {file['path']!r} is missing{self._where(file)}")
            if found["sha256"] != file["sha256"]:
                return Verdict(ok=False, cause=f"the input file {file['path']!r} is not the one that the run read")
        return None

    @staticmethod
    def _where(file: Json) -> str:
        return " beside the notebook" if is_inside(file["path"]) else ""

    # -- what lies outside

    def _with_inputs(self) -> Verdict:
        """Run it; of a run of one's own, plain files that it reads elsewhere become inputs, and it runs again."""
        verdict = self._run()
        if verdict.ok or not self._own:
            return self._or_here(verdict)
        for _ in range(MOST_ROUNDS):
            known = {file["path"] for file in self._ours["inputs"]}
            found = [file for file in self._outside(self._performances[0]).inputs() if file["path"] not in known]
            if verdict.ok or not found:
                break
            self._ours["inputs"] += found
            self._performances.clear()
            verdict = self._run()
        return self._or_here(verdict)

    def _or_here(self, verdict: Verdict) -> Verdict:
        """Of a notebook that needs more than it says: whether it comes out the same with all of this machine."""
        first = self._performances[0]
        if verdict.ok or verdict.here or first.died or not (self._own or first.how == "namespaces"):
            return verdict
        run = self._performed(HASH_SEEDS[0], opened=True)
        if run.died or not all(self._reason(cell) or self._same(cell, run) for cell in self._cells):
            return verdict
        cause = verdict.cause if self._outside(first).of(str(verdict.cell)) else UNKNOWN
        return verdict.model_copy(update={"here": True, "cause": cause})

    def _outside(self, run: Performance) -> Outside:
        sources = {cell["id"]: cell["source"] for cell in self._cells}
        return Outside(run, self._path.parent.absolute(), sources)

    # -- cells

    def _run(self) -> Verdict:
        """Compare every cell; what came out the same with something unseen in it proves nothing from there on."""
        first = self._perform(0)
        unchecked: dict[str, str] = {}
        checked, contract = 0, False
        outside = self._outside(first)
        tainted: tuple[str, str] | None = None
        for cell in self._cells:
            reason, why = self._judged(cell, first)
            asserts = cell["id"].partition("-")[0] == CONTRACT
            if why:
                why = f"the contract does not hold any more: {why}" if asserts else why
                return self._verdict(cell["id"], why, checked, unchecked)
            if unseen := outside.unseen(cell["id"]):
                tainted = tainted or (cell["id"], outside.told(unseen))
            if asserts:
                contract = True
            elif reason is None:
                checked += 1
                self._settle(cell, first)
            else:
                unchecked[cell["id"]] = reason
                _mark(cell, "unchecked", reason)
        if tainted:
            return self._verdict(*tainted, checked, unchecked, here=True)
        return Verdict(ok=True, checked=checked, unchecked=unchecked, contract=contract, held=first.how)

    def _verdict(
        self, cell: str, cause: str, checked: int, unchecked: dict[str, str], *, here: bool = False
    ) -> Verdict:
        how = self._performances[0].how
        return Verdict(ok=False, cell=cell, cause=cause, checked=checked, unchecked=unchecked, here=here, held=how)

    def _judged(self, cell: Json, first: Performance) -> tuple[str | None, str]:
        """Why a cell is not compared, if so; and why it did not come out as recorded, if so."""
        if why := self._ended(cell, first):
            return None, why
        reason = self._reason(cell) or (None if self._same(cell, first) else self._chance(cell))
        if reason is None and not self._same(cell, first):
            return None, diagnosis.explain(self._notebook, cell, first, self._outside(first))
        return reason or self._date(cell, first), ""

    def _perform(self, number: int) -> Performance:
        """Return the run of that number; each is made once, with another order of sets."""
        while len(self._performances) <= number:
            self._performances.append(self._performed(HASH_SEEDS[len(self._performances)]))
        return self._performances[number]

    def _performed(self, hash_seed: int, *, opened: bool = False) -> Performance:
        origin = self._path.parent.resolve()
        inputs = {file["path"]: real_path(file["path"], origin) for file in self._ours["inputs"]}
        return perform(self._notebook, inputs, origin=origin, timeout=self._timeout, hash_seed=hash_seed, opened=opened)

    def _ended(self, cell: Json, performance: Performance) -> str:
        """Why a cell could not be run to its end, or failed where it did not before."""
        if performance.died and performance.died[0] == cell["id"]:
            return "the kernel died" if performance.died[1] == "death" else f"it took longer than {self._timeout} s"
        allowed = "raises-exception" in cell["metadata"].get("tags", ())
        if failed(performance.outputs.get(cell["id"], ())) and not allowed:
            return diagnosis.explain(self._notebook, cell, performance, self._outside(performance))
        return ""

    @staticmethod
    def _reason(cell: Json) -> str | None:
        """Why a cell was never to be compared, if it says so."""
        kept = cell["metadata"].get("agentloop") or {}
        return str(kept["unchecked"]) if "unchecked" in kept else None

    def _same(self, cell: Json, performance: Performance, other: Performance | None = None) -> bool:
        """Whether a cell came out as recorded, or as in another run."""
        recorded = cell["outputs"] if other is None else self._scrubbed(cell, other)
        timed = cell["id"] in self._clock
        return same(recorded, self._scrubbed(cell, performance), timed=timed, pictures=self._pictures)

    def _scrubbed(self, cell: Json, performance: Performance) -> list[Json]:
        scrub = Anonymizer(performance.place.folder)
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
        """Return a cell that came out the same, and will not tomorrow."""
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
    if not whole or not all(map(may_be_input, ours["inputs"])) or not isinstance(ours["versions"].get("python"), str):
        raise UserError(f"{path}: what it says of itself is damaged or forged; export the run again")
