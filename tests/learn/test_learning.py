"""What worked in a run becomes a function of the folder: proposed, tried in a fresh kernel, shown, saved, used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.learn.scene import CODE, STEPS, Scene, proposed, scene_of_its_own
from tests.wire import decision, finish

pytestmark = pytest.mark.timeout(600)
DONE = (finish(), finish())
SAVED = ".agentloop/actions/total_of.py"


@pytest.fixture(scope="module")
def notebook(tmp_path_factory) -> Iterator[Scene]:
    """A notebook in which a run met its goal, and a function was learned from it on the second attempt."""
    with scene_of_its_own(tmp_path_factory.mktemp("learning")) as made:
        made.run("What did N sell?", *STEPS)
        made.wire.script += [proposed(code=CODE.replace("path: str", "path")), proposed()]
        made.told = made.said("%agent learn total_of", "y")
        yield made


def proposals(folder: Path) -> list[dict[str, Any]]:
    lines = [line for path in sorted((folder / ".agentloop" / "runs").glob("*.jsonl")) for line in path.open()]
    return [event for event in map(json.loads, lines) if event["kind"] == "function_proposed"]


def sent(notebook: Scene) -> str:
    return json.dumps(notebook.wire.bodies[-1]["messages"])


def test_the_person_sees_the_function_and_its_test_before_it_is_saved(notebook):
    assert '+def total_of(path: str, region: str = "N") -> int:' in notebook.told
    assert "The test passed in a fresh kernel" in notebook.told
    assert f"Saved as {SAVED}" in notebook.told
    source = (notebook.folder / SAVED).read_text()
    assert "\n@action\ndef total_of(" in source
    assert "# Tested in a fresh kernel: total_of('sales.csv', region='N') brought what the run had as total." in source
    first, second = proposals(notebook.folder)
    assert "needs types" in first["problem"]
    assert second["problem"] == ""
    asked, again = notebook.wire.bodies[3:5]
    assert "row['region'] == 'N'" in json.dumps(asked["messages"])
    assert "needs types" in json.dumps(again["messages"][-1])
    told = notebook.said("%agent sent")
    assert "--- asked for the function total_of, after the run" in told
    assert again["messages"][-1]["content"] in told


def test_a_later_run_calls_it_and_its_export_holds_it(notebook):
    notebook.run("And S?", decision("total_of", path="sales.csv", region="S", into="south"), finish("It is 20."))
    assert "total_of: Add up the amounts of one region" in json.dumps(notebook.wire.bodies[-1]["messages"])
    assert notebook.said("print(south)") == "20\n"
    assert f"learned ({SAVED}): Add up the amounts" in notebook.said("%agent actions")
    assert "Reproduced" in notebook.said("%agent export south.ipynb")
    cells = json.loads((notebook.folder / "south.ipynb").read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert "def total_of(path: str" in code
    assert "south = total_of(path='sales.csv', region='S')" in code
    assert "agentloop" not in code


def test_what_fails_twice_is_not_saved(notebook):
    before = (notebook.folder / SAVED).read_text()
    notebook.wire.script += [proposed(code="def total_of(:"), proposed(code=CODE.replace("== region", "!= region"))]
    record = min((notebook.folder / ".agentloop" / "runs").glob("*.jsonl")).stem
    told = notebook.said(f"%agent learn {record} total_of 2", attended=True)
    assert "nothing was learned, and nothing is saved: total_of('sales.csv', region='N') is not equal to total" in told
    assert "the call brought 20, the steps 40" in told
    assert (notebook.folder / SAVED).read_text() == before


def test_where_nobody_is_nothing_is_asked_or_learned(notebook):
    requests = len(notebook.wire.bodies)
    told = notebook.said("%agent learn total_of")
    assert "nobody is there to look at it" in told
    assert "%agent learn total_of" in told
    assert len(notebook.wire.bodies) == requests


def test_a_file_that_changed_is_asked_about_and_a_strangers_never_runs(notebook):
    path, ran = notebook.folder / SAVED, notebook.folder / "ran"
    path.write_text(path.read_text() + "open('ran', 'w')\n")
    stranger = path.with_name("stranger.py")
    stranger.write_text("open('ran', 'w')\nfrom agentloop_nb import action\n\n@action\ndef stranger(a: int): ...\n")
    told = notebook.run("Again", *DONE)
    assert f"{SAVED} changed since you allowed it, and is not used; %agent learn --allow total_of shows it" in told
    assert "stranger.py was not allowed by you, and is not used; %agent learn --allow stranger shows it" in told
    assert "- total_of" not in sent(notebook)
    assert "nobody is there" in notebook.said("%agent learn --allow stranger")
    assert "stranger is not allowed" in notebook.said("%agent learn --allow stranger", "n")
    listed = notebook.said("%agent learn")
    assert f"total_of ({SAVED}): changed since you allowed it" in listed
    assert "stranger (.agentloop/actions/stranger.py): not allowed" in listed
    assert not ran.exists()
    notebook.wire.script += DONE
    told = notebook.said("%%agent Again", "y")
    assert "+open('ran', 'w')" in told
    assert "- total_of" in sent(notebook)
    assert ran.exists()
    assert "no longer allowed" in notebook.said("%agent learn --forget total_of")
    notebook.run("Again", *DONE)
    assert "- total_of" not in sent(notebook)
