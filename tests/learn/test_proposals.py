"""What may be proposed: it is read, and nothing of it runs before that; and what of a folder may be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agentloop_nb.actions.own import LIVE
from agentloop_nb.errors import UserError
from agentloop_nb.learn import library
from agentloop_nb.learn.file_text import file_text
from agentloop_nb.learn.material import step_numbers
from agentloop_nb.learn.proof import Proof
from agentloop_nb.learn.proposal import ProposeFunction, Unfit, check

STEPS = ["import pandas as pd\ndf = pd.read_csv('s.csv')\ntotal = df[df.region == 'N'].amount.sum()\nprint(total)"]
MADE = frozenset({"df", "total"})
GOOD = '''\
import pandas as pd


def north(path: str, region: str = "N") -> float:
    """Add up a region."""
    df = pd.read_csv(path)
    return float(df[df.region == region].amount.sum())
'''
TYPED = '''\
import datetime as dt
from pathlib import Path
from typing import Annotated, Literal
from pydantic import Field


def north(
    path: Path, day: dt.date, kind: Literal["a", "b"] = "a", *, at: Annotated[int, Field(ge=1, description="d")] = -3,
    names: list[str] | None = None, kinds: list[Literal["p", "q"]] | None = None,
) -> "pd.DataFrame":
    """Do it."""
    import pandas as pd

    def inner(x):
        return [y for y in names or () if y != x]

    return pd.DataFrame(inner(kind))
'''

TABLE = '''\
import pandas as pd


def north(sales: pd.DataFrame, region: str = "N") -> float:
    """Add up a region."""
    return float(sales[sales.region == region].amount.sum())
'''


def checked(code: str = GOOD, call: str = "north('s.csv')", result: str = "total") -> None:
    check(ProposeFunction(code=code, call=call, result=result), "north", STEPS, MADE)


@pytest.mark.parametrize(
    "code",
    [
        *(
            GOOD,
            TYPED,
            GOOD.replace("import pandas as pd\n", "").replace("    df", "    import pandas as pd\n    df", 1),
        ),
        TABLE,
        TABLE.replace("import pandas as pd", "from pandas import DataFrame").replace("pd.DataFrame", "DataFrame"),
        TABLE.replace("pd.DataFrame", "pd.DataFrame | None"),
        TABLE.replace("pd.DataFrame", "list[pd.DataFrame]"),
        TABLE.replace("pandas as pd", "polars").replace("pd.DataFrame", "polars.DataFrame"),
        TABLE.replace("pandas as pd", "numpy as np").replace("pd.DataFrame", "np.ndarray"),
    ],
)
def test_a_function_of_plain_values_and_tables_is_fit(code):
    checked(code)


@pytest.mark.parametrize("result", ["total", "df", "df[df.region == 'N'].amount.sum()", "df.region=='N'", "df.region"])
def test_a_result_is_a_variable_of_the_steps_or_an_expression_in_them(result):
    checked(result=result)


UNFIT = {
    "no python": ({"code": "def north(:"}, "does not parse"),
    "null bytes": ({"code": "\0"}, "does not parse"),
    "two functions": ({"code": GOOD + "\ndef other(): ...\n"}, "imports and one def north"),
    "code beside it": ({"code": GOOD + "\nopen('ran', 'w')\n"}, "imports and one def north"),
    "another name": ({"code": GOOD.replace("def north", "def south")}, "imports and one def north"),
    "a class": ({"code": "class north: ..."}, "imports and one def north"),
    "async": ({"code": GOOD.replace("def north", "async def north")}, "imports and one def north"),
    "decorated": ({"code": GOOD.replace("def north", "@print\ndef north")}, "take the decorators off"),
    "no docstring": ({"code": GOOD.replace('"""Add up a region."""', "pass")}, "no docstring"),
    "no return type": ({"code": GOOD.replace(" -> float", "")}, "no return type"),
    "no type": ({"code": GOOD.replace("path: str", "path")}, "needs types"),
    "starred": ({"code": GOOD.replace("path: str", "*path: str")}, "give every parameter"),
    "no table": ({"code": GOOD.replace("path: str", "path: pd.Panel")}, "cannot be read|cannot read"),
    "a set of tables": ({"code": GOOD.replace("path: str", "path: set[pd.DataFrame]")}, "a model fills in"),
    "a table of the steps": ({"code": TABLE, "call": "north(df)"}, "call uses df, which the steps make"),
    "a type that is run": (
        {"code": GOOD.replace("path: str", "path: \"open('ran', 'w')\"")},
        "need plain types and defaults",
    ),
    "a member that is run": (
        {"code": GOOD.replace("path: str", "path: list[\"open('ran', 'w')\"]")},
        "need plain types and defaults",
    ),
    "a call as type": ({"code": GOOD.replace("path: str", "path: open('ran', 'w')")}, "need plain types and defaults"),
    "a call as default": ({"code": GOOD.replace('"N"', "open('ran', 'w')")}, "need plain types and defaults"),
    "a private attribute": ({"code": GOOD.replace("path: str", "path: str.__class__")}, "need plain types"),
    "an import as default": ({"code": "from evil import x\n" + GOOD.replace('"N"', "x")}, "cannot read|cannot be read"),
    "a variable of the run": ({"code": GOOD.replace("pd.read_csv(path)", "data")}, "the code uses data"),
    "in a nested one": (
        {"code": 'def north(a: str) -> int:\n    """D."""\n    def f():\n        return other\n    return f()\n'},
        "the code uses other",
    ),
    "no import": ({"code": GOOD.replace("import pandas as pd\n", "")}, "the code uses pd"),
    "no call": ({"call": "1"}, "call has to be one call"),
    "another call": ({"call": "open('ran', 'w')"}, "call has to be one call"),
    "no expression": ({"call": "x = north('a')"}, "call is no expression"),
    "a constant": ({"result": "40"}, "result has to be a variable"),
    "a name of nobody's": ({"result": "other"}, "result has to be a variable"),
    "an expression of its own": ({"result": "open('ran', 'w')"}, "result has to be a variable"),
    "a statement": ({"result": "total = 1"}, "result is no expression"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_not_fit_is_told_and_not_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fields, why = UNFIT[name]
    with pytest.raises(Unfit, match=why):
        checked(**fields)
    assert not list(tmp_path.iterdir())
    assert "north" not in LIVE


def test_the_file_declares_what_its_code_may_reach():
    proof = Proof("north('s.csv')", "total", "namespaces")
    source = file_text(ProposeFunction(code=GOOD, call="c", result="r"), proof, "run-1", (2, 3), "m\nevil")
    assert "# Learned from run run-1, steps 2, 3, on " in source
    assert "\n@action\ndef north(" in source
    web = GOOD.replace("    df =", "    import requests\n    requests.get('https://a.example/')\n    df =")
    assert '@action(reads="web")' in file_text(ProposeFunction(code=web, call="c", result="r"), proof, "r", (1,), "m")
    shell = GOOD.replace("    df =", "    import os\n    os.system('rm -rf x')\n    df =")
    assert "asks=True" in file_text(ProposeFunction(code=shell, call="c", result="r"), proof, "r", (1,), "m")


@pytest.mark.parametrize(("text", "steps"), [("2", {2}), ("2-4", {2, 3, 4}), ("1,3-4", {1, 3, 4})])
def test_steps_are_named_by_number(text, steps):
    assert step_numbers(text) == steps


@pytest.mark.parametrize("text", ["", "x", "2-", "1;2", "-1", "1-2-3", "99999"])
def test_wrong_steps_are_one_line(text):
    with pytest.raises(UserError, match="names no steps"):
        step_numbers(text)


SOURCE = "from agentloop_nb import action\n\n\n@action\ndef twice(n: int) -> int:\n    return 2 * n\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    LIVE.clear()
    folder = tmp_path / "work" / library.FOLDER
    folder.mkdir(parents=True)
    yield folder
    LIVE.clear()


def home(place: Path) -> Path:
    return place.parent.parent


def put(place: Path, source: str = SOURCE, name: str = "twice", *, allow: bool = True) -> Path:
    path = place / f"{name}.py"
    path.write_text(source)
    if allow:
        library.allow(library.named(home(place), name))
    return path


def test_what_is_allowed_is_there_to_be_called(place):
    put(place)
    space: dict = {}
    assert library.use(home(place), space, None) == []
    assert space["twice"](4) == 8
    assert LIVE["twice"].origin == "learned (.agentloop/actions/twice.py)"
    assert library.use(home(place), space, None) == []


def test_it_is_gone_in_another_folder_and_after_it_was_forgotten(place, tmp_path):
    put(place)
    space: dict = {}
    library.use(home(place), space, None)
    library.use(tmp_path, space, None)
    assert (space, LIVE) == ({}, {})
    library.use(home(place), space, None)
    assert library.forget(library.named(home(place), "twice"))
    (line,) = library.use(home(place), space, None)
    assert "was not allowed by you, and is not used; %agent learn --allow twice shows it" in line
    assert (space, LIVE) == ({}, {})


def test_a_copy_of_the_folder_is_a_strangers(place, tmp_path):
    put(place)
    other = tmp_path / "copy" / library.FOLDER
    other.mkdir(parents=True)
    (other / "twice.py").write_text(SOURCE)
    (line,) = library.use(tmp_path / "copy", {}, lambda _: pytest.fail("a stranger's file is not asked about"))
    assert "was not allowed by you" in line


@pytest.mark.parametrize("answer", [True, False])
def test_a_change_is_shown_and_asked_about_once(answer, place):
    put(place)
    put(place, SOURCE.replace("2 * n", "3 * n"), allow=False)
    asked: list[str] = []
    space: dict = {}
    for _ in range(2):
        lines = library.use(home(place), space, lambda shown: asked.append(shown) is None and answer)
    assert len(asked) == 1
    assert "-    return 2 * n\n+    return 3 * n" in asked[0]
    assert ("twice" in space, lines == []) == (answer, answer)


def test_a_variable_of_the_users_stays(place):
    put(place)
    space: dict = {"twice": 5}
    (line,) = library.use(home(place), space, None)
    assert "there is a twice in your namespace already" in line
    assert space == {"twice": 5}


@pytest.mark.parametrize("alone", [True, False])
def test_a_rebuilt_one_with_imports_and_loops_is_taken(alone, place):
    source = SOURCE.replace("return 2 * n", "return math.prod(each for each in (2, n))")
    put(place, f"import math\n{source}")
    rebuilt: dict = {}
    parts = ["import math\n\n\n", source.partition("@action\n")[2]]
    for part in parts if alone else ["".join(parts)]:
        exec(part, rebuilt)
    assert library.use(home(place), rebuilt, None) == []
    assert LIVE["twice"].origin == "learned (.agentloop/actions/twice.py)"


def test_a_function_of_the_users_stays_and_a_rebuilt_one_is_taken(place):
    put(place)
    mine: dict = {}
    exec(SOURCE.replace("2 * n", "4 * n"), mine)
    (line,) = library.use(home(place), mine, None)
    assert "there is a twice in your namespace already" in line
    assert mine["twice"](1) == 4
    assert LIVE["twice"].function is mine["twice"]
    rebuilt: dict = {}
    exec(SOURCE.partition("@action\n")[2], rebuilt)
    assert library.use(home(place), rebuilt, None) == []
    assert LIVE["twice"].origin == "learned (.agentloop/actions/twice.py)"


WRONG = {
    "an error": ("1 / 0\n", "ZeroDivisionError"),
    "no python": ("def twice(:\n", "SyntaxError"),
    "nothing declared": ("x = 1\n", "declares no action twice"),
    "another declared": (SOURCE.replace("twice", "thrice"), "declares no action twice"),
    "a wrong declaration": (SOURCE.replace("n: int", "n"), "needs types"),
    "an exit": ("raise SystemExit\n", "SystemExit"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_does_not_work_is_told_in_one_line(name, place):
    source, why = WRONG[name]
    put(place, source)
    space: dict = {}
    (line,) = library.use(home(place), space, None)
    assert why in line
    assert "\n" not in line
    assert space == {}


def test_links_large_files_and_odd_names_are_passed_over(place, tmp_path):
    outside = tmp_path / "outside.py"
    outside.write_text(SOURCE)
    (place / "twice.py").symlink_to(outside)
    (place / "open.py").write_text(SOURCE)
    (place / "a-b.py").write_text(SOURCE)
    (place / "large.py").write_text("#" * (library.LARGEST + 1))
    (place / "bytes.py").write_bytes(b"\xff\xfe")
    (place / "folder.py").mkdir()
    assert library.found(home(place)) == []
    assert library.use(home(place), {}, None) == []


def test_a_type_of_a_table_imports_nothing():
    program = (
        "import sys\n"
        "from agentloop_nb.learn.proposal import ProposeFunction, check\n"
        f"check(ProposeFunction(code={TABLE!r}, call='north(s)', result='t'), 'north', ['t = 1'], frozenset('t'))\n"
        "assert 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
