"""Contracts evaluated where a run works: what each brings, the values told of it, and nothing left behind."""

from __future__ import annotations

import inspect
import random
import sys
import types

import numpy as np
import pandas as pd
import pytest

from agentloop_nb.agent.contract import describe
from tests.kernel.conftest import Place

WORLD = """
import asyncio, time
import numpy as np, pandas as pd
df = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
n, name, items, prices = 5, "total", [3, 1, 2], {"tea": 2.5}
huge = "x" * 1_000_000
class Silent:
    def __repr__(self): raise RuntimeError("no words")
    def __bool__(self): raise RuntimeError("no truth")
silent = Silent()
def complete(table): return len(table) == 3
def calls_complete(table): return complete(table)
def within(x, *, limit=100): return x >= limit
def among(x, limits=[100]): return x >= limits[0]
def make_above(limit): return lambda x: x >= limit
above = make_above(100)
class Judge:
    def __call__(self, x): return x >= 100
    def agrees(self, x): return x >= 100
judge = Judge()
def boom(): raise ValueError("no way")
async def later(): await asyncio.sleep(0.001); return 3
def endless():
    while True: pass
def sure(): return input("sure? ") == "y"
def secret():
    import getpass
    return getpass.getpass() == "x"
def look(): breakpoint(); return True
def trace():
    import pdb
    pdb.set_trace()
    return True
def grow(): items.append(9); return len(items)
"""

HELD = [
    "df.shape[0] == 3", "df.shape == (3, 2)", "len(df) > 2 and n < 6", "complete(df)", "calls_complete(df)",
    "not df.empty", "df['a'].sum() == 6", "(df.a > 0).all()", "np.allclose(df.a, [1, 2, 3])", "np.bool_(n == 5)",
    "np.float64(0.5) < 1", "name in {'total', 'sum'}", "0 < n < 10", "isinstance(prices, dict)", "prices['tea'] == 2.5",
    "await later() == 3", "all(x > 0 for x in items)", "any([x == 3 for x in items])", "(lambda x: x > 4)(n)",
    "sorted(items) == [1, 2, 3]", "(m := n + 1) == 6", "bool(df.a.notna().all())", "(n == 5) & np.bool_(True)",
    "f'{n}' == '5'", "items[-1] == 2", "'y' in df.b.values", "True if n else False", "max(*items) == 3",
]  # fmt: skip

FALSE = [
    ("df.shape[0] > 10", "where df.shape[0] = 3"),
    ("df.shape[0] > 10", "where df = DataFrame 3 x 2"),
    ("len(df) == n", "where len(df) = 3"),
    ("len(df) == n", "where n = 5"),
    ("await later() == 4", "where await later() = 3"),
    ("all(x > 1 for x in items)", "where items = [3, 1, 2]"),
    ("f'{n}' == '6'", "where f'{n}' = '5'"),
    ("df['a'].max() >= 10", "where df['a'].max() = 3"),
    ("prices['tea'] < 2", "where prices['tea'] = 2.5"),
    ("n == 5 and name == 'sum'", "where name = 'total'"),
    ("not complete(df)", "where complete(df) = True"),
    ("huge == ''", "xxxxx…"),
    ("silent is None", "where silent = Silent"),
    ("np.bool_(n > 5)", "is False"),
    ("df.a.isna().any()", "is False"),
]

OTHER = [
    ("df.a > 1", "no_bool", "is neither True nor False, but Series"),
    ("len(df)", "no_bool", "but int"),
    ("df.head()", "no_bool", "but DataFrame 3 x 2"),
    ("silent and n", "error", "raises RuntimeError: no truth"),
    ("missing > 3", "error", "raises NameError: name 'missing' is not defined"),
    ("df.c.sum() > 3", "error", "raises AttributeError"),
    ("prices['milk'] > 3", "error", "raises KeyError: 'milk'"),
    ("boom() == 1", "error", "raises ValueError: no way"),
    ("n / 0 > 1", "error", "raises ZeroDivisionError"),
    ("later() == 3", "false", "is False"),
    ("endless() == 1", "timeout", "takes longer than 1 s"),
    ("time.sleep(30) is None", "timeout", "takes longer than 1 s"),
    ("await asyncio.sleep(30) is None", "timeout", "takes longer than 1 s"),
    ("sure()", "error", "raises NobodyIsAsked: a contract waits for nobody"),
    ("all(map(input, items))", "error", "raises NobodyIsAsked"),
    ("secret()", "error", "raises NobodyIsAsked"),
    ("look()", "error", "raises NobodyIsAsked"),
    ("trace()", "error", "raises BdbQuit"),
    ("exit() is None", "error", "the kernel belongs to the user"),
]


@pytest.fixture
async def world(place: Place) -> Place:
    outcome = await place.run(WORLD)
    assert outcome.ending == "ok", outcome.error
    return place


