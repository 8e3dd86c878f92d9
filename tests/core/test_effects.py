"""The typed effects of a step, and how a record spells them."""

import json

import pytest

from agentloop_nb.actions import ActionResult
from agentloop_nb.actions.effects import Effects
from agentloop_nb.events import ActionFinished, OutputsEvicted, RunInterrupted, RunStarted, event_from
from agentloop_nb.protocols import CodeError, SearchHit, WrittenFile
from agentloop_nb.state import fold

WRITTEN = WrittenFile(path="a.txt", size=2, sha256="0" * 64)


@pytest.mark.parametrize(
    ("effects", "recorded"),
    [
        (Effects(), {}),
        (Effects(files_written=("a", "b")), {"files": ["a", "b"]}),
        (Effects(files_read=("in.csv",), external=("ran x",)), {"read": ["in.csv"], "beyond": ["ran x"]}),
        (Effects(hits=()), {"hits": []}),
        (Effects(hits=(SearchHit(title="T", url="u"),)), {"hits": [{"title": "T", "url": "u", "snippet": ""}]}),
        (Effects(artifacts=()), {"artifacts": []}),
        (Effects(file=WRITTEN), {"file": {**WRITTEN.model_dump()}}),
        (Effects(error=CodeError(type="E")), {"error": {"type": "E", "message": "", "traceback": "", "line": None}}),
        (Effects(replaced={"a": {"text": "was"}}), {"replaced": {"a": {"text": "was"}}}),
        (Effects(offline=True, repeated=3), {"repeated": 3, "offline": True}),
    ],
)  # fmt: skip
def test_a_record_holds_what_is_there_under_the_names_of_0_1_0(effects, recorded):
    event = ActionFinished(step=1, result=ActionResult(success=True, output="", effects=effects))
    line = json.loads(event.model_dump_json())
    assert line["result"]["metadata"] == recorded
    assert "effects" not in line["result"]
    assert event_from(line).result == event.result


def test_effects_of_a_newer_version_are_kept():
    result = ActionResult.model_validate(
        {"success": True, "output": "", "metadata": {"files": ["a"], "moon": {"x": 1}}}
    )
    assert result.effects.files_written == ("a",)
    assert result.metadata == {"files": ["a"], "moon": {"x": 1}}


def test_what_is_no_text_in_a_list_of_names_is_taken_as_one():
    assert Effects.model_validate({"read": [3, None, "../x"]}).files_read == ("3", "None", "../x")


def test_a_result_is_copied_with_some_effects_replaced():
    first = ActionResult(success=True, output="", effects=Effects(notes=("one",), hint="try"))
    second = first.with_effects(notes=("one", "two"))
    assert (second.effects.notes, second.effects.hint) == (("one", "two"), "try")
    assert first.effects.notes == ("one",)


def test_a_state_changes_by_what_it_is_told_alone():
    result = ActionResult(success=True, output="all of it")
    state = fold([RunStarted(run="r", goal="g", context="", settings={}), ActionFinished(step=1, result=result)])
    state.apply(OutputsEvicted(index=0, result=result.model_copy(update={"output": "a part"})))
    state.apply(RunInterrupted())
    assert (state.steps[0].result.output, state.status, state.reason) == ("a part", "interrupted", "its kernel died")
