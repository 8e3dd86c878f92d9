"""What the model is told: a stable prefix, then the transcript, which only grows until it is compacted.

A pure function of the state. Providers bill a shared prefix at a fraction, so nothing already sent changes: no step
counter, no cost line, no clock stands before the newest message.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb._internal.text import counted
from agentloop_nb.actions import ActionResult, Plan
from agentloop_nb.actions.output_text import bounded
from agentloop_nb.actions.plan import as_reply, numbered
from agentloop_nb.actions.wait_or_stop import Stop, Wait
from agentloop_nb.agent import prompt_images
from agentloop_nb.agent.in_vain import copied_a_failure, is_left_out, leaves_out, told_in_vain
from agentloop_nb.agent.observation import observation
from agentloop_nb.agent.offer import usual
from agentloop_nb.agent.rules import describe_action, further_actions, system_prompt
from agentloop_nb.events import PlanSettled, TranscriptCompacted
from agentloop_nb.protocols import Image, Message, Model, Usage
from agentloop_nb.safety.provenance import mark
from agentloop_nb.state import State
from agentloop_nb.step import Step

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
DIGEST_LINES = 150
"""Digested steps that are told in a line each; older ones by their purpose alone, so that a run of any length fits."""
PURPOSES = 6000
"""Characters of the purposes of older steps."""
CONTEXTS = (6000, 3000, 1500, 600, 200)
"""Characters that remain of the namespace, level by level, where a prompt does not fit."""
REJECTED = 1000
"""Characters of a rejected reply that are told again."""
_ENDLESS = "the reply said the same again"
"""How the reason begins why a reply that repeats itself was rejected."""
DIGEST_NAMES = 4000
"""Characters of the names that counted steps made or changed."""


PLAN_FIRST = "Before the first step you decide on a plan."
LINE_FIRST = 'Begin each reasoning with the number of the line that it is for, as "2: ...".'


def compose(state: State, *, max_retries: int = 3) -> tuple[Message, ...]:
    """Turn a state into the messages of the next request."""
    return Transcript(max_retries).messages(state)


class Transcript:
    """The messages of one run. What was told of all steps but the last is kept: it only grows, as the run does."""

    def __init__(self, max_retries: int) -> None:
        self._max_retries = max_retries
        self._revision = -1
        self._kept: list[Message] = []
        self._steps = 0
        """Steps that these tell."""
        self._next = _Told("")

    def messages(self, state: State) -> tuple[Message, ...]:
        """Turn the state into the messages of the next request."""
        if state.revision != self._revision or leaves_out(state):
            self._begin(state)
        while self._steps < len(state.steps) - 1 and (step := state.steps[self._steps]).result is not None:
            if is_left_out(state, step):
                self._next = self._next.and_also(_notes(step))
            else:
                self._kept += _of_step(state, step, self._next)
                self._next = _told(state, self._steps, self._max_retries)
            self._steps += 1
        return (*self._kept, *self._newest(state))

    def _begin(self, state: State) -> None:
        self._revision = state.revision
        self._steps = state.compacted.digested if state.compacted else 0
        self._kept = [Message(role="system", content=system_prompt(state.actions))]
        self._next = _Told(
            f"Goal:\n{state.goal}\n\n{_context(state)}".rstrip()
            + _further(state)
            + _standing_plan(state, self._steps)
            + _digest(state.steps[: self._steps])
        )

    def _newest(self, state: State) -> Iterator[Message]:
        told, in_vain = self._next, told_in_vain(state)
        for index, step in enumerate(state.steps[self._steps :], self._steps):
            if is_left_out(state, step):
                told = told.and_also(_notes(step))
                continue
            if step.result is None:
                yield from _of_step(state, step, told.and_also(in_vain))
                return
            yield from _of_step(state, step, told)
            told = _told(state, index, self._max_retries)
        text = told.text + in_vain + _nudge(state, state.next_step)
        yield Message(role="user", content=text, images=told.images)


class _Told(NamedTuple):
    """What the message before a decision begins with."""

    text: str
    images: tuple[Image, ...] = ()

    def and_also(self, text: str) -> _Told:
        """Return it with a text at its end."""
        return _Told(self.text + text, self.images)


def _told(state: State, index: int, max_retries: int) -> _Told:
    return _Told(observation(state, index, max_retries), _images(state, state.steps[index]))


def _of_step(state: State, step: Step, told: _Told) -> Iterator[Message]:
    """Yield what came before a decision, and the decision.

    Where there is none yet, what was wrong with those before.
    """
    yield Message(role="user", content=told.text + _notes(step) + _nudge(state, step.number), images=told.images)
    yield from _planned(step)
    if step.is_looked_at:
        yield from _looked_at(step)
    elif step.result is None:
        yield from _repairs(step)
    else:
        yield Message(role="assistant", content=_decided(step))


def _context(state: State) -> str:
    shorter = state.compacted.context if state.compacted else None
    return state.context if shorter is None else bounded(state.context, shorter)


def _further(state: State) -> str:
    """Return the actions that this run has beside the five."""
    actions = usual(state)
    told = further_actions(actions) + (f"\n{PLAN_FIRST}" if Plan in actions else "")
    return f"\n\n{told}" if told else ""


def _looked_at(step: Step) -> Iterator[Message]:
    """Yield a step whose code runs: what it has shown, what was decided about it, and what is to be decided now."""
    yield Message(role="assistant", content=_decided(step))
    for look in step.looks:
        shown = look.shown
        output = mark(shown.output, f"step {step.number}") if shown.output else "It has shown nothing so far."
        told = f"The code has run for {shown.seconds:.0f} s and still runs.\n{output}\nDecide, it costs no step:"
        left = f"You may wait {counted(shown.left, 'time')} more."
        yield Message(role="user", content=f"{told}\n{describe_action(Wait)}\n- stop: {Stop.description()}\n{left}")
        if look.decided is not None:
            action = {"name": "wait", "seconds": look.decided.wait} if look.decided.wait else {"name": "stop"}
            yield Message(role="assistant", content=json.dumps({"reasoning": look.decided.reason, "action": action}))


def _standing_plan(state: State, digested: int) -> str:
    """Return the plan, once the steps that it was made in are told in short, or were taken back."""
    told = any(each.settled and each.settled.approved for step in state.steps[digested:] for each in step.plans)
    return f"\n\nThe plan:\n{numbered(state.plan)}" if state.plan and not told else ""


def _planned(step: Step) -> Iterator[Message]:
    """Yield what was planned before a decision, and what became of it."""
    for each in step.plans:
        if each.settled is not None:
            yield Message(role="assistant", content=as_reply(each.made.reasoning, each.made.lines))
            yield Message(role="user", content=_verdict(each.settled))


def _verdict(settled: PlanSettled) -> str:
    if not settled.approved:
        why = f": {settled.reason}" if settled.reason else "."
        return f"The person rejected this plan{why}\nDecide on another plan."
    changed = f"The person changed the plan. It is now:\n{numbered(settled.lines)}\n" if settled.lines else ""
    return f"{changed or 'The plan stands. '}Carry it out. {LINE_FIRST}"


def _images(state: State, step: Step) -> tuple[Image, ...]:
    """Return the figures of a step, as long as it is told whole."""
    return prompt_images.figures(step.result.outputs) if step.result and _shows_images(state, step) else ()


def _shows_images(state: State, step: Step) -> bool:
    return _shows_any(state) and (state.compacted is None or step.number > state.compacted.through)


def _shows_any(state: State) -> bool:
    return bool(state.settings.get("images", True)) and state.settings.get("privacy", "full") == "full"


def _whole(state: State) -> list[ActionResult]:
    """Return what came of the steps that are told whole."""
    through = state.compacted.through if state.compacted else 0
    return [step.result for step in state.steps if step.number > through and step.result is not None]


async def shrink_figures(state: State) -> None:
    """Make the figures of the next request small, away from the event loop, so that composing it takes no time."""
    if IN_BROWSER or not _shows_any(state):
        return
    shown = [result.outputs for result in _whole(state)]
    if not all(map(prompt_images.is_ready, shown)):
        await asyncio.to_thread(lambda: [prompt_images.figures(outputs) for outputs in shown])


def _repairs(step: Step) -> Iterator[Message]:
    for reply, reason in step.rejected:
        endless = reason.startswith(_ENDLESS)  # told again, it would be gone on with
        yield Message(role="assistant", content="(cut off)" if endless else bounded(reply, REJECTED) or "(empty)")
        yield Message(role="user", content=f"Not accepted: {reason} Answer again with one JSON object.")


def _digest(steps: list[Step]) -> str:
    """Tell the oldest steps in a line each: decision, failure, names and notes are never forgotten."""
    if not steps:
        return ""
    counted, lines = steps[:-DIGEST_LINES], steps[-DIGEST_LINES:]
    return "\n\nThe first steps, in short:\n" + "\n".join([*_counted(counted), *map(_digest_line, lines)])


def _counted(steps: list[Step]) -> Iterator[str]:
    """Tell steps by their number: how many of which kind, what they made, and what the user said."""
    if not steps:
        return
    kinds = Counter(step.decision.action.name for step in steps if step.decision)
    done = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
    failed = sum(step.result is not None and not step.result.success for step in steps)
    yield f"- steps {steps[0].number} to {steps[-1].number}: {done}" + (f"; {failed} of them failed" if failed else "")
    yield f"  What for: {_purposes(steps)}"
    changes = (change for step in reversed(steps) if step.result for change in step.result.changes)
    names = dict.fromkeys(change.name for change in changes if change.how != "deleted")
    if names:
        yield f"  They made or changed, newest first: {bounded(', '.join(names), DIGEST_NAMES)}"
    yield from filter(None, (_notes(step).strip() for step in steps))


def _purposes(steps: list[Step]) -> str:
    """Tell what each step was for, steps in a row for the same together, in as many words as there is room for."""
    groups: list[tuple[int, int, str]] = []
    for step in steps:
        purpose = " ".join(step.decision.reasoning.split()) if step.decision else "no decision"
        if groups and groups[-1][2] == purpose:
            groups[-1] = (groups[-1][0], step.number, purpose)
        else:
            groups.append((step.number, step.number, purpose))
    width = min(max(PURPOSES // len(groups) - 8, 16), 80)
    told = (f"{first}{f'-{last}' if last > first else ''} {purpose[:width]}" for first, last, purpose in groups)
    return bounded("; ".join(told), PURPOSES)


def _digest_line(step: Step) -> str:
    changes = step.result.changes if step.result else ()
    names = ", ".join(change.name for change in changes if change.how != "deleted")
    error = f" {step.result.error[:100]}" if step.result and step.result.error else ""
    made = f" -> {names}" if names else ""
    return f"{step.purpose}{error}{made}{_notes(step)}"


def _decided(step: Step) -> str:
    """Return the reply as the model wrote it, or the decision that a person made of it."""
    edited = step.approval is not None and step.approval.edited is not None
    return step.reply if step.decision is None or not edited else json.dumps(step.decision.record())


def _notes(step: Step) -> str:
    return "".join(f"\n\n{said}" for said in (*step.remarks, *(f"Note from the user: {note}" for note in step.notes)))


def _nudge(state: State, number: int) -> str:
    left = state.max_steps - number + 1
    if left <= 1:
        return "\n\nThis is the last step: finish now, with a summary of what was achieved and what was not."
    return f"\n\n{left} steps are left." if left <= 3 and state.max_steps > 3 else ""


def compaction(state: State, model: Model) -> TranscriptCompacted | None:
    """Shorten old outputs once the whole ones have outgrown what is worth resending, or half the model's context."""
    growth, whole = _worth_resending(model), _whole(state)
    pictures = sum(prompt_images.count(result.outputs) for result in whole) if _shows_any(state) else 0
    size = sum(len(result.output) for result in whole) + pictures * prompt_images.CHARACTERS
    limit = min(growth, model.context_window * 2) if model.context_window else growth
    if len(whole) <= (WHOLE_STEPS if size > limit or pictures > prompt_images.MOST_TOLD else MOST_WHOLE):
        return None
    told = [step.number for step in state.steps if step.result is not None]
    return _compacted(state, through=told[-WHOLE_STEPS - 1], short_steps=SHORT_STEPS)


def _worth_resending(model: Model) -> float:
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
