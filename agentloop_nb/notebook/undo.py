"""Taking steps of a run back: variables, files and the model's memory together, saying what cannot be taken back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

from agentloop_nb._internal import safe_files
from agentloop_nb.actions import Finish, RunCode
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.actions.own_values import texts
from agentloop_nb.errors import ActionFailed, UserError
from agentloop_nb.events import StepsUndone
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.own_actions.take_back import has_undo
from agentloop_nb.own_actions.take_back import take_back as take_back_call
from agentloop_nb.protocols import Undoing
from agentloop_nb.record import journal
from agentloop_nb.run import Run
from agentloop_nb.safety.code_risks import read_risks
from agentloop_nb.state import State
from agentloop_nb.step import Step

RESUME = "To go on from here: %agent resume -- what to do instead"


def undo_steps(run: Run, count: int, tell: Callable[[str], None], *, after: str = RESUME) -> None:
    """Take back the last `count` steps of a run of this kernel.

    `tell` hears what cannot be taken back before anything is, and then what was done, and what to type `after` that.
    """
    workspace = _workspace(run)
    acting = acting_steps(run.state)[-count:] if count else []
    steps = [step for step in run.state.steps if acting and step.number >= acting[0].number]
    if not steps:
        raise UserError(f"there is no step to take back{_of_parent(run)}")
    first = steps[0].number
    # opened first: where it could not be noted, nothing is taken back
    with contextlib.closing(journal.Journal.open(run.journal)) as record:
        head, *lines = take_back(workspace, steps, tell)
        event = StepsUndone(step=first, first=first)
        run.state.apply(event)
        record.append(event)
    told = [head]
    if run.state.settings.get("isolated"):
        told.append("  That was in the run's own process and folder; your kernel and your files are as they were.")
    if len(acting) < count:
        told.append(f"  There were no more{_of_parent(run)}.")
    tell("\n".join(filter(None, [*told, *lines, after])))


def take_back(workspace: Undoing, steps: list[Step], tell: Callable[[str], None]) -> list[str]:
    """Take back the variables and files of the last steps of a run; returns what was done, a line each.

    `tell` hears first what cannot be taken back. Recording it is up to the caller.
    """
    first = steps[0].number
    acted = [step.number for step in steps if step.decision is None or not isinstance(step.decision.action, Finish)]
    last = max(acted, default=first)
    planned = workspace.plan(first).lost
    if beyond := [*_left(planned), *(line for step in steps for line in _beyond(step))]:
        tell("\n".join(["What cannot be taken back:", *beyond]))
    called, failed = _undo_calls(workspace, steps)
    undone = workspace.undo(first)
    put_back, left = _undo_files(workspace, steps)
    lines = [f"Steps {first} to {last} are taken back." if first < last else f"Step {first} is taken back."]
    lines += [f"  put back: {', '.join(undone.names)}"] if undone.names else []
    lines += [f"  taken back by a function of yours: {line}" for line in called]
    lines += [f"  files put back: {', '.join(put_back)}"] if put_back else []
    lines += _left({name: why for name, why in undone.lost.items() if name not in planned})
    return lines + [f"  NOT put back: {line}" for line in [*failed, *left]]


def acting_steps(state: State) -> list[Step]:
    """Return the steps of a run that did something: not its end, none that was refused or never came to be."""
    own = [step for step in state.steps if not step.inherited and step.started]
    return [step for step in own if step.decision is not None and not isinstance(step.decision.action, Finish)]


def _of_parent(run: Run) -> str:
    parent, at = run.state.forked_from or ("", 0)
    return f"; those up to step {at} are of run {parent} (another way from one of them: %agent fork)" if at else ""


def _left(lost: Mapping[str, str]) -> list[str]:
    return [f"  NOT put back: {name} ({why})" for name, why in lost.items()]


def restore_name(run: Run, name: str) -> str:
    """Give one variable back the value it had before the run."""
    if _workspace(run).restore(name):
        return f"{name} is as it was before the run."
    raise UserError(f"no copy of {name!r} from before the run is kept; %agent who lists what the run changed")


def _workspace(run: Run) -> Undoing:
    if run.status == "running":
        raise UserError("the run is still going on; stop it first")
    if not isinstance(run.workspace, Undoing):
        raise UserError("this run did not take place in this kernel, so there is nothing here to take back")
    return run.workspace


def _undo_calls(workspace: Undoing, steps: list[Step]) -> tuple[list[str], list[str]]:
    """Take back what functions of the user's did, the newest first, while the variables are still there."""
    done, left = [], []
    for step in reversed(steps):
        if (action := _undoable(step)) is None or step.result is None:
            continue
        if isinstance(workspace, IsolatedWorkspace):
            left.append(f"{action.call} (a function of this kernel takes nothing back of a run in its own process)")
            continue
        try:
            name = take_back_call(action, step.result, workspace.variables([action.into, *texts(action.arguments)]))
        except (ActionFailed, TypeError) as error:
            left.append(f"{action.call} ({error})")
        else:
            done.append(f"{action.call} by {name}")
    return done, left


def _undoable(step: Step) -> OwnAction | None:
    """Return the call of a step that worked and that a function takes back; one that a replay left out is none."""
    action = step.decision.action if step.decision else None
    worked = step.result is not None and step.result.success and not (step.effects.own and step.effects.own.from_record)
    return action if worked and isinstance(action, OwnAction) and has_undo(action) else None


def _undo_files(workspace: Undoing, steps: list[Step]) -> tuple[list[str], list[str]]:
    put_back, left = [], []
    for file in (file for step in reversed(steps) for file in reversed(step.effects.placed)):
        try:
            safe_files.restore(workspace.folder, file)
        except ActionFailed as error:
            left.append(str(error))
        else:
            put_back.append(file.path)
    return put_back, left


def _beyond(step: Step) -> list[str]:
    """Return what a step did that lies beyond variables and `write_file`: as it was seen, and as its code says."""
    if _undoable(step) is not None:
        return []
    if (own := step.effects.own) and own.reaches:
        return [] if own.from_record else [f"  step {step.number}: a function that {own.reaches}: {own.code}"]
    if step.effects.tool is not None and step.decision is not None:
        return [f"  step {step.number}: whatever its server did for the tool {step.decision.action.title}"]
    if step.decision is None or not isinstance(step.decision.action, RunCode) or not step.started:
        return []
    found = step.effects
    lines = [f"files that it wrote by itself: {', '.join(found.files_written)}"] if found.files_written else []
    lines += found.external
    seen = {"writes files", "cannot be read"}
    seen |= {risk for risk, sign in _SIGNS.items() if any(line.startswith(sign) for line in lines)}
    lines += [risk for risk in read_risks(step.decision.action.code) if risk not in seen]
    return [f"  step {step.number}: {line}" for line in lines]


_SIGNS = {"shell": "started ", "network": "connected to "}
"""Risks that need not be told where what they warn of was seen."""
