"""When the transcript is shortened: once its old outputs have outgrown what is worth resending, or the window."""

from __future__ import annotations

from agentloop_nb.agent import prompt_images
from agentloop_nb.agent.in_vain import copied_a_failure
from agentloop_nb.agent.shown_figures import shows_any, whole_results
from agentloop_nb.events import TranscriptCompacted
from agentloop_nb.protocols import Model, Usage
from agentloop_nb.state import State

GROWTH, FREE_GROWTH = 13_000, 60_000
"""Characters of whole outputs that may gather before they are shortened: where a cached token costs a tenth of a plain
one, or more (a dozen ordinary outputs fit), and where resending costs nothing."""
WHOLE_STEPS = 2
"""The newest steps that a compaction leaves whole."""
MOST_WHOLE = 150
"""Whole steps that may gather, however little each has to tell: decisions take room too."""
SHORT = 100
"""Characters that remain of an old output."""
NEWEST = (3000, 1000, 300)
"""Characters that remain of the newest output, level by level, where a prompt does not fit."""
SHORT_STEPS = 8
"""Shortened steps that may gather before the older ones are digested to a line each."""
KEPT_STEPS = 3
"""The newest shortened steps that a digest leaves."""
CONTEXTS = (6000, 3000, 1500, 600, 200)
"""Characters that remain of the namespace, level by level, where a prompt does not fit."""


def compaction(state: State, model: Model) -> TranscriptCompacted | None:
    """Shorten old outputs once the whole ones have outgrown what is worth resending, or half the model's context."""
    growth, whole = worth_resending(model), whole_results(state)
    pictures = sum(prompt_images.count(result.outputs) for result in whole) if shows_any(state) else 0
    size = sum(len(result.output) for result in whole) + pictures * prompt_images.CHARACTERS
    limit = min(growth, model.context_window * 2) if model.context_window else growth
    if len(whole) <= (WHOLE_STEPS if size > limit or pictures > prompt_images.MOST_TOLD else MOST_WHOLE):
        return None
    told = [step.number for step in state.steps if step.result is not None]
    return _compacted(state, through=told[-WHOLE_STEPS - 1], short_steps=SHORT_STEPS)


def worth_resending(model: Model) -> float:
    """Characters that may gather: the cheaper a cached token, the more (the cost of a cycle is least at its root)."""
    million = 1_000_000
    plain, cached = model.quote(Usage(input=million)), model.quote(Usage(input=million, cached=million))
    if plain is None or cached is None:
        return GROWTH
    share = float(cached / plain) if plain else 0.0
    return min(max(GROWTH, GROWTH * (0.1 / share) ** 0.5), FREE_GROWTH) if share else FREE_GROWTH


def overflow_compaction(state: State) -> TranscriptCompacted | None:
    """Shorten as much as can be, after a model refused a prompt as too long; None when nothing is left to shorten."""
    last, before = state.current_step, state.compacted
    done, digested = (before.through, before.digested) if before else (0, 0)
    newest = (before.newest or before.keep) if before else 0
    levels = [
        (max(last - 1, 0), SHORT_STEPS, None),
        *((last, SHORT_STEPS, size) for size in NEWEST if size < _length(state)),
        (last, SHORT_STEPS, None),
        (last, KEPT_STEPS, None),
        (last, 0, None),
    ]
    for through, short_steps, size in levels[done == last :]:
        event = _compacted(state, through=max(through, done), short_steps=short_steps, newest=size)
        cuts_more = event.through == done and (event.newest or event.keep) < newest
        if event.through > done or event.digested > digested or cuts_more:
            return event
    told = before.context if before and before.context is not None else len(state.context)
    shorter = next((size for size in CONTEXTS if size < told), None)
    if shorter is None:
        return None
    return _compacted(state, through=done, short_steps=SHORT_STEPS).model_copy(update={"context": shorter})


def in_vain(state: State) -> TranscriptCompacted | None:
    """Leave the code of failed steps out, once a model has copied it; None where that is so, or need not be."""
    before = state.compacted
    if not copied_a_failure(state) or (before is not None and before.in_vain):
        return None
    event = before or TranscriptCompacted(step=state.next_step, through=0, keep=SHORT)
    return event.model_copy(update={"step": state.next_step, "in_vain": True})


def _length(state: State) -> int:
    """Return the characters of the newest output."""
    result = state.steps[state.current_step - 1].result if state.current_step else None
    return len(result.output) if result else 0


def _compacted(state: State, *, through: int, short_steps: int, newest: int | None = None) -> TranscriptCompacted:
    digested = state.compacted.digested if state.compacted else 0
    if through - digested > short_steps:
        digested = max(through - min(KEPT_STEPS, short_steps), digested)
    event = TranscriptCompacted(step=state.next_step, through=through, keep=SHORT, digested=digested, newest=newest)
    before = state.compacted
    return event if before is None else event.model_copy(update={"context": before.context, "in_vain": before.in_vain})
