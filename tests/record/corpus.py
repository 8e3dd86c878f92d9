"""Runs of many kinds, each with what its export has to be: sound, or not sound at a cell and for a cause."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agentloop_nb.testing import decide


@dataclass(frozen=True)
class Case:
    """Cells of the user, files of the folder, decisions of the run; and what the verification has to say."""

    name: str
    steps: list[str | dict[str, Any]]
    cells: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    red: tuple[str | None, str] | None = None
    """The cell that differs and a part of the cause; None: sound."""
    unchecked: int = 0
    """Code cells of the run that cannot be compared."""
    minimal: int | None = None
    """Code cells that a minimal export keeps; None: not looked at."""
    after: dict[str, str | None] = field(default_factory=dict)
    """Files that change (or vanish) between the export and its verification."""


SALES = "month,amount\n" + "".join(f"2026-{month:02d},{month * 10}\n" for month in range(1, 7))
FRAME = "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2, 3], 'b': [2.5, 3.5, 4.5]})"

DATA = [
    Case("arithmetic", ["x = 6", "x * 7"], minimal=2),
    Case("frame", [FRAME, "df.describe()", "df['c'] = df.a + df.b\ndf"], minimal=2),
    Case("csv", ["import pandas as pd\nsales = pd.read_csv('sales.csv')", "sales.amount.sum()"], files={"sales.csv": SALES}),
    Case(
        "two-files-in-folders",
        ["import csv\nrows = [r for n in ('data/a.csv', 'data/b.csv') for r in csv.reader(open(n))]", "len(rows), rows[-1]"],
        files={"data/a.csv": "1,2\n", "data/b.csv": "3,4\n5,6\n"},
    ),
    Case("large-frame", ["import numpy as np, pandas as pd\nbig = pd.DataFrame(np.arange(2_000_000).reshape(-1, 4))", "big"]),
    Case("groupby", [FRAME + "\ndf['k'] = ['u', 'v', 'u']", "df.groupby('k').agg({'a': 'sum', 'b': 'mean'})"]),
    Case("sqlite", ["import sqlite3\ndb = sqlite3.connect(':memory:')\ndb.execute('create table t (n)');",
                    "db.executemany('insert into t values (?)', [(1,), (2,)]);\ndb.execute('select sum(n) from t').fetchone()"]),
    Case("json-file", [decide("write_file", filename="c.json", content='{"k": [1, 2]}'), "import json\njson.load(open('c.json'))"]),
    Case("report", ["total = 41 + 1", decide("write_file", filename="out/report.md", content="# Total\n\n42\n"),
                    "print(open('out/report.md').read())"]),
    Case("own-module", [decide("write_file", filename="helper.py", content="def twice(x):\n    return 2 * x\n"),
                        "from helper import twice\ntwice(21)"]),
    Case("counter", ["from collections import Counter\nCounter('abracadabra').most_common(3)"]),
]  # fmt: skip

PICTURES = [
    Case("plot", ["import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.title('sales')\nplt.show()"]),
    Case("quiet-plot", ["import matplotlib.pyplot as plt\nplt.plot([1, 3, 2]);"]),
    Case("subplots", ["import matplotlib.pyplot as plt, numpy as np\nfig, axes = plt.subplots(1, 2)",
                      "axes[0].bar(['a', 'b'], [1, 2])\naxes[1].hist(np.arange(20))\nfig"]),
    Case("saved-figure", ["import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.savefig('p.png')\nplt.close()",
                          "from pathlib import Path\nPath('p.png').exists()"]),
    Case("styled-plot", ["plt.plot([1, 2, 3])\nplt.show()"], cells=["import matplotlib.pyplot as plt\nplt.style.use('ggplot')"]),
    Case("html", ["from IPython.display import HTML\nHTML('<b>bold</b>')"]),
    Case("several-displays", ["from IPython.display import display, Markdown\ndisplay(1)\nprint('between')\ndisplay(Markdown('**2**'))\n3"]),
    Case("updated-display", ["from IPython.display import display\nh = display('first', display_id=True)\nh.update('second')"]),
    Case("svg", ["from IPython.display import SVG\nSVG('<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>')"]),
]  # fmt: skip

FAILURES = [
    Case("repair", ["1 / 0", "1 / 2"], minimal=1),
    Case("syntax-error", ["for x in\n    pass", "print('repaired')"], minimal=1),
    Case("key-error", ["d = {'a': 1}\nd['b']", "d['a']"]),
    Case("half-done", ["steps = []\nsteps.append(1)\nraise ValueError('half way')", "steps"]),
    Case("traceback-in-function", ["def f(n):\n    return f(n - 1) if n else 1 / 0\nf(3)", "'caught'"]),
    Case("name-error", ["undefined_thing", "defined = 1\ndefined"]),
    Case("recursion", ["def f():\n    return f()\nf()", "1"]),
    Case("warning", ["import warnings\nwarnings.warn('careful')\n5"]),
    Case("stderr", ["import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('out again')"]),
    Case("assertion", ["assert 1 == 2, 'not equal'", "print('ok')"]),
    Case(
        "dead-end",
        ["unused = list(range(5))", "also_unused = sum(unused)\nalso_unused", "answer = 42", "answer"],
        minimal=2,
    ),
]

LANGUAGE = [
    Case(
        "class",
        [
            "class P:\n    def __init__(self, x):\n        self.x = x\n    def __repr__(self):\n        return f'P({self.x})'",
            "p = P(3)",
            "p.x += 1\np",
        ],
    ),
    Case(
        "dataclass", ["from dataclasses import dataclass\n@dataclass\nclass Q:\n    a: int\n    b: str = 'x'", "Q(1)"]
    ),
    Case("await", ["import asyncio\nasync def f():\n    await asyncio.sleep(0.01)\n    return 'done'", "await f()"]),
    Case(
        "gather", ["import asyncio\nasync def g(n):\n    return n * n\nawait asyncio.gather(*(g(n) for n in range(4)))"]
    ),
    Case("generator", ["numbers = iter(range(10))\nnext(numbers), next(numbers)", "next(numbers)"]),
    Case(
        "closure",
        [
            "def counter():\n    n = 0\n    def step():\n        nonlocal n\n        n += 1\n        return n\n    return step\nc = counter()",
            "c(), c()",
        ],
    ),
    Case(
        "non-latin",
        [
            "städte = {'北京': 21, 'القاهرة': 10, 'Москва': 13}\nfor name, million in städte.items():\n    print(name, million)"
        ],
    ),
    Case("emoji", ["print('🐍' * 3)\n'naïve café 🚀'"]),
    Case("decimal", ["from decimal import Decimal\nDecimal('0.1') + Decimal('0.2')"]),
    Case("cell-magic", ["%%time\ny = sum(range(1000))", "y"]),
    Case("shell", ["!echo from the shell", "files = !ls\nlen(files) >= 0"]),
    Case("capture", ["%%capture out\nprint('hidden')", "out.stdout"]),
    Case("quiet", ["[1, 2, 3];", "None", "x = 1"]),
    Case("long-output", ["for n in range(3000):\n    print(n, 'x' * 20)"]),
]

CHANCE = [
    Case("seeded", ["import random\nrandom.seed(3)\n[random.randint(0, 99) for _ in range(3)]"]),
    Case("numpy-generator", ["import numpy as np\nrng = np.random.default_rng(5)\nrng.normal(size=3).round(3)"]),
    Case("unseeded", ["import random\nrandom.random()", "1 + 1"], unchecked=1),
    Case("unseeded-use", ["import numpy as np\na = np.random.rand(3)", "a.sum()", "len(a)"], unchecked=1),
    Case("clock", ["import datetime\nnow = datetime.datetime.now()\nprint(now)", "now.year > 2000"], unchecked=1),
    Case(
        "duration",
        ["import time\nt = time.perf_counter()\ntime.sleep(0.01)\nprint(f'took {time.perf_counter() - t:.4f} s')"],
    ),
    Case("address", ["object()", "class Plain: pass\nPlain()"]),
    Case(
        "progress",
        [
            "import sys, time\nfor n in range(3):\n    sys.stderr.write(f'\\r{n}/3 [00:0{n}, {n + 0.5:.1f}it/s]')\nprint('done')"
        ],
    ),
    Case("uuid", ["import uuid\nuuid.uuid4()"], unchecked=1),
    Case("working-folder", ["import os\nprint(os.getcwd())"]),
]

EARLIER = [
    Case("variable", ["df.a.sum()"], cells=[FRAME, "unrelated = 5", "print('hello')"], minimal=2),
    Case("function", ["scaled(4)"], cells=["factor = 10", "def scaled(x):\n    return x * factor"], minimal=3),
    Case("import", ["np.arange(3)"], cells=["import numpy as np"], minimal=2),
    Case("changed-in-place", ["df.c.tolist()"], cells=[FRAME, "df['c'] = df.a * 2", "df.head()"], minimal=3),
    Case("appended", ["items"], cells=["items = []", "items.append(1)", "items.append(2)", "len(items)"], minimal=4),
    Case("earlier-seed", ["random.randint(0, 10**6)"], cells=["import random", "random.seed(11)"], minimal=3),
    Case("option", ["df"], cells=[FRAME, "pd.set_option('display.max_rows', 2)"], minimal=3),
    Case("overwritten", ["total = total + 1", "total"], cells=["total = 41"], minimal=3),
    Case("re-run-cell", ["n"], cells=["n = 0", "n += 1", "n += 1"], minimal=4),
    Case(
        "file-in-earlier-cell",
        ["len(text)"],
        cells=["text = open('notes.txt').read()"],
        files={"notes.txt": "some notes"},
        minimal=2,
    ),
    Case("with-our-magics", ["k + 1"], cells=["%load_ext agentloop_nb\nk = 1"], minimal=2),
]

RED = [
    Case("made-unseen", ["hidden + 1"], cells=["globals()['hid' + 'den'] = 5"], red=("step-1-code", "'hidden' came from an earlier cell")),
    Case("changed-input", ["print(open('d.txt').read())"], files={"d.txt": "one"}, after={"d.txt": "two"},
         red=(None, "'d.txt' is not the one that the run read")),
    Case("missing-input", ["print(open('d.txt').read())"], files={"d.txt": "one"}, after={"d.txt": None},
         red=(None, "'d.txt' is missing beside the notebook")),
    Case("outside", ["OUTSIDE = open('../outside.txt').read()\nOUTSIDE"], files={"../outside.txt": "mine"},
         red=("step-1-code", "outside")),
    Case("unseen-seed", ["import random\nrandom.randint(0, 10**9)"], cells=["exec('import random; random.seed(1)')"], unchecked=1),
    Case("environment", ["import os\nos.environ['MY_SETTING']"], cells=["get_ipython().run_line_magic('env', 'MY_SETTING=7')"],
         red=("step-1-code", "KeyError")),
    Case("unseen-option", ["import pandas as pd\npd.DataFrame({'x': [1.23456789]})"],
         cells=["exec(\"import pandas as pd; pd.set_option('display.precision', 2)\")"], red=("step-1-code", "before the run")),
    Case("own-package", ["import agentloop_nb\nagentloop_nb.__version__"], red=("step-1-code", "agentloop_nb")),
]  # fmt: skip

LISTED = [
    Case("folder-listing", ["import os\nsorted(n for n in os.listdir('.') if n.endswith('.dat'))"], files={"a.dat": "", "b.dat": ""}),
]  # fmt: skip
"""A folder whose names were shown: the files become inputs, so that the fresh folder lists the same."""

CASES = [*DATA, *PICTURES, *FAILURES, *LANGUAGE, *CHANCE, *EARLIER, *RED, *LISTED]
