"""Steps that failed, told without their code: a small model copies what it decided before, however it ended."""

from __future__ import annotations

from collections.abc import Iterator

from agentloop_nb.actions.output_text import bounded
from agentloop_nb.agent.observation import error_line
from agentloop_nb.safety.provenance import mark, unmarked
from agentloop_nb.state import State
from agentloop_nb.step import Step

MOST_TOLD = 4
"""The newest failures that are told."""
DETAILS = 400
"""Characters of what stands below an error."""


def copied_a_failure(state: State) -> bool:
    """Whether the newest step is one that failed before, decided again."""
    newest = _newest(state)
    return newest is not None and _failed(newest) and _is_repeat(newest)


def is_at_a_loss(state: State) -> bool:
    """Whether the newest step failed as it had before, or was a finish that was objected to."""
    newest = _newest(state)
    refused = newest is not None and newest.result is not None and not newest.result.success
    return copied_a_failure(state) or bool(refused and newest and newest.effects.objections)


def leaves_out(state: State) -> bool:
    """Whether the code of failed steps is told no more."""
    return state.compacted is not None and state.compacted.in_vain


def is_left_out(state: State, step: Step) -> bool:
    """Whether a step is told only by its error: one that failed, but for the newest if it was no repetition."""
    return leaves_out(state) and _failed(step) and (step is not _newest(state) or _is_repeat(step))


def _newest(state: State) -> Step | None:
    return next((step for step in reversed(state.steps) if step.result is not None), None)


def told_in_vain(state: State) -> str:
    """List the errors of the steps that are left out; empty where there are none."""
    found = {(name, below): told for name, below, told in _errors(state)} if leaves_out(state) else {}
    if not found:
        return ""
    listed = "\n".join(f"- {each}" for each in list(found.values())[-MOST_TOLD:])
    return f"\n\nTried before, in vain:\n{listed}\nTake another way."


def _errors(state: State) -> Iterator[tuple[str, str, str]]:
    """Yield the head, the details and the whole of what is told of each failure; the same again has the same head."""
    for step in state.steps:
        if is_left_out(state, step) and step.decision and step.result and not step.effects.repeated:
            head = f"{step.decision.action.name} failed:{error_line(step)}"
            details = _details(step.result.output, str(step.result.error or ""))
            hint = f"\n{unmarked(step.effects.hint)}" if step.effects.hint else ""
            below = f"\n{mark(details, f'step {step.number}')}" if details else ""
            yield head, details, f"{head}{below}{hint}"


def _details(output: str, error: str) -> str:
    """Return what stands below an error in an output: the values at fault."""
    kind = error.partition(":")[0]
    lines = output.splitlines()
    last = max((number for number, line in enumerate(lines) if kind and line.startswith(kind)), default=len(lines))
    return bounded("\n".join(line for line in lines[last + 1 :] if line.startswith("  ")), DETAILS)


def _failed(step: Step) -> bool:
    return step.result is not None and not (step.result.success or step.result.stopped or step.is_only_words)


def _is_repeat(step: Step) -> bool:
    return bool(step.effects.repeated or step.effects.again)
