"""A notebook whose run takes each of the actions that are not of the first five, and what they need around them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentloop_nb.learn import library
from tests.learn.scene import CODE, SALES
from tests.mcp_tools.allowing import allow, configure
from tests.wire import Wire, decision

CELL = """\
import sqlite3
import pandas as pd
from agentloop_nb import action

df = pd.DataFrame({"region": ["N", "S", "N"], "amount": [10, 20, 30]})
con = sqlite3.connect("rates.db")

def put_back(ticker: str) -> None:
    open("taken_back", "a").write(ticker)

@action
def double(n: int) -> int:
    '''Double a number.'''
    return 2 * n

@action(reads="web", writes="files", undo=put_back)
def order(ticker: str) -> dict:
    '''Order a share.'''
    open("ordered", "a").write(ticker)
    return {"ticker": ticker, "price": 12.5}
"""
LEARNED = CODE.replace("def total_of", "from agentloop_nb import action\n\n\n@action\ndef total_of")
NAMES = {
    "query": ("totals", "int(totals.total.sum())", "60"),
    "query of a connection": ("rates", "rates.rate.tolist()", "[1.5, 2.5]"),
    "your own function": ("doubled", "doubled", "42"),
    "your function that reaches outside": ("ordered", "ordered['price']", "12.5"),
    "use_tool": ("sales", "sum(row['sales'] for row in sales['rows'])", "60"),
    "a learned function": ("south", "south", "20"),
}
"""For an action that binds: the variable, an expression of it, and its value."""

EXPORTED = {
    "query": "totals = duckdb.sql(",
    "query of a connection": "rates = pd.read_sql(",
    "your own function": "doubled = double(n=21)",
    "your function that reaches outside": "ordered = {'ticker': 'ACME', 'price': 12.5}",
    "use_tool": "sales = {'rows': [",
    "a learned function": "south = total_of(path='sales.csv', region='S')",
}
"""The line of an exported notebook that binds it."""


def steps(page: str) -> list[dict]:
    """The decisions, in the order of the capability table."""
    return [
        decision("look_up", requests=[{"url": page}, {"url": page + "-gone"}]),
        decision("read_document", path="sales.csv", part="1"),
        decision("query", sql="SELECT region, sum(amount) AS total FROM df GROUP BY 1 ORDER BY 1", into="totals"),
        decision("query", sql="SELECT rate FROM rates ORDER BY 1", source="con", into="rates"),
        decision("double", n=21, into="doubled"),
        decision("order", ticker="ACME", into="ordered"),
        decision("use_tool", tool="good.rows", arguments="{}", save_as="sales"),
        decision("total_of", path="sales.csv", region="S", into="south"),
    ]


@contextmanager
def surroundings(folder: Path) -> Iterator[str]:
    """Put files, a database, a server of tools and a learned function into a folder; yields a page's address."""
    (folder / "sales.csv").write_text(SALES)
    with sqlite3.connect(folder / "rates.db") as database:
        database.executescript("CREATE TABLE rates (rate REAL); INSERT INTO rates VALUES (2.5), (1.5)")
    database.close()
    configure(folder, "good")
    allow(folder, "good")
    path = folder / library.FOLDER / "total_of.py"
    path.parent.mkdir(parents=True)
    path.write_text(LEARNED)
    library.allow(library.named(folder, "total_of"))
    with Wire(pages={"/growth": {"told": "the market grew by 4 percent"}}) as web:
        yield web.base_url.replace("/v1", "/growth")


@contextmanager
def data_home(home: Path) -> Iterator[Path]:
    """A user who has agreed to nothing before; yields a folder to work in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(home / "data"))
        patch.setenv("AGENTLOOP_ALLOW_HOSTS", "127.0.0.1")
        (home / "work").mkdir()
        yield home / "work"


def code_of(notebook: Path) -> str:
    """The code cells of a notebook as one text."""
    cells = json.loads(notebook.read_text())["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
