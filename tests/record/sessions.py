"""Whole sessions in one kernel, goals among cells of the user's, each with what the export of its last goal has to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Goal = list[str | dict[str, Any]]
"""The decisions of one goal; a string is code."""


@dataclass(frozen=True)
class Session:
    """What a person typed, in order: cells, and goals with the decisions of their runs."""

    name: str
    typed: list[str | Goal]
    files: dict[str, str] = field(default_factory=dict)
    red: str = ""
    """A part of the cause, where the export cannot be sound; empty: sound at the first try."""
    unchecked: int = 0
    """Cells of the run that cannot be compared."""
    holds: tuple[str, ...] = ()
    """Pieces of code that have to stand in the export."""
    lacks: tuple[str, ...] = ()
    """Pieces of code that must not."""


SALES = "import pandas as pd\nsales = pd.DataFrame({'month': [1, 2, 3], 'amount': [10.5, 20.25, 30.0]})"

SESSIONS = [
    Session("failed-step-with-effects", [SALES, ["sales['tax'] = sales.amount * 0.2\nsales.nothing", "sales.tax.sum()"], ["sales['net'] = sales.amount - sales.tax\nsales"]], holds=("sales.nothing",)),
    Session("mixed-import", ["from math import floor\nprint('hello')\nunrelated = open('gone.txt').read()", ["floor(2.7)"]], files={"gone.txt": "x"}, lacks=("unrelated",)),
    Session("readme", [SALES + "\nfrom math import floor", ["sales['double'] = sales.amount * 2\nsales['nope']", "print(sales.double.sum())"], ["print(floor(sales.double.max()))\nsales.shape"]]),
    Session("three-follow-ups", ["base = [1, 2, 3]", ["doubled = [2 * n for n in base]"], ["tripled = [3 * n for n in base]\nsum(doubled)"], ["both = doubled + tripled\nlen(both)"], ["sorted(both)"]]),
    Session("failed-cell-of-the-user", ["totals = []", "totals.append(1)\nundefined_name", ["totals.append(2)\ntotals"]], holds=("undefined_name",)),
    Session("failed-step-without-effects", ["x = 1", ["1 / 0", "y = x + 1"], ["y"]], lacks=("1 / 0",)),
    Session("chdir-in-a-cell", ["import os\nos.makedirs('deep', exist_ok=True)\nos.chdir('deep')", ["open('note.txt', 'w').write('hi')", "print(open('note.txt').read())"]]),
    Session("chdir-in-a-step", [["import os\nos.makedirs('sub', exist_ok=True)\nos.chdir('sub')\nprint(os.path.basename(os.getcwd()))", "print(os.path.exists('sub'))"]]),
    Session("environment-in-a-cell", ["import os\nos.environ['RATE'] = '7'", ["rate = int(os.environ['RATE'])\nrate"]], holds=("'RATE'",)),
    Session("environment-in-a-run", [["import os\nos.environ['RATE'] = '9'"], ["import os\nint(os.environ['RATE'])"]], holds=("'9'",)),
    Session("environment-by-magic", ["%env RATE=5", ["import os\nos.environ['RATE']"]]),
    Session("environment-with-another-name", ["from os import environ\nenviron['RATE'] = '3'", ["import os\nos.environ['RATE']"]]),
    Session("sub-folder", ["import pathlib\npathlib.Path('out').mkdir(exist_ok=True)", ["pathlib.Path('out/a.txt').write_text('abc')"], ["print(open('out/a.txt').read())"]]),
    Session("closure", ["def counter():\n    n = 0\n    def step():\n        nonlocal n\n        n += 1\n        return n\n    return step\nc = counter()", ["c(), c()"], ["c()"]]),
    Session("module-file", ["open('tool.py', 'w').write('def twice(x):\\n    return 2 * x\\n')", ["from tool import twice\ntwice(4)"], ["twice(5)"]]),
    Session("module-file-of-the-folder", ["import tool", ["tool.twice(4)"], ["tool.twice(5)"]], files={"tool.py": "def twice(x):\n    return 2 * x\n"}),
    Session("written-module", [[{"action": {"name": "write_file", "filename": "area.py", "content": "def area(r):\n    return 3 * r * r\n"}, "reasoning": "it is needed"}], ["from area import area\narea(2)"]]),
    Session("counter-in-a-file", [["n = int(open('count.txt').read()) + 1\nopen('count.txt', 'w').write(str(n))\nprint(n)"]], files={"count.txt": "41"}),
    Session("counter-twice", [["n = int(open('count.txt').read()) + 1\nopen('count.txt', 'w').write(str(n))\nprint(n)"], ["m = int(open('count.txt').read()) + 1\nopen('count.txt', 'w').write(str(m))\nprint(m, n)"]], files={"count.txt": "1"}),
    Session("read-and-deleted", [["import os\ntext = open('once.txt').read()\nos.remove('once.txt')\ntext"]], files={"once.txt": "only once"}),
    Session("read-then-deleted-later", [["text = open('once.txt').read()\nlen(text)", "import pathlib\npathlib.Path('once.txt').unlink()", "text"]], files={"once.txt": "only once"}),
    Session("renamed", [["import os\nos.rename('a.txt', 'b.txt')\nopen('b.txt').read()"]], files={"a.txt": "moved"}),
    Session("appended-to", [["with open('log.txt', 'a') as log:\n    _ = log.write('more\\n')\nprint(open('log.txt').read())"]], files={"log.txt": "first\n"}),
    Session("listing", [["import os\nsorted(os.listdir('data'))"]], files={"data/a.csv": "1", "data/b.csv": "2"}),
    Session("glob", [["import glob\nlen(glob.glob('data/*.csv'))"]], files={"data/a.csv": "1", "data/b.csv": "2"}),
    Session("iterdir", [["from pathlib import Path\nsorted(p.name for p in Path('data').iterdir())"]], files={"data/a.csv": "1", "data/b.csv": "2"}),
    Session("shell-listing", [["!ls data"]], files={"data/a.csv": "1", "data/b.csv": "2"}),
    Session("shell-count", [["names = !ls data\nlen(names)"]], files={"data/a.csv": "1", "data/b.csv": "2"}),
    Session("shell-wc", [["!cat a.txt | wc -c"]], files={"a.txt": "12345"}),
    Session("listing-names-the-notebook", [["!ls"]], files={"mine.ipynb": "{}", "a.txt": "1"}, unchecked=1),
    Session("seed-of-an-earlier-run", [["import random\nrandom.seed(4)\nfirst = random.random()"], ["round(random.random(), 6)"]]),
    Session("numpy-seed-of-a-run", [["import numpy as np\nnp.random.seed(1)"], ["np.random.rand(2).round(4)"]]),
    Session("unseeded-array", ["import numpy as np\na = np.random.rand(5)", ["a.sum()"]]),
    Session("unseeded-frame", ["import numpy as np, pandas as pd\ndf = pd.DataFrame({'a': np.random.rand(4), 'b': list('wxyz')})", ["df.a.sum()", "df"]]),
    Session("unseeded-dict", ["import random\nd = {'a': random.random(), 'b': {1, 2}, 'c': (1, 2)}", ["d['a']", "sorted(d['b'])"]]),
    Session("unseeded-multiindex", ["import numpy as np, pandas as pd\nm = pd.DataFrame({'v': np.random.rand(4)}, index=pd.MultiIndex.from_product([['x', 'y'], [1, 2]], names=['k', 'n']))", ["m.groupby('k').sum()", "m"]]),
    Session("unseeded-missing-words", ["import random, pandas as pd\nf = pd.DataFrame({'code': ['NA', 'b', None], 'v': [random.random() for _ in range(3)]})", ["f.code.tolist()", "f.v.sum()"]]),
    Session("unseeded-objects", ["import random, datetime, pandas as pd\no = pd.DataFrame({'o': [1, 'a', datetime.date(2026, 1, 1)], 'v': [random.random() for _ in range(3)]})", ["o.o.tolist()", "o.v.max()"]]),
    Session("option-of-a-run", [["import pandas as pd\npd.set_option('display.precision', 1)"], ["pd.DataFrame({'x': [1.23456]})"]]),
    Session("style-of-a-run", [["import matplotlib.pyplot as plt\nplt.rcParams['figure.figsize'] = (2, 1)"], ["plt.plot([1, 2])\nplt.show()"]]),
    Session("class-across-runs", [["class P:\n    def __init__(self, x):\n        self.x = x"], ["p = P(3)\np.x"], ["p.x += 1\np.x"]]),
    Session("changed-by-a-function", ["items = []\ndef add(x):\n    items.append(x)", ["add(1)\nadd(2)"], ["items"]]),
    Session("deleted-name", ["a = 1\nb = 2", ["del a\nb += 1"], ["b"]]),
    Session("redefined", ["x = 1", ["x = 10"], ["x = x + 1\nx"], ["x"]]),
    Session("undone-step", ["x = [1]", ["x.append(2)"], "%agent undo", ["x"]], lacks=("append(2)",)),
    Session("magic-in-a-cell", ["%matplotlib inline\nimport matplotlib.pyplot as plt", ["plt.plot([1, 3])\nplt.show()"]]),
    Session("time-magic", ["%time x = sum(range(10))", ["x + 1"]]),
    Session("capture-cell", ["%%capture out\nprint('hid')\ny = 5", ["y"]]),
    Session("sqlite-memory", [["import sqlite3\ndb = sqlite3.connect(':memory:')\ndb.execute('create table t (n)');"], ["db.execute('insert into t values (1)');\ndb.execute('select count(*) from t').fetchone()"]]),
    Session("sqlite-file", [["import sqlite3\ndb = sqlite3.connect('my.db')\ndb.execute('create table t (n)')\ndb.execute('insert into t values (7)')\ndb.commit()"], ["db.execute('select n from t').fetchall()"]]),
    Session("csv-chain", [["import csv\nwith open('o.csv', 'w', newline='') as f:\n    csv.writer(f).writerows([[1, 2], [3, 4]])"], ["import csv\nlist(csv.reader(open('o.csv')))"]]),
    Session("star-import", ["from math import *", ["floor(2.5) + ceil(2.5)"]]),
    Session("conditional-import", ["try:\n    import numpy as np\nexcept ImportError:\n    np = None", ["np.arange(3)"]]),
    Session("import-after-path", ["import sys\nsys.path.insert(0, 'lib')\nimport helper", ["helper.f(2)"]], files={"lib/helper.py": "def f(x):\n    return x + 1\n"}),
    Session("decorated", ["import functools\n\n@functools.lru_cache\ndef slow(n):\n    return n * n", ["slow(4)"], ["slow(5), slow.cache_info().misses"]]),
    Session("iterator", ["numbers = iter(range(10))\nnext(numbers)", ["next(numbers)"], ["next(numbers)"]]),
    Session("await-in-a-run", [["import asyncio\nasync def f():\n    return 3\nv = await f()"], ["v"]]),
    Session("long-history", [*(f"k{n} = {n}" for n in range(40)), ["k3 + k39"], ["k3"]], lacks=("k7",)),
    Session("percent-in-a-string", ["text = '''\n%matters\n!important\n'''", ["print(text)"]]),
    Session("network-cell", [["import urllib.request\ntry:\n    urllib.request.urlopen('http://127.0.0.1:9/')\nexcept OSError as error:\n    print(type(error).__name__)"]]),
    Session("unseen", ["globals()['hid' + 'den'] = object()", ["type(hidden).__name__"]], red="hidden"),
    Session("from-outside", [["open('../outside.txt').read()"]], files={"../outside.txt": "mine"}, red="outside"),
]  # fmt: skip
