"""Tries a proposed function in a fresh kernel: its call has to bring what the steps of the run bring there."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any, NamedTuple

from agentloop_nb._internal.text import on_one_line
from agentloop_nb.errors import UserError
from agentloop_nb.export.dependencies import names_of
from agentloop_nb.learn.material import Material
from agentloop_nb.learn.proposal import ProposeFunction, Unfit
from agentloop_nb.verify.kernel_run import Performance, perform
from agentloop_nb.verify.output_compare import failed
from agentloop_nb.verify.outside import real_path

Json = dict[str, Any]

CALL, COMPARE = "learn-call", "learn-compare"
"""Ids of the cells that are put around those of the steps."""
CALL_CELL = """\
def _copied(values):
    return {{name: value.copy() for name, value in values.items() if type(value).__name__ in ("DataFrame", "Series")}}


_space = {{"__name__": "learned"}}
exec(compile({code!r}, {file!r}, "exec"), _space)
_before = _copied({{name: globals()[name] for name in {given!r} if name in globals()}})
_learned = eval({call!r}, {{**_space, **globals(), {name!r}: _space[{name!r}]}})
_changed = [name for name, value in _before.items() if not value.equals(globals()[name])]
assert not _changed, f"it changes the table it is given: {{_changed}}"
del _copied, _before, _changed"""
"""The cell that calls the function before the steps, and keeps what it brought."""
_COMPARE = """\
def _same(a, b):
    import math
    kind = type(b).__name__
    if kind in ("DataFrame", "Series", "Index", "ndarray") or hasattr(b, "dtype"):
        import numpy as np
        if type(a).__name__ != kind and not np.isscalar(b):
            return False
        if kind in ("DataFrame", "Series"):
            import pandas as pd
            compare = pd.testing.assert_frame_equal if kind == "DataFrame" else pd.testing.assert_series_equal
            try:
                compare(a, b)
            except AssertionError:
                return False
            return True
        try:
            return bool(np.allclose(a, b, equal_nan=True))
        except TypeError:
            return bool(np.array_equal(a, b))
    if isinstance(b, float) or isinstance(a, float):
        return a == b or math.isclose(a, b, rel_tol=1e-9) or (a != a and b != b)
    if isinstance(b, dict):
        return isinstance(a, dict) and a.keys() == b.keys() and all(_same(a[key], b[key]) for key in b)
    if isinstance(b, (list, tuple)):
        return isinstance(a, (list, tuple)) and len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)
_result = {result}
assert _same(_learned, _result), f"the call brought {{_learned!r:.200}}, the steps {{_result!r:.200}}"
"""


class Proof(NamedTuple):
    """A function that was tried, and that did what it should."""

    call: str
    result: str
    how: str
    """What kept the kernel apart."""

    @property
    def told(self) -> str:
        return f"{on_one_line(self.call)} brought what the run had as {on_one_line(self.result)}"


def prove(proposal: ProposeFunction, name: str, found: Material, timeout: int) -> Proof:
    """Run the steps and the call in a fresh kernel; `timeout` is in seconds a cell.

    Raises `Unfit` where the proposal is at fault, `UserError` where the steps themselves do not run again.
    """
    notebook = _notebook(proposal, name, found)
    paths = {str(file["path"]) for file in notebook["metadata"]["agentloop"]["inputs"]}
    inputs = {path: real for path in paths if (real := real_path(path, found.folder)).is_file()}
    run = perform(notebook, inputs, origin=found.folder.resolve(), timeout=timeout, hash_seed=1)
    ended = [cell["id"] for cell in notebook["cells"] if cell["id"] in run.outputs and failed(run.outputs[cell["id"]])]
    for cell in ended:
        if cell == CALL:
            raise Unfit(f"{proposal.call} fails", _error(run, cell))
        if cell == COMPARE:
            raise Unfit(f"{proposal.call} is not equal to {proposal.result}", _error(run, cell))
        if not _may_fail(notebook, cell):
            raise UserError(f"the steps of the run do not run again in a fresh kernel: {_error(run, cell)}")
    if run.died:
        what = "took longer than its time limit" if run.died[1] == "timeout" else "ended its kernel"
        if run.died[0] == CALL:
            raise Unfit(f"{proposal.call} {what}")
        raise UserError(f"the steps of the run do not run again in a fresh kernel: {run.died[0]} {what}")
    return Proof(proposal.call, proposal.result, run.how)


def _notebook(proposal: ProposeFunction, name: str, found: Material) -> Json:
    """Return the notebook of the run with the call before the steps and the comparison after them."""
    notebook = deepcopy(found.notebook)
    first, last = found.places
    given = sorted(names_of(proposal.call).uses)
    call = CALL_CELL.format(code=proposal.code, file=f"{name}.py", name=name, given=given, call=proposal.call.strip())
    cells = notebook["cells"]
    cells[last + 1 :] = [_cell(COMPARE, _COMPARE.format(result=proposal.result.strip()))]
    cells.insert(first, _cell(CALL, call))
    plain: Json = json.loads(json.dumps(notebook))
    return plain


def _cell(name: str, source: str) -> Json:
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": source,
    }


def _may_fail(notebook: Json, name: str) -> bool:
    cell = next(cell for cell in notebook["cells"] if cell["id"] == name)
    return "raises-exception" in cell["metadata"].get("tags", ())


def _error(run: Performance, cell: str) -> str:
    error = failed(run.outputs[cell]) or {}
    return on_one_line(f"{error.get('ename')}: {error.get('evalue')}")[:500]
