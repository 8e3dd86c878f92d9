"""What the model is told of the namespace: within its budget, in bounded time, whatever the values do."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from tests.kernel.conftest import Place

HOSTILE = """
class Raises:
    def __repr__(self): raise RuntimeError
    def __len__(self): raise SystemExit
    def __getattr__(self, name): raise KeyboardInterrupt
    @property
    def shape(self): raise ValueError
    @property
    def dtype(self): return self
class Endless:
    def __repr__(self):
        while True: pass
class Greedy:
    def __repr__(self): return "x" * 10_000_000
class Answers:
    def __getattr__(self, name): return lambda *a, **k: self
class Liar:
    __class__ = property(lambda self: dict)
    def __len__(self): return -5
class ForModels:
    def _repr_llm_(self): return "a model of 3 layers"
    def __repr__(self): return "not this"
raises, endless, greedy, answers, liar, modelled = Raises(), Endless(), Greedy(), Answers(), Liar(), ForModels()
cycle = []; cycle.append(cycle)
"""


def test_values_are_told_with_type_shape_and_preview(place: Place) -> None:
    place.names.update(
        sales=pd.DataFrame({"month": ["Jan", "Feb"], "amount": [10, 20]}),
        grid=np.zeros((3, 4)),
        rows=[{"a": 1}, {"a": 2}],
        rate=0.25,
        np=np,
        _private=1,
    )
    exec("def clean(frame, drop=True):\n    'Tidy a frame.'\nclass Shop: pass", place.names)

    told = place.workspace.describe(1000)

    assert "- sales: DataFrame 2 x 2; columns: month (str), amount (int64)\n" in told
    assert "Jan" in told
    assert "- grid: ndarray float64[3 x 4] = array(" in told
    assert "- rows: list len 2 = [{'a': 1}, {'a': 2}]" in told
    assert "- rate: float = 0.25" in told
    assert "- clean(frame, drop=True): Tidy a frame." in told
    assert "class Shop" in told
    assert "_private" not in told
    assert "- np" not in told
    assert told.index("- rate") < told.index("- sales"), "the newest comes first"


def test_hostile_values_neither_crash_nor_hang(place: Place) -> None:
    exec(HOSTILE, place.names)
    began = time.monotonic()

    told = place.workspace.describe(2000)

    assert time.monotonic() - began < 10
    assert len(told) <= 2000 * 4
    for name in ("raises", "endless", "greedy", "answers", "liar", "modelled", "cycle"):
        assert name in told
    assert "a model of 3 layers" in told
    assert "not this" not in told


def test_the_budget_is_kept_and_what_is_left_out_is_counted(place: Place) -> None:
    place.names.update({f"variable_{n}": list(range(n)) for n in range(2000)})

    for tokens in (50, 200, 1000, 4000):
        told = place.workspace.describe(tokens)
        assert len(told) <= tokens * 4
    assert " more" in told


def test_privacy_withholds_values_and_shapes(place: Place) -> None:
    place.names.update(sales=pd.DataFrame({"secret": ["hunter2"]}), token="hunter2")

    place.workspace.privacy = "schema"
    schema = place.workspace.describe(1000)
    place.workspace.privacy = "none"
    names = place.workspace.describe(1000)

    assert "secret (str)" in schema
    assert "hunter2" not in schema
    assert "sales" in names
    assert "secret" not in names


def test_earlier_runs_are_told(place: Place) -> None:
    place.workspace.earlier.append(("plot sales by month", "Made a line chart."))

    assert "Goal: plot sales by month\n  Result: Made a line chart." in place.workspace.describe(1000)
