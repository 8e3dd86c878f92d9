"""What a record says of delegated parts is read as data: names are names, cells are cells, whoever wrote it."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from agentloop_nb.actions import ActionResult, Delegate
from agentloop_nb.actions.delegate import code_of
from agentloop_nb.events import ActionFinished, event_from
from agentloop_nb.testing import FakeWorkspace

CELL = {"cell_type": "code", "source": "x = 1\nprint(x)", "outputs": [{"output_type": "stream", "name": "stdout"}]}
CHILD = {"run": "r", "status": "finished", "summary": "It is 1", "brought": ["x"], "kept": ["y"], "copied": ["y"]}


def read(**child: object) -> ActionResult:
    told = {"success": True, "output": "done", "metadata": {"children": [CHILD | {"cells": [CELL]} | child]}}
    event = event_from(json.loads(json.dumps({"kind": "action_finished", "step": 1, "at": 1, "result": told})))
    assert isinstance(event, ActionFinished)
    return event.result


def test_what_was_written_is_read_again():
    result = read()
    assert ActionResult.model_validate_json(result.model_dump_json()) == result
    assert code_of(result, 1) == [
        'import copy\n\n_kept_1 = {"y": y}\ny = copy.deepcopy(y)',
        "x = 1\nprint(x)",
        'y = _kept_1["y"]',
    ]


@pytest.mark.parametrize(
    "forged",
    [
        {"kept": ['x": 1}; import os; {"']},
        {"copied": ["x\nimport os"]},
        {"brought": ["class"]},
        {"kept": [1]},
        {"cells": [CELL | {"cell_type": "raw"}]},
        {"cells": [{"cell_type": "code"}]},
        {"cells": [CELL | {"outputs": [{}]}]},
        {"cells": [CELL | {"outputs": ["text"]}]},
        {"cells": "code"},
        {"cost": "-1"},
        {"cost": "1e99"},
        {"status": 3},
    ],
)
def test_what_was_forged_is_refused(forged):
    with pytest.raises(ValidationError):
        read(**forged)


async def test_where_nothing_can_be_delegated_the_model_is_told_to_do_it_itself(tmp_path):
    from agentloop_nb.errors import ActionFailed

    action = Delegate.model_validate({"tasks": [{"goal": "count"}]})
    with pytest.raises(ActionFailed, match="Do the parts yourself"):
        await action.perform(FakeWorkspace(tmp_path), step=1, on_output=print)


@pytest.mark.parametrize(
    ("tasks", "says"),
    [
        ([], "at least 1"),
        ([{"goal": "g"}] * 9, "at most 8"),
        ([{"goal": ""}], "at least 1 character"),
        ([{"goal": "g", "brings": ["a b"]}], "no name of a variable"),
        ([{"goal": "g", "brings": ["_x"]}], "no name of a variable"),
        ([{"goal": "g", "brings": ["x"]}, {"goal": "h", "brings": ["x"]}], "two parts bring 'x'"),
        ([{"goal": "g", "share": 60}, {"goal": "h", "share": 60}], "more than 100 percent"),
        ([{"goal": "g", "tool": "x"}], "Extra inputs"),
    ],
)
def test_tasks_that_make_no_sense_are_rejected_with_what_is_wrong(tasks, says):
    with pytest.raises(ValidationError, match=says):
        Delegate.model_validate({"tasks": tasks})


def test_what_models_write_for_lists_and_numbers_is_understood():
    task = {"goal": "g", "needs": "a, b.csv", "brings": None, "steps": "99", "share": 250}
    (made,) = Delegate.model_validate({"tasks": [task]}).tasks
    assert (made.needs, made.brings, made.steps, made.share) == (("a", "b.csv"), (), 50, 100)
