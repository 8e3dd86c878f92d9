"""Tables are told well enough to write code against; large values cost nothing; other libraries' values are not run."""

from __future__ import annotations

import sys
from collections import OrderedDict, defaultdict, namedtuple
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agentloop_nb.notebook.kernel import preview, value_facts
from agentloop_nb.notebook.kernel.namespace import Surroundings


def told(**names: Any) -> str:
    return Surroundings(names).describe(10_000)


# -- labels, types and the index


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("month", "month (int64)"),
        (2023, "2023 (int64)"),
        ("2023", "'2023' (int64)"),
        ("Name ", "'Name ' (int64)"),
        ("total sales", "'total sales' (int64)"),
        ("a\nb", r"'a\nb' (int64)"),
        ("a\tb", r"'a\tb' (int64)"),
        ("None", "'None' (int64)"),
        (None, "None (int64)"),
        (1.5, "1.5 (int64)"),
        (True, "True (int64)"),
        ("", "'' (int64)"),
        ("straße", "straße (int64)"),
        ("it's", '"it\'s" (int64)'),
        ("\u200bx", r"'\u200bx' (int64)"),
        (("a", 1), "('a', 1) (int64)"),
    ],
)
def test_a_label_is_told_as_code_has_to_spell_it(label: object, shown: str) -> None:
    frame = pd.DataFrame({"x": [1, 2]})
    frame.columns = pd.Index([label], dtype=object, tupleize_cols=False)

    assert f"; columns: {shown}" in told(frame=frame)


def test_one_long_label_loses_no_other_column() -> None:
    frame = pd.DataFrame({"first": [1], "x" * 8_000: [2], "last": [3]})

    line = told(frame=frame)

    assert "first (int64)" in line
    assert "last (int64)" in line
    assert len(line) < 1_500


def test_many_categories_lose_no_other_column() -> None:
    kinds = pd.CategoricalDtype([f"category {n}" for n in range(2_000)])
    frame = pd.DataFrame({"kind": pd.Series(["category 1"], dtype=kinds), "amount": [1]})

    assert "kind (category), amount (int64)" in told(frame=frame)


def test_where_there_is_little_room_the_columns_stay() -> None:
    frame = pd.DataFrame({f"column_{n}": ["some text"] for n in range(10)})

    line = Surroundings({"frame": frame}).describe(120)

    assert "column_9 (str)" in line


@pytest.mark.parametrize(
    ("index", "shown"),
    [
        (pd.RangeIndex(2), None),
        (pd.RangeIndex(2, name="n"), "; index: n (int64)"),
        (pd.Index(["a", "b"]), "; index: str"),
        (pd.Index(["a", "b"], name="month"), "; index: month (str)"),
        (pd.Index([5, 6], name="the year"), "; index: 'the year' (int64)"),
        (pd.date_range("2026", periods=2, tz="Europe/Berlin", name="day"), "day (datetime64[us, Europe/Berlin])"),
        (pd.period_range("2026-01", periods=2, freq="M"), "; index: period[M]"),
        (pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["city", None]), "; MultiIndex: city (str), int64"),
        (pd.CategoricalIndex(["a", "b"], name="kind"), "; index: kind (category)"),
        (pd.interval_range(0, 2, name="bin"), "; index: bin (interval[int64, right])"),
        (pd.RangeIndex(10, 12), "; index: int64"),
    ],
)
def test_the_index_is_told(index: pd.Index, shown: str | None) -> None:
    for value in (pd.DataFrame({"v": [1, 2]}, index=index), pd.Series([1, 2], index=index, name="v")):
        line = told(value=value)
        assert "ndex:" not in line if shown is None else shown in line


def test_rows_are_told_with_their_index() -> None:
    frame = pd.DataFrame({"v": [1.5, 2]}, index=pd.Index(["Jan", "Feb"], name="month"))

    assert told(frame=frame).splitlines()[2:4] == ["    month    v", "      Jan  1.5"]


def test_a_frame_with_a_column_called_name_is_not_called_changed() -> None:
    from agentloop_nb.notebook.snapshots.data_tables import TABLE

    frame = pd.DataFrame({"name": ["a", "b"]})

    assert TABLE.same(frame, TABLE.save(frame))


# -- large values


class _List(list[int]):
    pass


