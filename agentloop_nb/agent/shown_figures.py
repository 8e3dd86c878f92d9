"""The figures that a model is shown: those of the steps that are told whole."""

from __future__ import annotations

import asyncio

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.actions import ActionResult
from agentloop_nb.agent import prompt_images
from agentloop_nb.protocols import Image
from agentloop_nb.state import State
from agentloop_nb.step import Step


def images_of(state: State, step: Step) -> tuple[Image, ...]:
    """Return the figures of a step, as long as it is told whole."""
    return prompt_images.figures(step.result.outputs) if step.result and _shows_images(state, step) else ()


def _shows_images(state: State, step: Step) -> bool:
    return shows_any(state) and (state.compacted is None or step.number > state.compacted.through)


def shows_any(state: State) -> bool:
    """Tell whether figures may be shown in this run."""
    return bool(state.settings.get("images", True)) and state.settings.get("privacy", "full") == "full"


def whole_results(state: State) -> list[ActionResult]:
    """Return what came of the steps that are told whole."""
    through = state.compacted.through if state.compacted else 0
    return [step.result for step in state.steps if step.number > through and step.result is not None]


async def shrink_figures(state: State) -> None:
    """Make the figures of the next request small, away from the event loop, so that composing it takes no time."""
    if IN_BROWSER or not shows_any(state):
        return
    shown = [result.outputs for result in whole_results(state)]
    if not all(map(prompt_images.is_ready, shown)):
        await asyncio.to_thread(lambda: [prompt_images.figures(outputs) for outputs in shown])