@pytest.mark.parametrize("expression", HELD)
async def test_a_true_contract_holds(world: Place, expression: str) -> None:
    check = await world.workspace.check(expression, timeout=10)
    assert (check.held, check.value) == (True, "True"), check


@pytest.mark.parametrize(("expression", "told"), FALSE)
async def test_a_false_one_tells_its_values(world: Place, expression: str, told: str) -> None:
    check = await world.workspace.check(expression, timeout=10)
    assert check.outcome == "false"
    assert told in describe(check)
    assert len(describe(check)) < 2_000


@pytest.mark.parametrize(("expression", "outcome", "told"), OTHER)
async def test_what_is_neither_says_why(world: Place, expression: str, outcome: str, told: str) -> None:
    check = await world.workspace.check(expression, timeout=1 if outcome == "timeout" else 30)
    assert check.outcome == outcome
    assert told in describe(check)


async def test_a_file_written_just_before_is_not_taken_for_one_of_the_expression(world: Place) -> None:
    await world.run("import duckdb")  # what it writes makes no event, so files are judged by when they were changed
    kept, made = world.workspace.folder / "mine.txt", world.workspace.folder / "made.parquet"
    kept.write_text("mine")
    copy = f"duckdb.execute(\"COPY (SELECT 1) TO '{made}' (FORMAT parquet)\") is not None"
    check = await world.workspace.check(copy, timeout=30)
    assert (check.held, check.left) == (True, ()), check
    assert kept.read_text() == "mine"
    assert not made.exists()


EFFECTS = [
    "grow() == 4", "items.clear() is None", "df.drop(columns='b', inplace=True) is None", "(n := 7) == 7",
    "exec('n = 99; fresh = 1') is None", "prices.update(tea=9) is None", "df.__setitem__('c', 1) is None",
    "np.random.rand() < 2", "np.random.seed(3) is None", "__import__('random').random() < 2",
    "open('made.txt', 'w').write('x') == 1", "open('kept.txt', 'w').write('other') == 5",
    "__import__('os').remove('kept.txt') is None", "globals().pop('df') is not None",
    "bool(__import__('matplotlib.pyplot').pyplot.figure())",
]  # fmt: skip


@pytest.mark.parametrize("expression", EFFECTS)
async def test_evaluating_leaves_no_change_behind(world: Place, expression: str) -> None:
    import matplotlib.pyplot as plt

    folder = world.workspace.folder
    (folder / "kept.txt").write_text("kept")
    names = {key: value for key, value in world.names.items() if not key.startswith("_")}
    before = (world.names["df"].copy(), list(world.names["items"]), dict(world.names["prices"]), world.names["n"])
    states = (random.getstate(), np.random.get_state()[1].tolist(), plt.get_fignums())
    undo = world.workspace.past.size

    check = await world.workspace.check(expression, timeout=10)

    assert check.held, check
    assert check.left == ()
    assert {key: value for key, value in world.names.items() if not key.startswith("_")}.keys() == names.keys()
    pd.testing.assert_frame_equal(world.names["df"], before[0])
    assert (world.names["items"], world.names["prices"], world.names["n"]) == before[1:]
    assert (random.getstate(), np.random.get_state()[1].tolist(), plt.get_fignums()) == states
    assert [each.name for each in folder.iterdir()] == ["kept.txt"]
    assert (folder / "kept.txt").read_text() == "kept"
    assert not [key for key in world.names if "agentloop" in key]
    assert world.workspace.past.size == undo, "nothing of it can be undone later"
    assert world.told == []


