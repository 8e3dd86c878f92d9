"""A notebook runs what it shows: hidden decisions, hidden cells and forged outputs are stopped and shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentloop_nb.actions import ActionResult
from agentloop_nb.errors import UserError
from agentloop_nb.export import export
from agentloop_nb.models.replay import ReplayModel
from agentloop_nb.verify import verify
from tests.record.made import finished, printed, started, step

EVIL = "open('pwned', 'w')"


def exported(folder: Path) -> Path:
    written = ActionResult(
        success=True,
        output="",
        metadata={"file": {"path": "a/b.txt", "size": 2, "replaced": False, "sha256": "0" * 64}},
    )
    stopped = ActionResult(success=False, output="", error="stopped", stopped=True)
    shown = {"output_type": "execute_result", "data": {"text/plain": "3"}, "metadata": {}}
    events = [
        started(),
        *step(1, "run_code", printed("1\n"), code="print(1)\n"),
        *step(2, "write_file", written, filename="./a/b.txt", content="x\ny'\"\\\n"),
        *step(3, "run_code", ActionResult(success=True, output="3", outputs=(shown,)), code="x = 3\nx;"),
        *step(4, "run_code", stopped, code="while True:\n    pass"),
        *step(5, "run_code", printed("é"), code="%time print('é')  "),
        *finished(6),
    ]
    return export(events, folder / "run.ipynb", folder=folder)


def changed(path: Path, change) -> Path:
    notebook = json.loads(path.read_text())
    change(notebook, notebook["metadata"]["agentloop"]["decisions"])
    path.write_text(json.dumps(notebook))
    return path


def cell(notebook, name: str):
    return next(each for each in notebook["cells"] if each["id"] == name)


def test_an_export_of_every_kind_of_step_is_replayed(tmp_path):
    model = ReplayModel.from_path(exported(tmp_path))
    assert [each.step for each in model.decisions] == [1, 2, 3, 4, 5, 6]


def hidden_code(notebook, decisions):
    decisions[0]["decision"]["action"]["code"] = EVIL


def more_code(notebook, decisions):
    decisions[0]["decision"]["action"]["code"] += f"\n{EVIL}"


def a_decision_more(notebook, decisions):
    decisions.insert(0, json.loads(json.dumps(decisions[0])))
    decisions[0]["decision"]["action"]["code"] = EVIL
    decisions[0]["step"] = 9


def a_decision_of_no_step(notebook, decisions):
    a_decision_more(notebook, decisions)
    decisions[0]["step"] = 0


def another_content(notebook, decisions):
    decisions[1]["decision"]["action"]["content"] = EVIL


def another_file(notebook, decisions):
    decisions[1]["decision"]["action"]["filename"] = "sitecustomize.py"


def a_write_as_code(notebook, decisions):
    decisions[1]["decision"]["action"] = {"name": "run_code", "code": EVIL, "timeout": 30}


def a_finish_as_code(notebook, decisions):
    decisions[-1]["decision"]["action"] = {"name": "run_code", "code": EVIL, "timeout": 30}


def shown_code_changed(notebook, decisions):
    cell(notebook, "step-1-code")["source"] = "print('all is well')"


def shown_code_gone(notebook, decisions):
    notebook["cells"] = [each for each in notebook["cells"] if each["id"] != "step-1-code"]


def code_that_was_not_run(notebook, decisions):
    decisions[3]["decision"]["action"]["code"] = EVIL


def only_an_output_shows_it(notebook, decisions):
    decisions[0]["decision"]["action"]["code"] = "print(2)"
    cell(notebook, "step-1-code")["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "print(2)"}]


@pytest.mark.parametrize(
    "change",
    [
        hidden_code,
        more_code,
        a_decision_more,
        a_decision_of_no_step,
        another_content,
        another_file,
        a_write_as_code,
        a_finish_as_code,
        shown_code_changed,
        shown_code_gone,
        code_that_was_not_run,
        only_an_output_shows_it,
    ],
)
def test_metadata_that_differs_from_the_cells_is_not_replayed_and_the_difference_is_shown(tmp_path, change):
    path = changed(exported(tmp_path), change)
    with pytest.raises(UserError, match="would run what it does not show: step") as told:
        ReplayModel.from_path(path)
    assert "\n" not in str(told.value)
    if change is hidden_code:
        assert "'print(1)'" in str(told.value)
        assert "pwned" in str(told.value)


HIDINGS = [
    {"jupyter": {"source_hidden": True}},
    {"hide_input": True},
    *({"tags": [tag]} for tag in ("hide-input", "remove-cell", "remove_input", "hide-cell", "remove-input", "hide")),
]


@pytest.mark.parametrize("metadata", HIDINGS, ids=str)
def test_a_hidden_cell_is_neither_replayed_nor_verified(tmp_path, metadata):
    path = changed(exported(tmp_path), lambda notebook, _: cell(notebook, "step-1-code")["metadata"].update(metadata))
    with pytest.raises(UserError, match="marked as hidden"):
        ReplayModel.from_path(path)
    verdict = verify(path)
    assert not verdict.ok
    assert verdict.cell == "step-1-code"


OUTPUTS = [
    {"output_type": "stream", "name": "stdout", "text": "p < 0.001\n"},
    {"output_type": "display_data", "data": {"text/plain": "p < 0.001"}, "metadata": {}},
    {"output_type": "execute_result", "data": {"text/plain": "1"}, "metadata": {}, "execution_count": None},
    {"output_type": "error", "ename": "E", "evalue": "", "traceback": []},
]


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output["output_type"])
@pytest.mark.parametrize("count", [None, 0])
def test_outputs_without_an_execution_count_are_forged(tmp_path, output, count):
    def forge(notebook, decisions):
        forged = cell(notebook, "step-1-code")
        forged["outputs"], forged["execution_count"] = [output], count

    verdict = verify(changed(exported(tmp_path), forge))
    assert not verdict.ok
    assert "never run" in verdict.cause
