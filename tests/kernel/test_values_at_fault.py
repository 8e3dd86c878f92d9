"""An error is told with what stood on its line: columns, keys and lengths, so that the next step need not look."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Place

FRAME = "import pandas as pd\nsales = pd.DataFrame({'month': ['a'], 'amount': [1]})\n"
TOLD = [
    (FRAME + "sales['Month']", "sales is DataFrame 1 x 2; columns: month (str), amount (int64)"),
    (FRAME + "sales.sort_values(by='day')", "sales is DataFrame 1 x 2; columns: month (str), amount (int64)"),
    (FRAME + "(sales\n .groupby(\n  'day').sum())", ""),
    (FRAME + "sales.plot(kind='scatter')", "sales is DataFrame 1 x 2"),
    (FRAME + "for each in sales['day']:\n    pass", "sales is DataFrame 1 x 2"),
    (FRAME + "sales['amont']", "sales is DataFrame 1 x 2; columns: month (str), amount (int64); 'amont' is not there"),
    ("config = {'path': 1}\nconfig['Path']", "config is dict with the keys 'path'; 'Path' is not there, 'path' is"),
    ("config = {'a': 1, 2: 3}\nconfig['b']", "config is dict with the keys 'a', 2"),
    ("config = {n: n for n in range(40)}\nconfig['b']", "config is dict with the keys 0, 1, 2"),
    ("row = [1, 2, 3]\nrow[3]", "row is list of length 3"),
    ("def last(row):\n    return row[3]\nlast((1, 2))", "row is tuple of length 2"),
    ("row = [1]\nrow.items()", "row is list of length 1"),
    ("word = 'abc'\nint(word)", "word is str of length 3"),
    ("import numpy as np\na = np.zeros((2, 3))\na[5]", "a is ndarray float64[2 x 3]"),
    ("x = 0\n1 / x", ""),
    ("missing", ""),
    ("x = 1\nx.items()", ""),
]


@pytest.mark.parametrize(("code", "told"), TOLD)
async def test_what_stood_on_the_line_is_told_below_the_error(place: Place, code: str, told: str) -> None:
    outcome = await place.run(code)
    assert outcome.error is not None
    last = outcome.error.traceback.splitlines()[-1]
    assert last.startswith(f"  {told}") if told else outcome.error.type in last or last.startswith("IndexError")


async def test_nothing_of_a_value_is_run_to_tell_it(place: Place) -> None:
    code = """
class Sly(dict):
    def __getattribute__(self, name):
        print('run', name)
        return super().__getattribute__(name)
    def __len__(self):
        print('len')
        return 1
    def __iter__(self):
        print('iter')
        return iter(())
sly = Sly()
sly['key']
"""
    outcome = await place.run(code)
    assert outcome.error is not None
    assert outcome.error.type == "KeyError"
    assert not any(output["output_type"] == "stream" for output in outcome.outputs)
    assert "sly is" not in outcome.error.traceback


async def test_a_hundred_columns_are_told_in_a_line(place: Place) -> None:
    outcome = await place.run("import pandas as pd\nwide = pd.DataFrame({f'c{n}': [n] for n in range(100)})\nwide['x']")
    assert outcome.error is not None
    assert len(outcome.error.traceback.splitlines()[-1]) < 320


async def test_values_stay_out_of_what_is_told(place: Place) -> None:
    outcome = await place.run("rows = {'key': 'hunter2'}\nrows['x']")
    assert outcome.error is not None
    assert "hunter2" not in outcome.error.traceback.splitlines()[-1]
