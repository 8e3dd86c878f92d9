"""Each further action in a real kernel: taken back, killed and resumed, exported and replayed with no server left."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("mcp")

from agentloop_nb.record import locating, reading
from tests.e2e.actions_story import CELL, EXPORTED, NAMES, code_of, data_home, steps, surroundings
from tests.learn.scene import Scene, scene
from tests.processes import wait_for
from tests.wire import decision, finish

pytestmark = pytest.mark.timeout(900)
WAITS = decision(
    "run_code",
    code="import os, time\nopen('begun', 'w').close()\nwhile not os.path.exists('go'):\n    time.sleep(0.05)",
    timeout=600,
)
MADE = [name for name, *_ in NAMES.values()]
LEFT = f"print([name for name in {MADE} if name in globals()])"
DIFFERENT = "print([step.number for step in _agent.state.steps if step.difference or not step.result.success])"


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> Iterator[dict[str, Any]]:
    """What a person saw, by what was typed; the folder is `folder`."""
    with data_home(tmp_path_factory.mktemp("each")) as folder:
        with surroundings(folder) as page, scene(folder) as made:
            seen = before(made, page)
        (folder / ".mcp.json").unlink()
        with scene(folder) as made:
            yield seen | after(made) | {"folder": folder}


def before(made: Scene, page: str) -> dict[str, Any]:
    """Two runs: one to its end, taken back, and one that is killed in its last step."""
    made.live.run(CELL)
    seen = {"run": made.run("Try everything", *steps(page), finish("Tried."))}
    seen["first"] = reading.load(locating.find(None, made.folder))
    seen["undo"] = made.said("%agent undo 8")
    seen["left"] = made.said(LEFT)
    made.wire.script += [*steps(page), WAITS]
    made.live.client.execute("%%agent Once more")
    wait_for((made.folder / "begun").exists, "the last step did not begin")
    made.live.manager.signal_kernel(signal.SIGKILL)
    (made.folder / "go").touch()
    return seen


def after(made: Scene) -> dict[str, Any]:
    """The killed run goes on in another kernel, is exported, and is replayed. No server is there."""
    made.wire.script += [decision("run_code", code="print('on')"), finish("Done.")]
    seen: dict[str, Any] = {"resume": made.said("%agent resume")}
    record = locating.find(None, made.folder)
    seen |= {name: made.said(f"print({expression})") for name, (_, expression, _) in NAMES.items()}
    seen["export"] = made.said("%agent export all.ipynb")
    for source in (record, "all.ipynb"):
        made.said(f"del {', '.join(MADE)}")
        made.said(f"%%agent -m replay:{source} Again")
        seen[f"replay {Path(source).suffix}"] = made.said(DIFFERENT)
    return seen


def test_each_step_did_what_it_should(told):
    outcomes = [(step.result.success, step.result.error) for step in told["first"].steps]
    assert outcomes == [(True, None)] * 9


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_run_goes_on_with_what_it_brought(name, told):
    assert told[name] == f"{NAMES[name][2]}\n"


def test_what_reached_outside_was_done_once_by_each_run(told):
    folder = told["folder"]
    assert (folder / "ordered").read_text() == "ACME" * 2
    assert (folder / "taken_back").read_text() == "ACME"


def test_undo_takes_back_what_it_bound_and_names_what_it_cannot(told):
    assert told["left"] == "[]\n"
    assert "order" in told["undo"]
    assert "good" in told["undo"]


@pytest.mark.parametrize("name", EXPORTED)
def test_its_export_is_proven_with_no_server_left(name, told):
    assert "Reproduced" in told["export"]
    code = code_of(told["folder"] / "all.ipynb")
    assert EXPORTED[name] in code
    assert "agentloop" not in code
    assert "= order(" not in code


def test_it_is_replayed_with_no_server_left(told):
    assert told["replay .jsonl"] == "[9]\n", "that in which the kernel died then, and which goes to its end now"
    assert told["replay .ipynb"] == "[]\n"
