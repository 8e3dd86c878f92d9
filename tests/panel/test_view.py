"""The panel as a view of the stream: what it publishes, and what its header and cards say at each event."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from agentloop_nb.agent.control import Control
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.events import ModelCalled, ModelFailed, OutputAppeared, ReplyStreamed, RunFinished, RunResumed
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.notebook.panel.panel_view import PanelView
from agentloop_nb.protocols import Delta
from agentloop_nb.state import State
from agentloop_nb.testing import FakeWeb
from tests.panel import story


class Shell:
    """A shell that keeps what is displayed."""

    def __init__(self) -> None:
        self.display_pub = self
        self.published: list[dict[str, Any]] = []

    def publish(self, **message: Any) -> None:
        self.published.append(message)


@pytest.fixture
def shell() -> Shell:
    return Shell()


def shown(view: PanelView) -> dict[str, Any]:
    """What a page would be sent if it loaded now."""
    with view._link.changing() as board:
        board.take()
    return view._link.snapshot()


def test_the_same_display_holds_the_widget_then_static_html(shell: Shell) -> None:
    view, state = PanelView(story.GOAL, Control(), shell, live=True), State()
    view.open()
    for event in story.whole():
        state.apply(event)
        view.show(event, state)
    view.close()
    view.close()
    opened, closed = shell.published
    assert "application/vnd.jupyter.widget-view+json" in opened["data"]
    assert set(closed["data"]) == {"text/html", "text/plain"}
    assert closed["update"]
    assert opened["transient"] == closed["transient"]


def test_a_panel_that_cannot_be_made_leaves_the_finished_run(shell: Shell, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError("the comm is closed")

    view, state = PanelView(story.GOAL, Control(), shell, live=True), State()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agentloop_nb.notebook.panel.widget.PanelWidget", broken)
        view.open()
    for event in story.whole():
        state.apply(event)
        view.show(event, state)
    view.close()
    assert "the comm is closed" in caplog.text
    assert "December" in shell.published[-1]["data"]["text/html"]


def test_where_nobody_can_answer_there_is_no_widget(shell: Shell) -> None:
    view = PanelView(story.GOAL, Control(), shell)
    view.open()
    view.show(story.started(), State())
    view.close()
    assert not any("application/vnd.jupyter.widget-view+json" in message["data"] for message in shell.published)


def test_a_wait_is_counted_down_and_then_gone(shell: Shell) -> None:
    view, state = PanelView(story.GOAL, Control(), shell, live=True), State()
    view.open()
    failed = ModelFailed(step=1, attempt=1, error="rate limit reached", wait=8.0)
    for event in (story.started(), ModelCalled(step=1, attempt=1), failed):
        state.apply(event)
        view.show(event, state)
    head = shown(view)["header"]
    assert (head["label"], head["wait"]["why"]) == ("retrying", "rate limit reached")
    again = ModelCalled(step=1, attempt=2)
    state.apply(again)
    view.show(again, state)
    page = shown(view)
    assert (page["header"]["label"], page["header"]["wait"]) == ("thinking, try 2", None)
    assert page["cards"][0]["quiet"] == ["No answer from the model: rate limit reached"]
    view.close()


def test_a_running_step_grows_and_its_end_replaces_nothing(shell: Shell) -> None:
    view, state = PanelView(story.GOAL, Control(), shell, live=True), State()
    view.open()
    *before, end = [story.started(), *story.load_step(1)]
    for event in before:
        state.apply(event)
        view.show(event, state)
    for output in end.result.outputs:
        view.progress(OutputAppeared(step=1, output=output))
    running = shown(view)["cards"][0]
    state.apply(end)
    view.show(end, state)
    done = shown(view)["cards"][0]
    assert (running["state"], done["state"]) == ("running", "done")
    assert running["out"] == done["out"]
    view.close()


def test_a_long_step_shows_its_time_and_the_memory_in_use(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentloop_nb.notebook.panel.page_link.MEASURED_EVERY", 0.01)
    held, looked = iter((512_000_000, 1_340_000_000)), threading.Event()
    control, state = Control(), State()
    view = PanelView(story.GOAL, control, shell, live=True)
    view.open()
    *before, _end = [story.started(), *story.load_step(1)]

    def memory() -> int | None:
        size = next(held, None)
        looked.set() if size is None else None
        return size

    control.memory = memory  # as a workspace does while code runs
    for event in before:
        state.apply(event)
        view.show(event, state)
    assert looked.wait(20)
    running = shown(view)["cards"][0]
    view.close()
    assert running["memory"] == "1.3 GB"
    assert running["began"] == before[-1].at


def test_a_reply_is_seen_while_it_is_written(shell: Shell) -> None:
    view, state = PanelView(story.GOAL, Control(), shell, live=True), State()
    view.open()
    for event in (story.started(), ModelCalled(step=1, attempt=1)):
        state.apply(event)
        view.show(event, state)
    view.progress(ReplyStreamed(step=1, delta=Delta(reasoning="Let me see")))
    assert shown(view)["cards"][0]["reasoning"] == "Let me see"
    view.progress(ReplyStreamed(step=1, delta=Delta(text='{"reasoning": "Look fir')))
    page = shown(view)
    assert (page["header"]["label"], page["cards"][0]["reasoning"]) == ("writing", "Look fir")
    view.close()


def test_a_resumed_run_shows_what_was_done_before(shell: Shell) -> None:
    events = [story.started(), *story.search_step(1), *story.load_step(2), RunFinished(step=2, status="stopped")]
    state = State()
    for event in events:
        state.apply(event)
    view = PanelView(story.GOAL, Control(), shell, live=True)
    view.open()
    resumed = RunResumed(step=2, max_steps=20)
    state.apply(resumed)
    view.show(resumed, state)
    page = shown(view)
    assert [each["state"] for each in page["cards"]] == ["done", "done"]
    assert (page["header"]["status"], page["header"]["steps"]) == ("running", 20)
    view.close()


@pytest.mark.parametrize(
    "message", [None, [], "stop", {}, {"op": 7}, {"op": "note"}, {"op": "approve", "n": 1}, {"op": "x"}]
)
def test_nonsense_from_the_page_changes_nothing(shell: Shell, message: Any) -> None:
    control = Control()
    view = PanelView(story.GOAL, control, shell, live=True)
    view.open()
    view._receive(message)
    assert not control.stopping
    assert control.take_notes() == []
    view.close()


def test_a_variable_is_restored_when_no_step_runs_and_also_once_the_run_is_over(shell: Shell) -> None:
    control, state, restored = Control(), State(), []
    view = PanelView(story.GOAL, control, shell, live=True)
    view.restore = lambda name: bool(restored.append(name) or True)
    view.open()
    *before, end = [story.started(), *story.load_step(1), *story.load_step(2)]
    for event in before:
        state.apply(event)
        view.show(event, state)
    view._receive({"op": "restore", "n": 1, "name": "sales"})
    assert restored == [], "the running step may be using it"
    assert shown(view)["cards"][0]["chips"][0]["how"] == "restoring"
    for event in (end, RunFinished(step=2, status="stopped")):
        state.apply(event)
        view.show(event, state)
    assert restored == ["sales"]
    assert control.take_notes() == ["I have given sales back the value that it had before this run."]
    assert shown(view)["cards"][0]["chips"][0]["how"] == "restored"
    view.close()
    view._receive({"op": "restore", "n": 2, "name": "sales"})
    assert view._link.snapshot()["cards"][1]["chips"][0]["how"] == "restored", "sent although the sender is gone"


def test_a_variable_whose_process_is_gone_is_shown_as_not_restorable(shell: Shell, tmp_path: Path) -> None:
    control, state = Control(), State()
    view = PanelView(story.GOAL, control, shell, live=True)
    view.restore = IsolatedWorkspace(tmp_path, web=FakeWeb()).restore  # no process was started
    view.open()
    stream = Stream(state, lambda _: None, [view])
    *before, end = [story.started(), *story.load_step(1)]
    for event in before:
        stream.emit(event)
    view._receive({"op": "restore", "n": 1, "name": "sales"})
    stream.emit(end)
    assert shown(view)["cards"][0]["chips"][0]["how"] == "not restorable"
    stream.emit(RunFinished(step=1, status="stopped"))
    assert shown(view)["header"]["status"] == "stopped", "the panel goes on"
    assert control.take_notes() == []
    view.close()
