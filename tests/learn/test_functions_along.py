"""Which functions of a notebook go along into an isolated run, and with what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agentloop_nb.actions.own import LIVE
from agentloop_nb.notebook.isolation.functions import packed_functions
from agentloop_nb.notebook.isolation.host import _define
from agentloop_nb.notebook.kernel.private_shell import private_shell

HEAD = "from agentloop_nb import action\n@action\n"


@pytest.fixture
def shell() -> Iterator[Any]:
    LIVE.clear()
    yield private_shell()
    LIVE.clear()


def along(shell: Any, *cells: str) -> dict[str, Any]:
    """Run cells, and return the namespace that an isolated run would have of their functions."""
    for cell in cells:
        assert shell.run_cell(cell, store_history=True).success
    items, names = packed_functions(shell.user_ns)
    there: dict[str, Any] = {}
    for name, (kind, content) in items.items():
        assert kind == "source"
        _define(name, content, there)
    assert names <= there.keys()
    return {name: there[name] for name in names}


GOES = {
    "by itself": ([HEAD + "def f(x: int) -> int: return x + 1"], 3),
    "with a module": (["import math", HEAD + "def f(x: int) -> float: return math.sqrt(x + 2)"], 2.0),
    "with a name of one": (["from math import sqrt as root", HEAD + "def f(x: int) -> float: return root(x + 7)"], 3.0),
    "with a helper": (["def g(x): return x * 2", HEAD + "def f(x: int) -> int: return g(x)"], 4),
    "with a constant": (["K = [1, 5]", HEAD + "def f(x: int) -> int: return x + K[1]"], 7),
    "with a class": (["class C:\n    def go(self): return 9", HEAD + "def f(x: int) -> int: return C().go()"], 9),
    "that calls itself": ([HEAD + "def f(x: int) -> int: return 0 if x < 1 else f(x - 1) + 1"], 2),
    "that was defined twice": ([HEAD + "def f(x: int) -> int: return 1", HEAD + "def f(x: int) -> int: return 2"], 2),
    "with bounds": (
        [
            "from typing import Annotated\nfrom pydantic import Field",
            HEAD + "def f(x: Annotated[int, Field(ge=1)]): return x",
        ],
        2,
    ),
    "that declares what it reads": (
        ["from agentloop_nb import action\n@action(\n    reads='web',\n)\ndef f(x: int) -> int:\n    return x"],
        2,
    ),
}


@pytest.mark.parametrize("name", GOES)
def test_it_goes_along_with_what_it_uses(name, shell):
    cells, expected = GOES[name]
    assert along(shell, *cells)["f"](2) == expected


STAYS = {
    "what cannot be copied": ["rest = (i for i in range(3))", HEAD + "def f(x: int) -> int: return next(rest)"],
    "a secret": ["api_key = 'sk-proj-" + "a1B2" * 12 + "'", HEAD + "def f(x: int) -> int: return len(api_key)"],
    "too much": ["many = bytearray(2 * 2**20)", HEAD + "def f(x: int) -> int: return len(many)"],
    "another function of that name": [HEAD + "def f(x: int) -> int: return x", "def f(x): return 5"],
}


@pytest.mark.parametrize("name", STAYS)
def test_it_stays_where_it_cannot_be_whole(name, shell):
    assert along(shell, *STAYS[name]) == {}
