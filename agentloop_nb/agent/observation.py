"""What a model is told of a step that is over, and what it is asked then."""

from __future__ import annotations

from agentloop_nb.actions import Action, AskUser, Finish, Query, ReadDocument, ReadUrl, RunCode, UseTool, WriteFile
from agentloop_nb.actions.output_text import bounded
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.safety.provenance import mark, unmarked
from agentloop_nb.state import State
from agentloop_nb.step import Step

GOAL_AGAIN = 240
"""Characters of the goal that are told again after each successful step."""
ERROR_LINE = 160
"""Characters of an error that stand before the marks; what is longer quotes data, and stands inside them."""


def observation(state: State, index: int, max_retries: int) -> str:
    """Tell what came of a step; shortened once a compaction covers it (an error keeps its last lines)."""
    step = state.steps[index]
    if step.result is None or step.decision is None:
        return "The step was cut off before it was done."
    room = _room(state, step.number)
    output = step.result.output if room is None else bounded(step.result.output, room)
    short = room is not None and not _is_newest(state, step.number)
    action = step.decision.action
    if not isinstance(action, WriteFile | Finish | AskUser) and not step.effects.repeated:
        output = mark(output, _origin(action, step.number))
    name = action.name
    if step.result.success:
        return f"{name} is done:\n{output}" + ("" if short else f"{_told_beside(step)}\n\n{goal_again(state.goal)}")
    told = f"{name} failed:{error_line(step)}\n{output}{_told_beside(step)}"
    failures = _failures_in_a_row(state, index)
    if failures >= max_retries:
        told += f"\n\n{name} has failed {failures} times in a row. Change the plan: try something else, or finish."
    return told


def _room(state: State, number: int) -> int | None:
    """Return the characters that remain of a step's output; None is all."""
    if state.compacted is None or number > state.compacted.through:
        return None
    return state.compacted.newest if _is_newest(state, number) else state.compacted.keep


def _is_newest(state: State, number: int) -> bool:
    """Whether a step was the newest when the transcript was shortened, and more of it was left."""
    done = state.compacted
    return done is not None and done.newest is not None and number == done.through


def goal_again(goal: str) -> str:
    """Repeat the goal, and ask whether it is met: the same words each time."""
    line = " ".join(goal.split())
    line = line if len(line) <= GOAL_AGAIN else line[:GOAL_AGAIN].rstrip() + " …"
    return f"The goal was: {line}\nIf it is met, finish now with the answer; else take the next action."


def error_line(step: Step) -> str:
    """Tell type and message of failed code in one line; where the message is long, its type alone."""
    if step.result is None or step.decision is None:
        return ""
    if not isinstance(step.decision.action, RunCode | Query | OwnAction):
        return ""
    if step.effects.repeated:  # the output is the message
        return ""
    line = " ".join(str(step.result.error or "").split())
    return f" {unmarked(line)}" if len(line) <= ERROR_LINE else f" {line.split(':')[0][:ERROR_LINE]}"


def _told_beside(step: Step) -> str:
    """Return what the system itself adds to an output, outside the marks: a hint, a word about a repetition."""
    return "".join(f"\n{unmarked(said)}" for said in (step.effects.hint, step.effects.again) if said)


def _origin(action: Action, number: int) -> str:
    match action:
        case ReadUrl(url=url):
            return url
        case ReadDocument(path=path):
            return f"the file {path}"
        case UseTool(tool=tool):
            return f"the tool {tool}"
        case _:
            return f"step {number}"


def _failures_in_a_row(state: State, index: int) -> int:
    """Count how many steps up to this one failed with the same action."""
    count, name = 0, None
    for step in reversed(state.steps[: index + 1]):
        if step.decision is None or step.result is None or step.result.success:
            break
        if (name := name or step.decision.action.name) != step.decision.action.name:
            break
        count += 1
    return count
