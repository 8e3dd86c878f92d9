"""Functions of tables, learned and called by the name of a variable or of a file; and isolated runs that have them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext

import pandas as pd
import pytest

from agentloop_nb.learn.proof import CALL_CELL
from tests.learn.scene import Scene, proposed, scene_of_its_own
from tests.learn.test_learning import sent
from tests.wire import decision, finish

pytestmark = pytest.mark.timeout(600)

TABLE = '''\
import pandas as pd


def region_total(sales: pd.DataFrame, region: str = "N") -> int:
    """Add up the amounts of one region of a table of sales."""
    return int(sales[sales.region == region].amount.sum())
'''


@pytest.fixture(scope="module")
def notebook(tmp_path_factory) -> Iterator[Scene]:
    """A notebook whose user has a table."""
    with scene_of_its_own(tmp_path_factory.mktemp("tables")) as made:
        made.live.run("import pandas as pd\ntable = pd.read_csv('sales.csv')")
        yield made


def test_a_function_of_a_table_is_called_by_the_name_of_a_variable_or_of_a_file(notebook):
    folder = notebook.folder
    summed = decision("run_code", code="north = int(table[table.region == 'N'].amount.sum())\nnorth")
    notebook.run("What did N sell, by `table`?", summed, finish("It is 40."))
    call = "region_total(table)"
    notebook.wire.script.append(proposed(TABLE, call, "north"))
    told = notebook.said("%agent learn region_total", "y")
    assert f": {call} brought what the run had as north" in told
    wrong = decision("region_total", sales="table.head()")
    by_name = decision("region_total", sales="table", region="S", into="south")
    by_file = decision("region_total", sales="sales.csv", into="again")
    notebook.run("And S?", wrong, by_name, by_file, finish("It is 20, and 40 by the file."))
    said = json.dumps(notebook.wire.bodies[-1]["messages"])
    assert "sales (string: name of a variable that is a pandas DataFrame, or a file: .csv" in said
    assert "'table.head()' is not the name of a variable or a file" in json.dumps(notebook.wire.bodies[-3]["messages"])
    assert notebook.said("print(south, again)") == "20 40\n"
    assert "Reproduced" in notebook.said("%agent export table.ipynb")
    cells = json.loads((folder / "table.ipynb").read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert "south = region_total(sales=table, region='S')" in code
    assert "again = region_total(sales=__import__('pandas').read_csv('sales.csv'))" in code
    assert "table = pd.read_csv('sales.csv')" in code


def test_an_isolated_run_has_what_was_learned_and_the_functions_of_the_notebook(notebook):
    live = notebook.live
    live.run(
        "from enum import Enum\nfrom agentloop_nb import action\nLIMIT = 3\nclass Colour(Enum):\n    RED = 'red'\n"
        "def helper(x): return x * LIMIT\n"
        "@action\ndef stock(colour: Colour) -> int:\n    '''Count the pieces.'''\n    return helper(4)\n"
    )
    by_name, stock = decision("region_total", sales="table", into="north"), decision("stock", colour="red", into="red")
    notebook.run("Of `table`, what did N sell?", by_name, stock, finish("It is 40, and 12."), options="--isolated")
    assert "region_total is done" in sent(notebook)
    assert "stock is done" in sent(notebook)
    assert notebook.said("print('red' in globals())") == "False\n"


def test_a_function_that_changes_the_table_it_is_given_is_not_fit():
    emptied = TABLE.replace("    return", '    sales["amount"] = 0\n    return')
    for code, changes in ((TABLE, False), (emptied, True)):
        table = pd.DataFrame({"region": ["N"], "amount": [40]})
        cell = CALL_CELL.format(
            code=code, file="f.py", name="region_total", given=["region_total", "table"], call="region_total(table)"
        )
        space: dict = {"table": table}
        with pytest.raises(AssertionError, match="it changes the table") if changes else nullcontext():
            exec(cell, space)
        assert changes or space["_learned"] == 40
