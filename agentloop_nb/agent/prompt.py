"""What the model is told: a stable prefix, then the transcript, which only grows until it is compacted.

A pure function of the state. Providers bill a shared prefix at a fraction, so nothing already sent changes: no step
counter, no cost line, no clock stands before the newest message.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from agentloop_nb._internal.text import counted
from agentloop_nb.actions import Plan
from agentloop_nb.actions.output_text import bounded
from agentloop_nb.actions.plan import as_reply, numbered
from agentloop_nb.actions.wait_or_stop import Stop, Wait
from agentloop_nb.agent.digest import digest, notes
from agentloop_nb.agent.in_vain import is_left_out, leaves_out, told_in_vain
from agentloop_nb.agent.observation import observation
from agentloop_nb.agent.offer import usual
from agentloop_nb.agent.rules import LAST_CELL, RULES_OF_CELLS, describe_action, further_actions, system_prompt
from agentloop_nb.agent.shown_figures import images_of
from agentloop_nb.events import PlanSettled
from agentloop_nb.protocols import Image, Message
from agentloop_nb.safety.provenance import mark
from agentloop_nb.state import State
from agentloop_nb.step import Step

REJECTED = 1000
"""Characters of a rejected reply that are told again."""
_ENDLESS = "the reply said the same again"
"""How the reason begins why a reply that repeats itself was rejected."""


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
        self._cells = False

    def messages(self, state: State, *, cells: bool = False) -> tuple[Message, ...]:
        """Turn the state into the messages of the next request; with `cells` the rules ask for code as it is."""
        if state.revision != self._revision or leaves_out(state) or cells is not self._cells:
            self._cells = cells
            self._begin(state)
        while self._steps < len(state.steps) - 1 and (step := state.steps[self._steps]).result is not None:
            if is_left_out(state, step):
                self._next = self._next.and_also(notes(step))
            else:
                self._kept += _of_step(state, step, self._next)
                self._next = _told(state, self._steps, self._max_retries)
            self._steps += 1
        return (*self._kept, *self._newest(state))

    def _begin(self, state: State) -> None:
        self._revision = state.revision
        self._steps = state.compacted.digested if state.compacted else 0
        self._kept = [Message(role="system", content=RULES_OF_CELLS if self._cells else system_prompt(state.actions))]
        self._next = _Told(
            f"Goal:\n{state.goal}\n\n{_context(state)}".rstrip()
            + _further(state)
            + _standing_plan(state, self._steps)
            + digest(state.steps[: self._steps])
        )

    def _newest(self, state: State) -> Iterator[Message]:
        told, in_vain = self._next, told_in_vain(state)
        for index, step in enumerate(state.steps[self._steps :], self._steps):
            if is_left_out(state, step):
                told = told.and_also(notes(step))
                continue
            if step.result is None:
                yield from _of_step(state, step, told.and_also(in_vain))
                return
            yield from _of_step(state, step, told)
            told = _told(state, index, self._max_retries)
        nudge = f"\n\n{LAST_CELL}" if self._cells and state.is_last_step else _nudge(state, state.next_step)
        yield Message(role="user", content=told.text + in_vain + nudge, images=told.images)


class _Told(NamedTuple):
    """What the message before a decision begins with."""

    text: str
    images: tuple[Image, ...] = ()

    def and_also(self, text: str) -> _Told:
        """Return it with a text at its end."""
        return _Told(self.text + text, self.images)


def _told(state: State, index: int, max_retries: int) -> _Told:
    return _Told(observation(state, index, max_retries), images_of(state, state.steps[index]))


def _of_step(state: State, step: Step, told: _Told) -> Iterator[Message]:
    """Yield what came before a decision, and the decision.

    Where there is none yet, what was wrong with those before.
    """
    yield Message(role="user", content=told.text + notes(step) + _nudge(state, step.number), images=told.images)
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


def _repairs(step: Step) -> Iterator[Message]:
    for reply, reason in step.rejected:
        endless = reason.startswith(_ENDLESS)  # told again, it would be gone on with
        yield Message(role="assistant", content="(cut off)" if endless else bounded(reply, REJECTED) or "(empty)")
        yield Message(role="user", content=f"Not accepted: {reason} Answer again, in the form that was asked for.")


def _decided(step: Step) -> str:
    """Return the reply as the model wrote it, or the decision that a person made of it."""
    edited = step.approval is not None and step.approval.edited is not None
    return step.reply if step.decision is None or not edited else json.dumps(step.decision.record())


def _nudge(state: State, number: int) -> str:
    left = state.max_steps - number + 1
    if left <= 1:
        return "\n\nThis is the last step: finish now, with a summary of what was achieved and what was not."
    return f"\n\n{left} steps are left." if left <= 3 and state.max_steps > 3 else ""
