"""Look-ups, documents and queries from the goal to a proven notebook, and replayed from it without web or model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from agentloop_nb import run_agent
from agentloop_nb.record import reading
from tests.wire import Wire, decision, finish

STEPS = [
    decision("run_code", code="import pandas as pd\ndf = pd.read_csv('sales.csv')"),
    decision("read_document", path="sales.csv", part=None),
    decision("query", sql="SELECT region, max(sales) AS best FROM df GROUP BY 1 ORDER BY 1", source=None, into="best"),
    decision("query", sql="SELECT count(*) AS n FROM 'more.csv'", source=None, into=None),
    decision("query", sql="COPY df TO 'stolen.csv'", source=None, into=None),
    decision("look_up", requests=[{"url": "http://127.0.0.1:9/"}, {"url": "http://localhost:9/"}]),
    finish("Best by region is in best."),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("sales.csv", "more.csv"):
        (tmp_path / name).write_text("region,sales\nN,10\nS,20\nN,30\n", encoding="utf-8")
    return tmp_path


def test_a_run_leaves_a_notebook_that_runs_without_us(folder: Path) -> None:
    with Wire(STEPS) as wire:
        run = run_agent("best sales by region", model="m", base_url=wire.base_url, output_dir=folder, verbose=False)
    told = [result.success for result in run.action_results]
    assert told == [True, True, True, True, False, False, True], [result.error for result in run.action_results]
    assert not (folder / "stolen.csv").exists()
    assert run.variables["best"]["best"].tolist() == [30, 20]
    state = reading.load(run.journal)
    assert [action.name for action in state.actions][:5] == [
        *("search_web", "read_url", "run_code", "write_file", "finish")
    ]
    path = folder / "run.ipynb"
    published = run.publish(path)
    assert published.sound, published.told
    notebook = json.loads(path.read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any("agentloop" in source for source in sources)
    assert any(source.startswith("import duckdb\n\nbest = duckdb.sql(") for source in sources)
    listed = {each["path"] for each in notebook["metadata"]["agentloop"]["inputs"]}
    assert listed == {"sales.csv", "more.csv"}
    again = run_agent("again", model=f"replay:{path}", output_dir=folder, verbose=False)
    assert [result.success for result in again.action_results] == told
    assert again.state.differences == ""


def test_a_run_may_do_only_what_was_chosen(folder: Path) -> None:
    with Wire([decision("query", sql="SELECT 1"), decision("run_code", code="1 + 1"), finish()]) as wire:
        run = run_agent(
            "count", model="m", base_url=wire.base_url, output_dir=folder, no_actions="query,look_up", verbose=False
        )
    assert [action.action for action in run.actions_taken] == ["run_code", "finish"]
    assert "there is no action 'query'" in run.state.steps[0].rejected[0][1]
    offered = json.dumps(wire.bodies[0])
    assert "look_up" not in offered
    assert "read_document" in offered
