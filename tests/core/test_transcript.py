"""The messages of a run are kept while it grows, and are at each moment what composing them anew gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentloop_nb.agent.compaction import compaction, overflow_compaction
from agentloop_nb.agent.prompt import Transcript, compose
from agentloop_nb.events import (
    AnyEvent,
    DecisionRejected,
    LimitsReplaced,
    NoteAdded,
    StepsUndone,
    TranscriptCompacted,
)
from agentloop_nb.protocols import CodeOutcome
from agentloop_nb.record import reading
from agentloop_nb.state import State
from agentloop_nb.testing import ScriptedModel, code, finish

ROOT = Path(__file__).parents[2]
RECORDS = [
    *sorted((ROOT / "tests" / "record" / "written_by_0_1_0").rglob("*.jsonl")),
    ROOT / "agentloop_nb/demo/cafe.jsonl",
]
LOUD = CodeOutcome(ending="ok", outputs=({"output_type": "stream", "name": "stdout", "text": "x" * 3000},))


def follow(events: list[AnyEvent]) -> None:
    """Fold events, and compare after each."""
    state, transcript = State(), Transcript(3)
    for event in events:
        state.apply(event)
        assert transcript.messages(state) == compose(state), f"after {event.kind} of step {event.step}"


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_recorded_run_is_told_as_it_would_be_composed(path: Path) -> None:
    follow(list(reading.read(path)))


async def test_so_it_is_through_compactions_notes_rejections_limits_and_undo(scenario) -> None:
    sources = [f"print({number})" for number in range(40)]
    s = scenario(
        [*map(code, sources), finish()], outcomes=dict.fromkeys(sources, LOUD), prices=("1", "1"), max_steps=60
    )
    await s.run()
    events = [event for event in s.events if event.kind != "run_finished"]
    assert any(isinstance(event, TranscriptCompacted) for event in events)
    last = events[-1].step
    follow([*events, NoteAdded(step=last + 1, text="go on"), DecisionRejected(step=last + 1, reason="no")])
    state, transcript = State(), Transcript(3)
    for event in events:
        state.apply(event)
        transcript.messages(state)
    for change in (
        lambda: LimitsReplaced(max_steps=last + 2, budget=None),
        lambda: StepsUndone(step=last, first=last - 5),
        lambda: overflow_compaction(state),
        lambda: NoteAdded(step=last - 5, text="another way"),
    ):
        event = change()
        assert event is not None
        state.apply(event)
        assert transcript.messages(state) == compose(state)


async def test_what_was_told_is_the_same_message_and_is_counted_once(scenario) -> None:
    s = scenario([*(code(f"print({number})") for number in range(6)), finish()])
    await s.run()
    first, second = (request.messages for request in s.model.requests[3:5])
    assert [old is new for old, new in zip(first, second, strict=False)][:-3] == [True] * (len(first) - 3)


def test_a_run_that_has_not_begun_has_nothing_to_shorten() -> None:
    assert compaction(State(), ScriptedModel([])) is None
