"""Undo beyond variables: functions, random states, options, the environment, patched modules; what stays is named."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.kernel.conftest import Place

PUT_BACK = {
    "a picture": (
        "from PIL import Image\nimg = Image.new('RGB', (4, 4))",
        "img.paste((255, 0, 0), (0, 0, 2, 2))",
        "img.getpixel((0, 0))",
    ),
    "an attribute of a function": ("def f(): pass\nf.count = 1", "f.count += 1; f.other = 2", "vars(f)"),
    "a mutable default": ("def f(x, seen=[]):\n    seen.append(x)\nf(1)", "f(2)", "f.__defaults__"),
    "a named default": ("def f(*, seen={}):\n    seen['x'] = 1", "f()", "f.__kwdefaults__"),
    "a closure": (
        "def make():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n    return up\ng = make()",
        "g(); g()",
        "g.__closure__[0].cell_contents",
    ),
    "an empty cache": ("import functools\n@functools.lru_cache\ndef f(n): return n", "f(1)", "f.cache_info()"),
    "the state of random": ("import random\nrandom.seed(1)", "random.random()", "random.getstate()[1][-1]"),
    "the state of numpy": ("import numpy as np\nnp.random.seed(1)", "np.random.rand()", "np.random.get_state()[2]"),
    "a generator of random": ("import random\nr = random.Random(3)", "r.random()", "r.getstate()[1][-1]"),
    "a generator of numpy": (
        "import numpy as np\nrng = np.random.default_rng(1)",
        "rng.random()",
        "rng.bit_generator.state['state']['state']",
    ),
    "sys.path": ("import sys", "sys.path.append('/x')", "'/x' in sys.path"),
    "a figure's default": (
        "import matplotlib.pyplot as plt",
        "plt.rcParams['figure.dpi'] = 33",
        "plt.rcParams['figure.dpi']",
    ),
    "an option of pandas": (
        "import pandas as pd",
        "pd.set_option('display.precision', 2)",
        "pd.get_option('display.precision')",
    ),
    "the environment": (
        "import os\nos.environ['GONE'] = '1'",
        "os.environ['MADE'] = '1'; del os.environ['GONE']",
        "('MADE' in os.environ, 'GONE' in os.environ)",
    ),
    "a patched module": ("import json", "json.dumps = lambda *a: 'patched'", "json.dumps([1])"),
    "a new attribute of a module": ("import json", "json._mine = 5", "hasattr(json, '_mine')"),
    "a patched class": ("import pandas as pd", "pd.DataFrame.head = len", "pd.DataFrame.head.__name__"),
    "the warning filters": ("import warnings", "warnings.simplefilter('always')", "warnings.filters[0][0]"),
    "decimal's precision": ("import decimal", "decimal.getcontext().prec = 5", "decimal.getcontext().prec"),
    "the garbage collector": ("import gc", "gc.disable()", "gc.isenabled()"),
    "the time limit of sockets": ("import socket", "socket.setdefaulttimeout(9)", "socket.getdefaulttimeout()"),
    "the longest number as text": ("import sys", "sys.set_int_max_str_digits(9999)", "sys.get_int_max_str_digits()"),
    "the recursion limit": ("import sys", "sys.setrecursionlimit(7777)", "sys.getrecursionlimit()"),
    "the locale": ("import locale", "locale.setlocale(locale.LC_ALL, 'C')", "locale.setlocale(locale.LC_ALL)"),
    "the level of the root logger": ("import logging", "logging.getLogger().setLevel(10)", "logging.root.level"),
    "a handler": ("import logging", "logging.root.addHandler(logging.NullHandler())", "len(logging.root.handlers)"),
    "a level for all loggers": ("import logging", "logging.disable(10)", "logging.root.manager.disable"),
    "a named logger": (
        "import logging\nlogging.getLogger('a.b').setLevel(20)",
        "logging.getLogger('a.b').setLevel(10)\nlogging.getLogger('a.c').addHandler(logging.StreamHandler())",
        "[(each.level, each.handlers) for each in map(logging.getLogger, ['a.b', 'a.c'])]",
    ),
    "a CSV dialect": ("import csv", "csv.register_dialect('pipes', delimiter='|')", "csv.list_dialects()"),
    "the umask": ("import os", "os.umask(0o177)", "(m := os.umask(0), os.umask(m))[0]"),
    "a limit of a resource": (
        "import resource",
        "resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))",
        "resource.getrlimit(resource.RLIMIT_NOFILE)",
    ),
    "a MIME type": (
        "import mimetypes",
        "mimetypes.add_type('text/x-own', '._own')",
        "(mimetypes.guess_type('a._own'), mimetypes.guess_all_extensions('text/x-own'))",
    ),
    "a module that was replaced": (
        "import sys, types, json",
        "sys.modules['json'] = types.ModuleType('json')",
        "sys.modules['json'] is json",
    ),
    "a module that was taken out": ("import sys, wave", "del sys.modules['wave']", "'wave' in sys.modules"),
    "a module made by hand": (
        "import sys, types",
        "sys.modules['by_hand'] = types.ModuleType('by_hand')",
        "'by_hand' in sys.modules",
    ),
    "a module of the folder": (
        "import os, sys, pathlib; _ = pathlib.Path('own_rates.py').write_text('rate = 2')",
        "sys.path.insert(0, os.getcwd())\nimport own_rates",
        "'own_rates' in sys.modules",
    ),
    "a list with attributes": (
        "class L(list): pass\nl = L([1])\nl.tag = 'a'",
        "l.append(2); l.tag = 'b'",
        "(l, l.tag)",
    ),
    "what a bound method changes": ("items = [1]\nadd = items.append\ndel items", "add(2)", "add.__self__"),
    "what a partial call changes": (
        "import functools\nitems = [1]\np = functools.partial(items.append, 2)\ndel items",
        "p()",
        "p.func.__self__",
    ),
    "what a function in a dictionary keeps": ("fs = {'f': (lambda s=[]: s)}", "fs['f']().append(1)", "fs['f']()"),
    "what lies in a frozen set": (
        "class A: n = 0\na = A()\nfs = frozenset([a])\ndel a",
        "next(iter(fs)).n = 3",
        "next(iter(fs)).n",
    ),
}

NAMED = {
    "a filled cache": ("import functools\n@functools.lru_cache\ndef f(n): return n\nf(7)", "f(1)", "f"),
    "an array of C": ("import array\na = array.array('i', [1])", "a.append(2)", "a"),
    "a view of memory": ("b = bytearray(b'abc')\nm = memoryview(b)\ndel b", "m[0] = 120", "m"),
    "an iterator": ("it = iter([1, 2, 3])", "next(it)", "it"),
    "a text file in memory": ("import io\ns = io.StringIO()", "s.write('x')", "s"),
    "a database": ("import sqlite3\ndb = sqlite3.connect(':memory:')", "db.execute('create table t (n)')", "db"),
    "a coroutine": ("async def f(): pass\nc = f()", "c.close()", "c"),
}


@pytest.mark.parametrize("what", PUT_BACK)
async def test_it_is_as_it_was(what: str, tmp_path: Path) -> None:
    before, code, look = PUT_BACK[what]
    if "PIL" in before:
        pytest.importorskip("PIL")
    place = Place(tmp_path)
    await place.run(before)
    was = repr(eval(look, place.names))
    await place.run(code)
    assert repr(eval(look, place.names)) != was

    undone = place.workspace.undo(2)

    assert repr(eval(look, place.names)) == was
    assert undone.lost == {}
    assert undone.names


@pytest.mark.parametrize("what", NAMED)
async def test_it_is_named_before_anything_is_taken_back(what: str, tmp_path: Path) -> None:
    before, code, name = NAMED[what]
    place = Place(tmp_path)
    await place.run(before)
    await place.run(code)

    assert name in place.workspace.plan(2).lost


async def test_an_imported_library_stays_and_is_not_named(tmp_path: Path) -> None:
    place = Place(tmp_path)
    sys.modules.pop("colorsys", None)
    await place.run("import colorsys")
    undone = place.workspace.undo(1)
    assert not [name for name in (*undone.names, *undone.lost) if "module" in name]
    assert "colorsys" in sys.modules


async def test_a_hard_limit_that_cannot_be_raised_again_is_named_before(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard == 0:
        pytest.skip("there is nothing to lower")
    place = Place(tmp_path)
    await place.run("import resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))")
    named = place.workspace.plan(1).lost
    assert place.workspace.undo(1).lost == named
    assert ("the limit RLIMIT_CORE" in named) is (resource.getrlimit(resource.RLIMIT_CORE)[1] != hard)


async def test_an_option_that_the_user_changed_since_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE", "1")
    place = Place(tmp_path)
    await place.run("import os; os.environ['RATE'] = '2'")
    monkeypatch.setenv("RATE", "3")

    assert "the environment variable RATE" in place.workspace.plan(1).lost
    assert "the environment variable RATE" in place.workspace.undo(1).lost
    assert os.environ["RATE"] == "3"
