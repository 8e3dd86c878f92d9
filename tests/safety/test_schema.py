"""`--privacy schema` tells a list of allowed facts; what holds values is not told in any way."""

from __future__ import annotations

import enum
import types

import numpy as np
import pandas as pd
import pytest

from agentloop_nb.actions.withhold import withhold
from agentloop_nb.notebook.kernel.namespace import Surroundings
from agentloop_nb.protocols import Change, CodeError, CodeOutcome

VALUE = "Zebedee"


def default(a, b="Zebedee", *, c=91234):
    """Zebedee earns 91234."""


class Loud:
    """Zebedee."""

    def __repr__(self):
        return VALUE

    def __len__(self):
        return 91234


LEAKS = {
    "default": default,
    "doc": type("C", (), {"__doc__": VALUE}),
    "loud": Loud(),
    "text": VALUE * 3,
    "number": 91234,
    "span": range(91234),
    "data": b"x" * 91234,
    "pivoted": pd.DataFrame({("Zebedee", 1): [1]}),
    "by_number": pd.DataFrame({91234: [1]}),
    "by_date": pd.DataFrame({pd.Timestamp("2024-09-12"): [1]}),
    "category": pd.Series(["Zebedee"], dtype="category"),
    "index": pd.DataFrame({"a": [1]}, index=["Zebedee"]),
    "named": pd.Series([1], name="Zebedee"),
    "record": np.zeros(2, dtype=[("Zebedee", "f8")]),
    "kind": enum.Enum("Kind", "Zebedee")["Zebedee"],
    "space": types.SimpleNamespace(name="Zebedee"),
    "keys": {"Zebedee": 91234},
    "items": ["Zebedee", 91234],
    "labels": pd.DataFrame({"Zebedee\nearns": [1], "91234": [1]}),
    "nested": pd.DataFrame({"a": [{"Zebedee": 1}]}),
}


@pytest.mark.parametrize("name", LEAKS)
def test_no_value_is_told(name):
    told = Surroundings({name: LEAKS[name]}, privacy="schema").describe(2000)
    assert name in told
    assert VALUE not in told
    assert "91234" not in told
    assert "2024" not in told


def test_facts_are_told():
    table = pd.DataFrame({"month": ["a"], "amount (EUR)": [1.0], "day": pd.to_datetime(["2020-01-01"])})
    names = {"sales": table, "m": np.zeros((3, 4)), "rows": [1, 2], "default": default, "C": Loud}
    told = Surroundings(names, privacy="schema").describe(2000)
    for fact in ("sales: DataFrame 1 x 3", "amount (EUR) (float64)", "day (datetime64[", "m: ndarray float64[3 x 4]"):
        assert fact in told
    for fact in ("rows: list len 2", "default(a, b, c)", "class C"):
        assert fact in told


CHANGES = [
    (Change(name="a", how="added", type="DataFrame", detail="60 x 3"), "60 x 3"),
    (Change(name="a", how="added", type="ndarray", detail="float64[10]"), "float64[10]"),
    (Change(name="a", how="added", type="list", detail="len 4"), "len 4"),
    (Change(name="a", how="added", type="range", detail="len 91234"), ""),
    (Change(name="a", how="added", type="str", detail="len 7"), ""),
    (Change(name="a", how="added", type="Loud", detail="len 91234"), ""),
    (Change(name="a", how="added", type="ndarray", detail="[('Zebedee', '<f8')][2]"), ""),
]


@pytest.mark.parametrize(("change", "detail"), CHANGES)
def test_of_changes_the_same_facts_are_told(change, detail):
    told = withhold(CodeOutcome(ending="ok", changes=(change,)), "schema")
    assert told.changes[0].detail == detail


ERRORS = [
    ("NameError", "name 'total' is not defined", "print(total)", "total"),
    ("NameError", "name 'Zebedee' is not defined", "eval(people.name[0])", ""),
    ("NameError", "Zebedee earns 91234", "raise NameError(x)", ""),
    ("ModuleNotFoundError", "No module named 'nump'", "import nump", "nump"),
    ("ModuleNotFoundError", "No module named 'Zebedee'", "__import__(x)", ""),
    ("ImportError", "cannot import name 'sine' from 'math' (/home/zebedee/x)", "from math import sine", "sine"),
    ("ImportError", "Zebedee", "raise ImportError(x)", ""),
    ("SyntaxError", "invalid syntax (<string>, line 1)", "eval(x)", ""),
    ("SyntaxError", "'(' was never closed", "print(", "never closed"),
    ("SyntaxError", "Zebedee", "raise SyntaxError(x)", ""),
    ("ValueError", "no row for Zebedee", "f(x)", ""),
    ("KeyError", "'Zebedee'", "d[x]", ""),
]


@pytest.mark.parametrize(("kind", "message", "code", "told"), ERRORS)
@pytest.mark.parametrize("privacy", ["schema", "none"])
def test_messages_are_told_only_where_they_speak_of_the_code(kind, message, code, told, privacy):
    outcome = CodeOutcome(ending="error", error=CodeError(type=kind, message=message, traceback=message, line=1))
    error = withhold(outcome, privacy, code).error
    assert "Zebedee" not in error.message + error.traceback
    assert "zebedee" not in error.message
    assert (told in error.message) if told else (error.message == "(message withheld)")
