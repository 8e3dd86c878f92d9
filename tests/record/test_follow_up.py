"""`%%agent now make it a bar chart`: what an earlier run made comes along with the export of a later one."""

from __future__ import annotations

import json

import pytest

from agentloop_nb.export import export
from agentloop_nb.export.session_export import of_one_kernel
from agentloop_nb.record import locating
from agentloop_nb.verify import verify
from tests.record.kernels import kernel, recorded_run, script


@pytest.mark.kernel
def test_a_later_run_brings_along_what_an_earlier_one_made(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    first = script(tmp_path / "first.jsonl", ["base = [1, 2, 3]", "1 / 0", "doubled = [2 * n for n in base]"])
    second = script(tmp_path / "second.jsonl", ["sum(doubled) + offset"])
    with kernel(work) as live:
        live.run("%load_ext agentloop_nb\noffset = 100")
        live.run(f"%%agent -m replay:{first} Double it")
        live.run("offset += 1")
        live.run(f"%%agent -m replay:{second} now sum it up")
    newest, _ = locating.runs(work)
    path = export(locating.find(newest.run, work), work / "run.ipynb")
    code = ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert code == [
        "offset = 100",
        "base = [1, 2, 3]",
        "doubled = [2 * n for n in base]",
        "offset += 1",
        "sum(doubled) + offset",
    ]
    verdict = verify(path)
    assert verdict.ok, verdict.text


@pytest.mark.kernel
def test_all_goals_of_a_kernel_export_as_one_notebook(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    first = script(
        tmp_path / "first.jsonl", ["doubled = [2 * n for n in base]\nprint(doubled)", "doubled.append(1); 1 / 0"]
    )
    second = script(tmp_path / "second.jsonl", ["sum(doubled) + offset"])
    with kernel(work) as live:
        live.run("%load_ext agentloop_nb\nbase = [1, 2, 3]\nunrelated = 7")
        live.run(f"%%agent -m replay:{first} Double it")
        live.run("offset = 100")
        live.run(f"%%agent -m replay:{second} now sum it up")
        said = live.text("%agent export --session day.ipynb")
        refused = live.text("%agent export --session --minimal day.ipynb")
    assert "--session takes a name only" in refused
    notebook = json.loads((work / "day.ipynb").read_text())
    assert notebook["metadata"]["agentloop"]["verdict"]["ok"], said
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code == [
        "base = [1, 2, 3]\nunrelated = 7",
        "doubled = [2 * n for n in base]\nprint(doubled)",
        "doubled.append(1); 1 / 0",
        "offset = 100",
        "sum(doubled) + offset",
    ]
    told = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    titled = [text for text in told if text.startswith("# That is it\n")]
    assert len(titled) == 2
    assert all(goal in text for goal, text in zip(["Double it", "now sum it up"], titled, strict=True))
    newest, _ = locating.runs(work)
    assert [path.stem for path in of_one_kernel(locating.find(newest.run, work))] == sorted(
        state.run for state in locating.runs(work)
    )


@pytest.mark.kernel
def test_status_cost_and_who_tell_the_truth_after_undo(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    decisions = script(tmp_path / "decisions.jsonl", ["x = [1]", "x.append(2)\ny = 5"])
    with kernel(work) as live:
        live.run("%load_ext agentloop_nb")
        live.run(f"%%agent -m replay:{decisions} Do it")
        assert "Step 2 is taken back" in live.text("%agent undo")
        assert live.text("print(x)") == "[1]\n"
        status, cost, who = (live.text(f"%agent {word}") for word in ("status", "cost", "who"))
        assert "Step 1 is taken back" in live.text("%agent undo")
        assert "no step to take back" in live.text("%agent undo")
    assert ": stopped," in status
    assert "step 2 and what followed were taken back" in status
    assert "2, taken back" in cost
    assert "3, taken back" in cost
    assert "y" not in who


@pytest.mark.kernel
def test_widgets_in_a_step_do_not_break_an_export(tmp_path):
    pytest.importorskip("ipywidgets")
    steps = [
        "import ipywidgets as w\nout = w.Output()\nwith out:\n    print('inside')\nout",
        "@w.interact(x=3)\ndef f(x):\n    print(x)",
        "1 + 1",
    ]
    path = export(recorded_run(tmp_path / "work", steps), tmp_path / "run.ipynb")
    verdict = verify(path)
    assert verdict.ok, verdict.text