REBINDING = [
    ("len(items) == 3", "len = lambda x: 99", "len"),
    ("complete(df)", "def complete(table): return True", "complete"),
    ("complete(df)", "complete.__code__ = (lambda table: True).__code__", "complete"),
    ("calls_complete(df)", "def complete(table): return True", "complete"),
    ("np.allclose(df.a, 2)", "np.allclose = lambda *a: True", "np.allclose"),
    ("np.allclose(df.a, 2)", "class np: allclose = staticmethod(lambda *a: True)", "np"),
    ("df.equals(n)", "pd.DataFrame.equals = lambda *a: True", "df.equals"),
    ("df['a'].sum() == 9", "pd.Series.sum = lambda self: 9", "Series.sum"),
    ("(df.a > 9).all()", "pd.Series.all = lambda self: True", "Series.all"),
    ("df.shape[0] > 10", "pd.DataFrame.shape = property(lambda self: (99, 2))", "DataFrame.shape"),
    ("len(df) == 99", "pd.DataFrame.__len__ = lambda self: 99", "DataFrame.__len__"),
    ("(df.a == 9).any()", "pd.Series.__eq__ = lambda self, other: self > 0", "Series.__eq__"),
    ("df.head(1).equals(n)", "setattr(pd.DataFrame, 'equals', lambda *a: True)", "DataFrame.equals"),
    ("fresh['a'].sum() == 9", "pd.Series.sum = lambda self: 9\nfresh = df", "Series.sum"),
    ("sum(items) == 0", "sum = lambda x: 0", "sum"),
    ("isinstance(df, list)", "isinstance = lambda *a: True", "isinstance"),
    ("within(n)", "within.__kwdefaults__['limit'] = 0", "within"),
    ("among(n)", "among.__defaults__[0][0] = 0", "among"),
    ("above(n)", "above.__closure__[0].cell_contents = 0", "above"),
    ("judge(n)", "type(judge).__call__ = lambda self, x: True", "judge"),
    ("df.equals(n)", "df.equals = lambda other: True", "df.equals"),
    ("judge.agrees(n)", "judge.agrees = lambda x: True", "judge.agrees"),
    ("n == 42", "class A:\n    def __eq__(self, other): return True\nn = A()", "A.__eq__"),
    ("len(rows) > 999", "class L(list):\n    def __len__(self): return 1000\nrows = L()", "L.__len__"),
    ("rows.shape[0] > 10", "class D(pd.DataFrame):\n    shape = (99, 1)\nrows = D({'a': [1]})", "D.shape"),
]


HALF = """
class Half:
    def __init__(self, n): self.n = n
    def __add__(self, other): return Half(self.n + other.n)
    def __eq__(self, other): return self.n == other.n
"""
REPLACED = [
    *[(np, "allclose"), (pd.DataFrame, "equals"), (pd.DataFrame, "shape"), (pd.DataFrame, "__len__")],
    *[(pd.Series, "sum"), (pd.Series, "all"), (pd.Series, "__eq__")],
]


@pytest.mark.parametrize(("expression", "code", "name"), REBINDING)
async def test_a_step_that_rebinds_what_a_contract_calls_voids_it(world, monkeypatch, expression, code, name) -> None:
    for owner, replaced in REPLACED:
        monkeypatch.setattr(owner, replaced, inspect.getattr_static(owner, replaced))
    await world.workspace.check(expression, timeout=10)
    assert (await world.run(code)).ending == "ok"
    check = await world.workspace.check(expression, timeout=10)
    assert (check.outcome, check.value) == ("void", f"{name} is not what it was before the first step")


async def test_a_class_of_a_library_that_comes_with_a_step_is_not_to_be_altered(world: Place, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", types.ModuleType("polars"))
    assert (await world.workspace.check("fresh.sum() == 9", timeout=10)).outcome == "error"
    code = """
import polars
polars.Series = type("Series", (), {"__module__": "polars.series", "sum": lambda self: 9})
fresh = polars.Series()"""
    assert (await world.run(code)).ending == "ok"
    check = await world.workspace.check("fresh.sum() == 9", timeout=10)
    assert (check.outcome, check.value) == ("void", "Series.sum is not what it was before the first step")


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("stack.size == 3", "class Stack:\n    def __init__(self): self.size = 3\nstack = Stack()"),
        ("len(stack) == 3", "class Stack:\n    def __len__(self): return 3\nstack = Stack()"),
        ("Half(3) + Half(3) == Half(6)", HALF),
        ("score(df) == 3", "class Score:\n    def __call__(self, table): return len(table)\nscore = Score()"),
        ("kept.total == 6", "class Table(pd.DataFrame): pass\nkept = Table({'total': [6]}).iloc[0]"),
        ("state == 'done'", "import enum\nclass State(str, enum.Enum): DONE = 'done'\nstate = State.DONE"),
    ],
)
async def test_classes_that_a_run_is_to_write_may_be_asked_about(world: Place, expression: str, code: str) -> None:
    assert not (await world.workspace.check(expression, timeout=10)).held
    assert (await world.run(code)).ending == "ok"
    check = await world.workspace.check(expression, timeout=10)
    assert check.held, check


async def test_data_may_be_bound_anew_and_a_function_be_made_and_mended(world: Place, monkeypatch) -> None:
    monkeypatch.setattr(pd.Series, "thrice", None, raising=False)  # so that it is taken away when the test ends
    del pd.Series.thrice
    checks = ["df.shape[0] == 2", "fresh(3) == 9", "df.sum() == 3", "df.thrice() == 9"]
    for each in checks:
        assert not (await world.workspace.check(each, timeout=10)).held
    await world.run("df = pd.Series([1, 2])\ndef fresh(x): return 1")
    await world.run("def fresh(x): return x * x\npd.Series.thrice = lambda self: self.sum() * 3")
    await world.run("pd.Series.thrice = lambda self: int(self.sum()) * 3")
    assert [(await world.workspace.check(each, timeout=10)).outcome for each in checks] == ["held"] * 4
