"""Values from before the run as data: what travels comes back exactly, and what cannot travel stays a parameter."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agentloop_nb.export.anonymize import Anonymizer
from agentloop_nb.export.embedded_data import hold
from agentloop_nb.verify import verify
from tests.record.kernels import Kernel, kernel, script

FRAME = pd.DataFrame(
    {"name": ["a", "ü,\n", "NA "], "n": [1, 2, 3], "x": [0.1, 1 / 3, math.nan], "ok": [True, False, True]}
)
DAYS = pd.date_range("2026-01-01", periods=3, name="day").as_unit("ns")


class Hostile(list):
    def __repr__(self):
        return "__import__('os').abort()"

    def __reduce__(self):
        return os.abort, ()


def made_again(value: Any, folder: Path) -> Any:
    """The value that the cell makes; None for one that does not travel."""
    data = hold({"value": value}, "run-data", Anonymizer(folder, lambda text: text.replace("sk-secret", "***")))
    if data is None:
        return None
    for path, content in data.files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
    names: dict[str, Any] = {}
    exec(data.source, names)
    return names["value"]


@pytest.mark.parametrize(
    "value",
    [
        41,
        -0.1,
        "text with 'quotes' and ü",
        b"\x00\xff",
        (1, 2.0, True, None),
        {"a": [1, {2, 3}], 4: ("x",)},
        [dt.date(2026, 1, 2), dt.datetime.fromisoformat("2026-01-02 03:00"), dt.timedelta(1)],
        Decimal("0.10"),
        list(range(5_000)),
        [math.inf, math.nan],
        {str(number): [number, number / 7, None, "ü"] for number in range(500)},
        "long " * 1_000,
        np.float64(2.5),
        np.int32(7),
        np.arange(6.0).reshape(2, 3),
        np.array([], dtype="int8"),
        np.array(["2026-01-01", "NaT"], dtype="datetime64[D]"),
        FRAME,
        FRAME.set_index("name"),
        FRAME.assign(day=DAYS, kind=pd.Categorical(["u", "v", "u"]), small=np.int8(3)),
        pd.DataFrame({"n": [1, 2, 3]}, index=pd.DatetimeIndex(["2026-01-01", "2026-01-02", "2026-01-04"], name="day")),
        FRAME.x,
        FRAME.n.rename(None),
        pd.Series([1.5, 2.5], index=["a", "b"], name="s"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_comes_back_exactly(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    again = made_again(value, tmp_path)
    assert type(again) is type(value)
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(again, value, check_exact=True)
    elif isinstance(value, pd.Series):
        pd.testing.assert_series_equal(again, value, check_exact=True)
    elif isinstance(value, np.ndarray):
        np.testing.assert_array_equal(again, value)
        assert again.dtype == value.dtype
    else:
        assert repr(again) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Hostile([1]),
        [Hostile([1])],
        {"k": Hostile([1])},
        np.array([Hostile([1])], dtype=object),
        pd.DataFrame({"o": [Hostile([1])]}),
        "x" * 6_000_000,
        np.zeros(1_000_000),
        "key sk-secret",
        ["long " * 200, "sk-secret"],
        pd.DataFrame({"k": ["sk-secret"]}),
        pd.DataFrame({"password": ["open sesame"]}),
        [{"api_key": "open sesame"}],
        "ghp_abcdefghijklmnopqrstuvwxyz0123",
        pd.Series(["x", "https://me:open-sesame@example.org/"]),
        f"{Path.home()}/data.csv",
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_plain_not_exact_too_large_or_private_stays(value, tmp_path):
    assert made_again(value, tmp_path) is None
    assert list(tmp_path.iterdir()) == []


# -- in a living kernel


def export(live: Kernel, decisions: list[str], *commands: str) -> str:
    replayed = script(live.folder.parent / f"{live.folder.name}.jsonl", decisions)
    live.run("%load_ext agentloop_nb")
    live.run(f"%%agent -m replay:{replayed} Do it", timeout=120)
    return "".join(live.text(command) for command in commands)


def cells(path: Path) -> dict[str, str]:
    return {cell["id"]: "".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]}


@pytest.fixture
def live(tmp_path):
    (tmp_path / "work").mkdir()
    with kernel(tmp_path / "work") as started:
        yield started


@pytest.mark.kernel
def test_what_no_known_cell_makes_travels_as_data_and_the_notebook_is_sound(live):
    live.run("globals()['hid' + 'den'] = 5\nexec('import pandas as pd; tab' + 'le = pd.DataFrame({\"a\": [1, 2]})')")
    live.run("exec('model = ob' + 'ject()')")
    told = export(live, ["hidden + 1", "table.a.sum()"], "%agent export run.ipynb")
    assert "Reproduced: 2 of 2 outputs are identical in a fresh kernel" in told, told
    run = live.folder / "run.ipynb"
    assert "hidden = 5" in cells(run)["data-1"]
    assert 'table = pd.read_csv("run-data/table-' in cells(run)["data-1"].replace("'", '"')
    (held,) = json.loads(run.read_text())["metadata"]["agentloop"]["inputs"]
    assert (live.folder / held["path"]).read_text() == "a\n1\n2\n"
    first = run.read_bytes()
    live.run("%agent export run.ipynb")
    assert run.read_bytes() == first

    nbval = [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "run.ipynb"]
    done = subprocess.run(nbval, capture_output=True, text=True, cwd=live.folder)
    assert done.returncode == 0, done.stdout
    (live.folder / held["path"]).write_text("a\n1\n3\n")
    assert "is not the one that the run read" in verify(run).cause


@pytest.mark.kernel
def test_where_its_cell_does_not_make_it_again_the_value_itself_is_brought(live):
    (live.folder / "gone.txt").write_text("was here")
    live.run("import numpy as np\nnoise = np.random.rand(50)")
    live.run("text = open('gone.txt').read()\n!rm gone.txt")
    live.run("def double(x):\n    return 2 * x")
    told = export(
        live,
        ["noise.round(3)", "double(len(text))", "now = 1"],
        "%agent export run.ipynb",
        "%agent export --minimal run-short.ipynb",
    )
    assert "Reproduced: 3 of 3 outputs are identical in a fresh kernel" in told, told
    found = cells(live.folder / "run.ipynb")
    assert found["earlier-1"].startswith("def double"), "what is no data comes as its cell"
    assert "noise = np.load(" in found["data-1"]
    assert "text = 'was here'" in found["data-1"]
    assert "open('gone.txt')" not in "".join(found.values())


@pytest.mark.kernel
def test_what_the_run_changed_and_what_is_no_data_stay_parameters_and_nothing_is_left_behind(live):
    live.run("exec('total = 41; thing = ob' + 'ject(); se' + 'cret = \"sk-\" + \"abcdefgh\" * 5')")
    told = export(live, ["total += 1\ntotal", "type(thing)", "len(secret)"], "%agent export run.ipynb")
    assert "'total' came from an earlier cell" in told
    found = cells(live.folder / "run.ipynb")
    assert found["parameters"].splitlines()[1:] == ["# total = ...", "# thing = ...", "# secret = ..."]
    assert "data-1" not in found
    assert not (live.folder / "run-data").exists()


@pytest.mark.kernel
def test_a_shared_folder_takes_the_data_along(live, tmp_path):
    live.run("exec('num' + 'bers = list(range(2_000))')")
    told = export(live, ["sum(numbers)"], f"%agent export --share {tmp_path}/given")
    assert "eproduced" in told
    assert verify(tmp_path / "given" / "run.ipynb").ok
    (held,) = (tmp_path / "given" / "run-data").iterdir()
    assert json.loads(held.read_text())[-1] == 1_999


MORE_DATA = {
    "labels of two levels": (
        "pd.DataFrame({'v': [.1, .2]}, index=pd.MultiIndex.from_tuples([('x', 1), ('y', 2)], names=['k', None]))"
    ),
    "columns of two levels": "pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([('a', 'x'), ('b', 'y')]))",
    "words that look missing": "pd.DataFrame({'code': ['NA', 'null', '', None]})",
    "cells of many types": "pd.DataFrame({'o': [1, 'a', dt.date(2026, 1, 1), None, Decimal('1.5'), (1, 2)]})",
    "lists in cells": "pd.DataFrame({'l': [[1, 2], [3]]})",
    "columns with numbers": "pd.DataFrame(np.arange(4.).reshape(2, 2))",
    "columns of one name": "pd.DataFrame([[1, 2]], columns=['a', 'a'])",
    "times at regular distances": "pd.Series([1., 2.], index=pd.date_range('2026-01-01', periods=2))",
    "a column of objects": "pd.Series([1, None, 'NA'], dtype=object, name='q')",
    "long dictionaries with sets": (
        "{'a': {1, 2}, 'b': (1, dt.date(2026, 1, 1)), 'n': {'x': [float('nan'), None]}, 'l': 'x' * 600}"
    ),
    "numbers of numpy in a dictionary": "{'a': np.float64(1.5), 'b': [np.int64(3)], 'l': 'x' * 600}",
    "many decimals": "[Decimal('1.10')] * 300",
    "durations": "{'k': dt.timedelta(1, 2, 3), 'l': 'x' * 600}",
    "sets in sets": "[frozenset({1, ('a', 2)})] * 200",
    "keys that are tuples": "{(1, 'a'): b'\\x00\\xff', None: 1j, 'l': 'x' * 600}",
    "sets in cells": "pd.DataFrame({'o': [{1}, {2}]})",
    "no number": "float('nan')",
    "numbers as keys": "{1: 'a' * 600}",
    "endless numbers": "[float('inf'), float('-inf')]",
}  # fmt: skip


@pytest.mark.parametrize("what", MORE_DATA)
def test_nested_and_labelled_values_travel(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = eval(MORE_DATA[what], {"pd": pd, "np": np, "dt": dt, "Decimal": Decimal})
    data = hold({"value": value}, "run-data", Anonymizer(None))
    assert data is not None
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run-data").mkdir()
    for path, content in data.files.items():
        (tmp_path / path).write_bytes(content)
    made: dict[str, object] = {}
    exec(data.source, made)
    again = made["value"]
    assert type(again) is type(value)
    if hasattr(value, "equals"):
        assert value.equals(again)
        assert again.index.equals(value.index)
    else:
        assert repr(again) == repr(value) or again == value
