"""Scenarios of the loop: replies in, events out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.loop import Loop
from agentloop_nb.events import AnyEvent, RunStarted
from agentloop_nb.settings import Settings
from agentloop_nb.state import State, fold
from agentloop_nb.testing import FakeWorkspace, ScriptedModel


class Scenario:
    """A loop over fakes that keeps its events."""

    def __init__(
        self, model: ScriptedModel, workspace: FakeWorkspace, settings: Settings, goal: str, **loop: Any
    ) -> None:
        self.events: list[AnyEvent] = []
        self.model, self.workspace = model, workspace
        self.stream = Stream(State(), self.events.append)
        self.loop = Loop(self.stream, model, workspace, settings, **loop)
        self.stream.emit(RunStarted(run="r", goal=goal, context="", settings=settings.record()))

    async def run(self) -> State:
        state = await self.loop.run()
        assert fold(self.events) == state, "the record alone must rebuild the state"
        return state

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., Scenario]:
    def build(
        replies: Any,
        *,
        outcomes: Any = None,
        web: Any = None,
        usage: Any = None,
        prices: Any = ("0", "0"),
        context_window: int | None = None,
        control: Any = None,
        approver: Any = None,
        goal: str = "a goal",
        **settings: Any,
    ) -> Scenario:
        model = ScriptedModel(replies, usage=usage, prices=prices, context_window=context_window)
        workspace = FakeWorkspace(tmp_path, outcomes=outcomes, web=web)
        loop = {key: value for key, value in {"control": control, "approver": approver}.items() if value}
        return Scenario(model, workspace, Settings(**settings), goal, **loop)

    return build
