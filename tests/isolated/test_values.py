"""What is handed back from an isolated process: the values that are data, whole; of everything else, nothing."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from agentloop_nb.isolated.codec import Builder, Packer
from agentloop_nb.isolated.unsupported import Refused


def trip(value, folder: Path):
    place = folder / str(len(list(folder.iterdir())))
    place.mkdir()
    Packer(place).save(value, "value.json")
    return Builder(place).load("value.json")


DAYS = pd.date_range("2020-01-30", periods=3, freq="D")
FRAME = pd.DataFrame(
    {
        "numbers": [1, 2, 3],
        "texts": ["x", None, "ż"],
        "categories": pd.Categorical(["u", "v", "u"], categories=["v", "u"], ordered=True),
        "days": DAYS,
        "zoned": DAYS.tz_localize("Europe/Berlin"),
        "whole": pd.array([1, None, 3], dtype="Int64"),
        "maybe": pd.array([True, None, False], dtype="boolean"),
        "strings": pd.array(["a", None, "c"], dtype="string"),
        "spans": pd.to_timedelta([1, 2, 3], "s"),
        "bins": pd.cut([1, 2, 3], 3),
        "mixed": [[1], {2: 3}, None],
        "floats": np.array([1, np.nan, np.inf], "f4"),
    },
    index=DAYS,
)


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, -5, 2**20_000, 1.5, float("inf"), "ä\ud800\n", b"\xff", bytearray(b"y"), 1j, range(1, 9, 2)),
        *([1, (2, {3}), frozenset([4])], {(1, 2): {"a": None}}, {}, Decimal("1.10"), Fraction(-1, 3), Path("a/b")),
        *(
            dt.date(2020, 1, 1),
            dt.timedelta(-1, 2, 3),
            dt.time(3, 4),
            dt.datetime.fromisoformat("2020-10-25T02:30").replace(fold=1),
        ),
        *(dt.datetime(2020, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
        *(np.float32(1.5), np.int8(-1), np.str_("a"), np.datetime64("2020-01-01", "D")),
        *(pd.Timestamp("2020-01-01 10:00", tz="Europe/Berlin"), pd.Timedelta("1D"), pd.Interval(0, 1, "both")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_come_back_as_they_were(value, tmp_path):
    back = trip(value, tmp_path)
    assert type(back) is type(value)
    assert back == value


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24).reshape(2, 3, 4),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([], dtype="f4"),
        np.array(3.5),
        np.array(["a", "bcd"]),
        np.array(["2020", "NaT"], "M8[D]"),
        np.array([None, "x", [1]], dtype=object),
        np.arange(10)[::3],
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_come_back_as_they_were_and_can_be_changed(array, tmp_path):
    back = trip(array, tmp_path)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(back, array)
    assert back.flags.writeable


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        FRAME.set_index(["numbers", "texts"]),
        FRAME.groupby("categories", observed=True)[["numbers"]].agg(["mean", "sum"]),
        pd.DataFrame([[1, 2]], columns=["twice", "twice"]),
        pd.DataFrame(columns=["a"]),
        pd.DataFrame(index=[1, 2]),
    ],
)
def test_tables_come_back_as_they_were(frame, tmp_path):
    pd.testing.assert_frame_equal(trip(frame, tmp_path), frame)
    for name in frame.columns if frame.columns.is_unique else ():
        pd.testing.assert_series_equal(trip(frame[name], tmp_path), frame[name])
    pd.testing.assert_index_equal(trip(frame.index, tmp_path), frame.index)


def leave(*_):
    raise SystemExit


CALLED = ("__reduce__", "__repr__", "__iter__", "__len__", "__eq__", "items", "keys")
Hostile = type("Hostile", (dict,), {**dict.fromkeys(CALLED, leave), "__hash__": None})
"""Does harm if anything of it is called."""


endless: list[object] = []
endless.append(endless)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (object(), "a object cannot"),
        (Hostile(), "a Hostile cannot"),
        ([Hostile()], "a Hostile cannot"),
        (pd.DataFrame({"a": [Hostile()]}), "a Hostile cannot"),
        (lambda: 0, "a function cannot"),
        (json, "a module cannot"),
        (endless, "nested too deeply"),
        (np.array([(1, 2)], dtype=[("a", int), ("b", int)]), "an array of"),
        (pd.period_range("2020", periods=2, freq="M"), "a PeriodIndex cannot"),
        (FRAME.assign(sparse=pd.arrays.SparseArray([0, 0, 1])), "a column of Sparse"),
    ],
    ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
)
def test_everything_else_is_refused_with_a_word(value, why, tmp_path):
    with pytest.raises(Refused, match=why):
        trip(value, tmp_path)


@pytest.mark.parametrize(
    "tree",
    [
        "{",
        "[1, 2]",
        '{"is": "nothing"}',
        '{"is": "list"}',
        '{"is": "array", "dtype": "O", "shape": [1], "file": "1.raw", "scalar": false}',
        '{"is": "array", "dtype": "<i8", "shape": [9], "file": "1.raw", "scalar": false}',
        '{"is": "array", "dtype": "|u1", "shape": [-1], "file": "../../secret", "scalar": false}',
        '{"is": "array", "dtype": "|u1", "shape": [-1], "file": "link", "scalar": false}',
        '{"is": "array", "dtype": "|u1", "shape": [-1], "file": "pipe", "scalar": false}',
        '{"is": "fraction", "text": "1e999999999"}',
        '{"is": "int", "hex": "__import__"}',
        '{"is": "dict", "pairs": [[{"is": "list", "items": []}, 1]]}',
        '{"is": "datetime", "iso": "2020-01-01", "fold": 0, "zone": "../../../etc/passwd"}',
        '{"is": "series", "array": {"of": "masked", "dtype": "object", "data": 1, "missing": 1}}',
        '{"is": "values", "array": {"of": "zoned", "zone": "dateutil//etc/passwd", "data": 1}}',
        "9" * 5000,
        '{"is": "list", "items": [' * 3000 + "]}" * 3000,
    ],
    ids=lambda tree: tree[:60],
)
def test_forged_and_damaged_trees_build_nothing(tree, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "secret").write_text("secret")
    (place / "1.raw").write_bytes(bytes(8))
    (place / "link").symlink_to(tmp_path / "secret")
    __import__("os").mkfifo(place / "pipe")
    (place / "value.json").write_text(tree)
    with pytest.raises(Refused):
        Builder(place).load("value.json")


@pytest.mark.parametrize("kind", ["set", "frozenset", "dict"])
def test_keys_that_share_a_hash_are_refused_before_they_are_put_together(kind, tmp_path):
    keys = [{"is": "int", "hex": hex(number * (2**61 - 1))} for number in range(5_000)]
    parts = {"pairs": [[key, 1] for key in keys]} if kind == "dict" else {"items": keys}
    (tmp_path / "value.json").write_text(json.dumps({"is": kind, **parts}))
    with pytest.raises(Refused, match="the same hash"):
        Builder(tmp_path).load("value.json")
    assert trip({-1: 1, -2: 2, **dict.fromkeys(range(500))}, tmp_path)[-2] == 2
