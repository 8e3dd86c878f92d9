"""A small model copies what it decided before: failed code is told no more, and what is done is not offered again."""

from __future__ import annotations

import json

import pytest

from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.loop import Loop
from agentloop_nb.agent.prompt import compose
from agentloop_nb.events import RunStarted, TranscriptCompacted
from agentloop_nb.protocols import CodeError, CodeOutcome
from agentloop_nb.settings import resolve
from agentloop_nb.state import State, fold
from agentloop_nb.testing import FakeWorkspace
from tests.wire import decision, finish

SMALL, LARGE = "coder:0.5b", "coder:70b"
TRACE = "Traceback: step 1, line 1\nKeyError: 'Month'\n  sales is DataFrame 12 x 2; columns: month, amount"
FAILS = CodeOutcome(ending="error", error=CodeError(type="KeyError", message="'Month'", traceback=TRACE))
ODD = CodeOutcome(ending="error", error=CodeError(type="ValueError", message="odd", traceback="ValueError: odd"))
SHOWS = CodeOutcome(ending="ok", outputs=({"output_type": "stream", "name": "stdout", "text": "4242"},))
WRONG, OTHER, RIGHT = (decision("run_code", code=code) for code in ("sales['Month']", "sales['day']", "sales"))


async def go(t, folder):
    settings = resolve({"model": t.model.label if hasattr(t.model, "label") else "m", "max_steps": 12}, {}, {})
    workspace = FakeWorkspace(folder, outcomes={"sales['Month']": FAILS, "sales['day']": ODD, "sales": SHOWS})
    events = []
    stream = Stream(State(), events.append)
    stream.emit(RunStarted(run="r", goal="sum up", context="", settings=settings.record()))
    state = await Loop(stream, t.model, workspace, settings).run()
    assert fold(events) == state
    return state, events


def told(body):
    return "\n".join(str(message["content"]) for message in body["messages"][1:])


async def test_the_code_of_a_failure_that_was_copied_is_told_no_more(talk, tmp_path):
    t = talk(WRONG, WRONG, RIGHT, finish("4242"), model=SMALL)
    state, events = await go(t, tmp_path)
    assert state.status == "finished"
    _, copied, after, last = t.wire.bodies
    assert "sales['Month']" in told(copied)
    for body in (after, last):
        assert "sales['Month']" not in told(body)
        assert "Tried before, in vain:\n- run_code failed: KeyError: 'Month'" in told(body)
        assert "columns: month, amount" in told(body)
        assert told(body).count("KeyError") == 1
    assert [event.in_vain for event in events if isinstance(event, TranscriptCompacted)] == [True]


async def test_the_newest_failure_that_is_no_copy_is_told_whole(talk, tmp_path):
    t = talk(WRONG, WRONG, OTHER, RIGHT, finish("4242"), model=SMALL)
    await go(t, tmp_path)
    assert "sales['day']" in told(t.wire.bodies[3])
    assert "sales['Month']" not in told(t.wire.bodies[3])
    assert "sales['day']" not in told(t.wire.bodies[4])
    assert "ValueError: odd" in told(t.wire.bodies[4])


async def test_a_large_model_keeps_its_whole_transcript(talk, tmp_path):
    t = talk(WRONG, WRONG, RIGHT, finish("4242"), model=LARGE)
    _, events = await go(t, tmp_path)
    assert told(t.wire.bodies[3]).count("sales['Month']") >= 2
    assert not any(isinstance(event, TranscriptCompacted) for event in events)


def names(body):
    action = json.loads(json.dumps(body["response_format"]))["json_schema"]["schema"]["properties"]["action"]
    kinds = action.get("anyOf", [action])
    return [kind["properties"]["name"]["enum"][0] for kind in kinds]


@pytest.mark.parametrize(("model", "offered"), [(SMALL, False), (LARGE, True)])
async def test_what_was_done_twice_with_one_result_is_not_offered_for_once(talk, tmp_path, model, offered):
    t = talk(RIGHT, RIGHT, decision("write_file", filename="a.txt", content="4242"), finish("4242"), model=model)
    state, _ = await go(t, tmp_path)
    assert state.status == "finished"
    assert "run_code" in names(t.wire.bodies[1])
    assert ("run_code" in names(t.wire.bodies[2])) is offered
    assert "run_code" in names(t.wire.bodies[3])


async def test_what_is_sent_follows_from_the_record_alone(talk, tmp_path):
    t = talk(WRONG, WRONG, OTHER, finish("no"), finish("no"), model=SMALL)
    _, events = await go(t, tmp_path)
    state = State()
    sent = []
    for event in events:
        if event.kind == "model_called":
            sent.append([message.content for message in compose(state)])
        state.apply(event)
    assert sent == [[message["content"] for message in body["messages"]] for body in t.wire.bodies]


async def test_a_note_beside_a_left_out_step_is_kept(talk, tmp_path):
    t = talk(WRONG, WRONG, finish("no"), finish("no"), model=SMALL)
    state, _ = await go(t, tmp_path)
    state.steps[0].notes.append("use the small letters")
    assert "use the small letters" in "\n".join(message.content for message in compose(state))