class _Text(str):
    pass


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (bytes(50_000_000), "len 50000000 = b'\\x00"),
        (bytearray(50_000_000), "len 50000000 = bytearray(b'\\x00"),
        ("x" * 50_000_000, "len 50000000 = 'xxx"),
        (_Text("x" * 1_000_000), "len 1000000 = 'xxx"),
        (_List(range(1_000_000)), "len 1000000 = [0, 1, 2, 3, 4, …]"),
        ({str(n): n for n in range(300_000, 0, -1)}, "len 300000 = {'300000': 300000, '299999'"),
        (defaultdict(int, {n: n for n in range(100_000)}), "len 100000 = {0: 0, 1: 1,"),
        (OrderedDict({n: n for n in range(100_000)}), "len 100000 = {0: 0, 1: 1,"),
        (set(range(1_000_000)), "len 1000000 = {0, 1, 2, 3, 4, …}"),
        (frozenset(range(1_000_000)), "len 1000000 = frozenset({0, 1, 2, 3, 4, …})"),
        (10**400_000, "= <an integer of 1,328,772 bits>"),
        (np.zeros((3_000, 3_000)), "float64[3000 x 3000] = array([[0.0, 0.0, 0.0, 0.0, 0.0, …]"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_large_value_is_sliced_before_it_is_shown(value: object, shown: str) -> None:
    import tracemalloc

    tracemalloc.start()
    line = told(value=value)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert shown in line
    assert peak < 1_000_000, "nothing of its size is made"


def test_an_ordered_dictionary_is_told_in_its_own_order() -> None:
    ordered = OrderedDict(a=1, b=2)
    ordered.move_to_end("a")

    assert "= {'b': 2, 'a': 1}" in told(ordered=ordered)


def test_records_are_told_by_their_fields() -> None:
    point = namedtuple("Point", "x y")(1, [2])

    assert "Point(x=1, y=[2])" in told(point=point)


def test_arrays_and_tables_in_containers_are_told_by_shape() -> None:
    line = told(parts={"frame": pd.DataFrame({"a": [1]}), "grid": np.zeros((2, 3))})

    assert "{'frame': <DataFrame 1 x 1>, 'grid': <ndarray float64[2 x 3]>}" in line


def test_print_options_of_numpy_change_nothing() -> None:
    with np.printoptions(threshold=sys.maxsize, formatter={"all": lambda _: "spoiled"}):
        assert preview.text(np.arange(3)) == " = array([0, 1, 2])"


def test_defaults_and_docstrings_are_values() -> None:
    names: dict[str, Any] = {}
    exec("def connect(host='10.0.0.1', *, retries: int = 3):\n    'Reads hunter2.'\nspan = range(1234)", names)
    names.pop("__builtins__")

    assert "connect(host='10.0.0.1', *, retries: int = 3): Reads hunter2." in told(**names)
    schema = Surroundings(names, privacy="schema").describe(500)
    assert "connect(host, retries)" in schema
    assert not any(word in schema for word in ("10.0.0.1", "hunter2", "1234"))


# -- subclasses that lie, and other libraries


def _leave(*_: Any) -> Any:
    raise SystemExit


_LIES = {"shape": property(_leave), "columns": property(_leave), "__len__": _leave, "head": _leave}
_Lying = type("_Lying", (pd.DataFrame,), _LIES)


def test_a_subclass_of_a_table_is_read_through_its_base() -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    frame.__class__ = _Lying

    assert "_Lying (tests) 2 x 1; columns: a (int64)\n" in told(frame=frame)


def test_polars_is_told_and_its_lazy_frames_are_not_run() -> None:
    pl = pytest.importorskip("polars")
    kinds = pl.Enum([f"category {n}" for n in range(2_000)])
    frame = pl.DataFrame({"kind": pl.Series(["category 1"] * 3, dtype=kinds), "Name ": [1, 2, 3]})
    ran: list[int] = []
    lazy = frame.lazy().map_batches(lambda batch: (ran.append(1), batch)[1])

    line = told(frame=frame, lazy=lazy, column=frame["Name "])

    assert "DataFrame (polars) 3 x 2; columns: kind (Enum of 2000), 'Name ' (Int64)" in line
    assert "- lazy: LazyFrame (polars)\n" in line
    assert "- column: Series (polars) Int64[3]; name: 'Name ' = [1, 2, 3]" in line
    assert ran == []


def test_arrow_is_told_and_a_reader_is_not_consumed() -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1, 2, 3], "2": ["x", "y", "z"]})
    reader = table.to_reader()

    line = told(table=table, reader=reader, column=table["a"])

    assert "Table (pyarrow) 3 x 2; columns: a (int64), '2' (string)" in line
    assert reader.read_all().num_rows == 3


def test_dask_loads_nothing() -> None:
    dd = pytest.importorskip("dask.dataframe")
    loaded: list[int] = []

    def load(part: int) -> pd.DataFrame:
        loaded.append(part)
        return pd.DataFrame({"a": [part]})

    frame = dd.from_map(load, [1, 2, 3], meta=pd.DataFrame({"a": [1]}))

    assert "- frame: DataFrame (dask)" in told(frame=frame)
    assert loaded == []


def test_a_relation_of_duckdb_is_not_queried() -> None:
    duckdb = pytest.importorskip("duckdb")
    ran: list[int] = []

    def twice(number: int) -> int:
        ran.append(number)
        return number * 2

    connection = duckdb.connect()
    connection.create_function("twice", twice)
    relation = connection.sql("select twice(21::bigint) as answer")
    cursor = connection.cursor().execute("select 1")

    told(relation=relation, connection=connection, cursor=cursor)

    assert ran == []
    assert cursor.fetchall() == [(1,)]


def test_sizes_are_those_of_the_data() -> None:
    frame, grid = pd.DataFrame({"a": np.zeros(1_000)}), np.zeros(500)

    assert value_facts.size(frame) == 8_000
    assert value_facts.size(grid) == 4_000
    assert value_facts.size("x" * 1_000) > 1_000
