"""A panel in every state a person can meet it in, made of the events of a run broken off there."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from agentloop_nb.agent.control import Control
from agentloop_nb.events import (
    ActionStarted,
    AnyEvent,
    ApprovalAsked,
    ModelCalled,
    ModelFailed,
    OutputAppeared,
    Progress,
    ReplyStreamed,
    RunFinished,
)
from agentloop_nb.notebook.panel.panel_view import PanelView
from agentloop_nb.protocols import Delta
from agentloop_nb.state import State
from tests.panel import story, story_of_actions

BEGUN = [story.started(), *story.search_step(1), *story.failing_step(2)]
CODE = "import time\nfor n in range(3):\n    print('row', n, flush=True)\n    time.sleep(20)"
HALF = '{"reasoning": "Count the rows first.", "action": {"name": "run_code", "code": "import pandas as pd\\nrows = '


def _ended(status: str, reason: str) -> list[AnyEvent | Progress]:
    return [*BEGUN, RunFinished(step=2, status=status, reason=reason)]


STATES: dict[str, list[AnyEvent | Progress]] = {
    "starting": [story.started()],
    "thinking": [*BEGUN, ModelCalled(step=3, attempt=1)],
    "retrying": [
        *BEGUN,
        ModelCalled(step=3, attempt=1),
        ModelFailed(step=3, attempt=1, error="rate limit reached (429); the server asks to wait 30 s", wait=30),
    ],
    "writing": [*BEGUN, ModelCalled(step=3, attempt=1), ReplyStreamed(step=3, delta=Delta(text=HALF))],
    "waiting": [
        *BEGUN,
        *story.thought(3, story.code(CODE, "Count them slowly.")),
        ApprovalAsked(step=3, risks=("writes files", "network: example.org")),
    ],
    "running": [
        *BEGUN,
        *story.thought(3, story.code(CODE, "Count them slowly.")),
        ActionStarted(step=3),
        OutputAppeared(step=3, output=story.text("row 0\n")),
    ],
    "finished": story.whole(),
    "stopped": _ended("stopped", "stopped by the user; %agent resume goes on"),
    "failed": _ended("failed", "the model could not be reached: 503 Service Unavailable; %agent resume tries again"),
    "over budget": _ended("cost_limit", "the budget of $0.50 is spent: %agent resume --budget 1.00"),
    "out of steps": _ended("step_limit", "all 12 steps are used: %agent resume --max-steps 32"),
    "interrupted": _ended("interrupted", "its kernel died: %agent resume rebuilds its variables and goes on"),
    "each action": story_of_actions.whole(),
}


async def show(shell: Any, *names: str) -> list[PanelView]:
    """Display a panel for each of the states (all, if none is named) in the running cell."""
    views = []
    for name in names or STATES:
        view, state = PanelView(story.GOAL, Control(), shell), State()
        view.open()
        began = time.time()
        for event in STATES[name]:
            if isinstance(event, OutputAppeared | ReplyStreamed):
                view.progress(event)
                continue
            state.apply(event.model_copy(update={"at": began + event.at - story.T0}))
            view.show(event, state)
        if name == "waiting":
            view.ask(3, {"code": CODE})
        views.append(view)
        await asyncio.sleep(0.1)
    return views
