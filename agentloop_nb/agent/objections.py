"""What speaks against a finish: files that are not there, no step that succeeded, figures that no output shows.

All of it is told in one answer, once. If the model insists it is taken at its word, and the doubts stand on the result.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from agentloop_nb.actions import ActionResult, Finish, RunCode
from agentloop_nb.actions.effects import Effects
from agentloop_nb.actions.file_names import (
    MOST_READ,
    denies,
    how_to_make,
    is_file_name,
    named_in,
    says_gone,
    to_be_made,
    to_be_read,
)
from agentloop_nb.actions.finish import is_there
from agentloop_nb.actions.output_text import bounded
from agentloop_nb.agent.code_as_text import texts_printed
from agentloop_nb.agent.echoes import is_echo
from agentloop_nb.agent.grounding import Grounding
from agentloop_nb.protocols import Workspace
from agentloop_nb.safety.provenance import mark
from agentloop_nb.state import State
from agentloop_nb.step import Step

SHOWN_AGAIN = 200
"""Characters of the last output that are told again."""
MOST_TOLD = 6
"""Names or figures that one objection lists."""


class Objection(NamedTuple):
    """One doubt: what the model is told, and what a person reads if it insists."""

    told: str
    doubt: str
    work: bool = True
    """Something is left to do; without it another finish is all that is needed."""


def objections(action: Finish, state: State, workspace: Workspace, grounding: Grounding) -> list[Objection]:
    """List what speaks against a finish that says the goal is met."""
    folder = workspace.folder
    found = [*_wrong_artifacts(action, state, folder)]
    if action.goal_met:
        found += [*_missing_files(action, state, folder), *_not_there(action, state, folder)]
        found += [*_not_looked_at(state, folder), *_nothing_succeeded(state)]
        found += [*_echoes(action, state), *_ungrounded(grounding, state)]
    return list({each.doubt: each for each in found}.values())


def asked_before(state: State) -> bool:
    """Whether a finish of this run was objected to before."""
    return any(
        step.result is not None and not step.result.success and step.effects.objections
        for step in state.steps[state.resumed_at :]
    )


def refusal(found: list[Objection], goal: str) -> ActionResult:
    """Answer a finish with all that speaks against it."""
    told = ["Not finished yet.", *(each.told for each in found)]
    if any(each.work for each in found):
        told.append("If the goal can still be met, do what is missing now; if you are sure, finish again.")
    line = " ".join(goal.split())[:240]
    output = " ".join(told) + f"\nThe goal is still: {line}"
    doubts = tuple(each.doubt for each in found)
    effects = Effects(objections=doubts, work=any(each.work for each in found))
    return ActionResult(success=False, output=output, error=" ".join(doubts), effects=effects)


def _wrong_artifacts(action: Finish, state: State, folder: Path) -> Iterator[Objection]:
    missing = action.missing(folder)
    if not missing:
        return
    names = ", ".join(map(repr, missing[:MOST_TOLD]))
    made = sorted(_made(state, folder))[:MOST_TOLD]
    files = [name for name in missing if is_file_name(name)]
    told = f"Artifacts are names of files, and there is no such file: {names}. You made {', '.join(made) or 'none'}: "
    yield Objection(
        told + f'"artifacts": [{", ".join(f"{name!r}" for name in made)}].'.replace("'", '"'),
        f"{names} was named as a file, and is none.",
        work=bool(files) and action.goal_met,
    )


def _made(state: State, folder: Path) -> set[str]:
    return {name for step in state.steps for name in step.effects.all_files if is_there(folder, name)}


def _missing_files(action: Finish, state: State, folder: Path) -> Iterator[Objection]:
    """Yield files that goal or summary name, but for those it says are not there, and those listed as artifacts."""
    named = [*to_be_made(state.goal), *_claimed(action.summary)]
    excused = {name for sentence in _sentences(action.summary) if says_gone(sentence) for name in named_in(sentence)}
    missing = [
        name
        for name in dict.fromkeys(named)
        if name not in excused and name not in action.artifacts and not is_there(folder, name) and not _outside(name)
    ]
    for name in missing[:MOST_TOLD]:
        how = how_to_make(name)
        advice = f" To make it, {how}\n" if how else ""  # a full stop behind code is copied with it
        yield Objection(f"There is no file {name} in the folder.{advice}", f"There is no file {name}.")


def _claimed(summary: str) -> Iterator[str]:
    for sentence in _sentences(summary):
        if not says_gone(sentence):
            yield from named_in(sentence)


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?;])\s+|\n", text[:MOST_READ])


def _outside(name: str) -> bool:
    return name.startswith(("/", "~")) or ".." in name.split("/")


def _not_looked_at(state: State, folder: Path) -> Iterator[Objection]:
    """Yield files that the goal names and that are there, where not one step was taken."""
    if any(step.result is not None and not step.is_only_words for step in state.steps):
        return
    if names := ", ".join([name for name in named_in(state.goal) if is_there(folder, name)][:MOST_TOLD]):
        told = f"The goal names {names}, which is in the folder, and no step has looked at it. Read it in run_code."
        yield Objection(told, f"No step looked at {names}.")


def _not_there(action: Finish, state: State, folder: Path) -> Iterator[Objection]:
    """Yield files that the goal wants read and that are not there, where no step found them and no summary says so."""
    if any(step.result.success and not _only_says(step) for step in state.steps if step.result is not None):
        return
    missing = [name for name in to_be_read(state.goal) if not is_there(folder, name) and not _outside(name)]
    if missing and not denies(action.summary, missing):
        names = ", ".join(missing[:MOST_TOLD])
        told = f"The goal names {names}, and there is no such file in the folder. Say that it is not there."
        yield Objection(told, f"There is no file {names}.", work=False)


def _only_says(step: Step) -> bool:
    """Whether a step did nothing, or only printed texts that stand in its code."""
    action = step.decision.action if step.decision else None
    return step.is_only_words or (isinstance(action, RunCode) and texts_printed(action.code) is not None)


def _nothing_succeeded(state: State) -> Iterator[Objection]:
    """Object that steps were taken, and each of them failed; an answer without any step may be right."""
    taken = [step for step in state.steps if step.result is not None and not step.is_only_words and not _denied(step)]
    if taken and not any(step.result.success for step in taken if step.result):
        yield Objection("No step has succeeded so far, so nothing shows that the goal is met.", "No step succeeded.")


def _echoes(action: Finish, state: State) -> Iterator[Objection]:
    """Object to a summary that only says what the system told the model."""
    if is_echo(action.summary, state):
        line = "The summary only says what you were told, and is no answer. Say what the outputs show."
        yield Objection(line, "The summary only repeats what the model was told.", work=not _any_success(state))


def _any_success(state: State) -> bool:
    return any(step.result.success for step in state.steps if step.result is not None)


def _ungrounded(found: Grounding, state: State) -> Iterator[Objection]:
    names = found.names[:MOST_TOLD]
    if names:
        told = f"The summary names {', '.join(names)}, which is nowhere: neither a variable nor in any output."
        yield Objection(told, f"Not shown by any step: {', '.join(names)}.", work=False)
    figures = found.figures[:MOST_TOLD]
    if not figures:
        return
    last = next((step for step in reversed(state.steps) if step.result and step.result.success), None)
    output = bounded(last.result.output, SHOWN_AGAIN) if last and last.result else ""
    told = f"The summary says {', '.join(figures)}, which no output shows."
    if last and output:
        again = mark(output, f"step {last.number}")
        told += f" The last output was:\n{again}\nFinish again, with the answer as it is there."
    hint = "" if output else " Compute it in run_code, and print it."
    doubt = f"Not shown by any step: {', '.join(figures)}."
    yield Objection(told + hint, doubt, work=not output)


def _denied(step: Step) -> bool:
    return step.approval is not None and not step.approval.approved
