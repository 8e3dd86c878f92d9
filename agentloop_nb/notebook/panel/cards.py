"""A step as something to look at: a card, from the state alone. Panel and saved page share it."""

from __future__ import annotations

import re
from typing import Any, TypedDict

from agentloop_nb._internal.amounts import count, dollars, duration
from agentloop_nb.actions import (
    ActionResult,
    Finish,
    LookUp,
    Query,
    ReadDocument,
    ReadUrl,
    RunCode,
    SearchWeb,
    UseTool,
    WriteFile,
)
from agentloop_nb.actions.action import Action
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.actions.withhold import WITHHELD
from agentloop_nb.decision import Decision
from agentloop_nb.notebook.panel.limits import MAX_CODE, MAX_GOAL, MAX_PROSE
from agentloop_nb.notebook.panel.outputs import Block
from agentloop_nb.notebook.panel.safe_text import one_line, shortened
from agentloop_nb.notebook.panel.step_outputs import shown
from agentloop_nb.protocols import CodeError
from agentloop_nb.safety.code_risks import UNREMARKABLE
from agentloop_nb.state import State
from agentloop_nb.step import Look, Step

VERBS: dict[type[Action], str] = {
    SearchWeb: "Search for",
    ReadUrl: "Read",
    ReadDocument: "Read",
    LookUp: "Look up",
    WriteFile: "Write",
}
"""What is said before the title of an action, which is a name or an address there."""


class Chip(TypedDict):
    """A variable or file that a step made or changed."""

    name: str
    how: str
    what: str
    restore: bool
    """It was the user's, and its former value can be given back."""
    warn: bool
    """It was the user's, and nobody asked for the change."""


class Card(TypedDict, total=False):
    """One step, ready to be shown. Texts are clean but not escaped; only the `html` of blocks is markup."""

    n: int
    icon: str
    action: str
    title: str
    state: str
    """thinking, awaited, writing, decided, waiting, running, done, failed, refused, stopped, cut."""
    reasoning: str
    thoughts: str
    """What the model thought before it decided; folded."""
    thought: str
    """How long it thought, in tokens: what stands on the fold."""
    code: str
    lang: str
    limit: int
    """Seconds the code may take."""
    mark: int
    """Line of the code where it failed, 0 for none."""
    quiet: list[str]
    """Notes, retries, repairs and refusals, a line each."""
    risks: list[str]
    out: list[Block]
    error: str
    trace: str
    chips: list[Chip]
    meta: list[str]
    """Time, tokens, cost."""
    began: float
    """When its action began, in seconds since the epoch."""
    memory: str
    """What the process held when it was last looked at while its code ran."""
    ask: dict[str, Any] | None
    """What a person is asked: the `fields` of an approval, a `question` or a `plan`; and a `complaint`."""


def card(step: Step, state: State) -> Card:
    """One step as its record says."""
    shown = Card(
        n=step.number,
        icon="💭",
        action="",
        title="",
        state=_step_state(step, state),
        quiet=_quiet(step, state),
        risks=[one_line(risk) for risk in step.risks if step.approval or risk not in UNREMARKABLE],
        meta=_meta(step, state),
    )
    if step.thoughts:
        told = f" ({count(step.usage.reasoning)} tokens)" if step.usage.reasoning else ""
        shown.update(Card(thoughts=shortened(step.thoughts, MAX_GOAL), thought=f"Thoughts{told}"))
    if step.decision:
        shown.update(decided(step.decision))
    elif step.result is None and state.status != "running":
        shown["title"] = "No decision"
    if step.result:
        shown.update(_brought(step.decision, step.result, state))
    if shown["state"] == "refused":
        shown["error"] = ""
    return shown


def decided(decision: Decision) -> Card:
    """Return the part of a card that a decision fills."""
    action = decision.action
    code, lang = body(action)
    shown = Card(
        icon=action.icon,
        action=action.name,
        title=_title(decision) or action.name,
        reasoning=shortened(decision.reasoning, MAX_PROSE),
        code=shortened(code, MAX_CODE),
        lang=lang,
    )
    if isinstance(action, RunCode):
        shown["limit"] = action.timeout
    return shown


def _title(decision: Decision) -> str:
    """Why, for code, whose first line is an import more often than not; for other actions what is asked for."""
    action = decision.action
    if isinstance(action, Finish):
        return one_line(re.sub(r"\*\*|`|^[#>\s]+", "", action.title))
    if isinstance(action, RunCode | Query):
        return one_line(decision.reasoning)
    return one_line(worded(type(action), action.title))


def worded(kind: type[Action], title: str) -> str:
    """Say in words what an action does to what its title names."""
    return f"{VERBS.get(kind, '')} {title}".strip() if title else ""


def body(action: Action) -> tuple[str, str]:
    """Return the part of an action that is worth a code block, and its language."""
    match action:
        case RunCode():
            return action.code.strip("\n"), "python"
        case OwnAction():
            return action.code, "python"
        case Query():
            return action.sql.strip("\n"), "sql"
        case UseTool():
            return action.arguments, "json"
        case WriteFile():
            suffix = action.filename.rpartition(".")[2].lower()
            return action.content, {"py": "python", "md": "markdown", "json": "json"}.get(suffix, "text")
        case _:
            return "", ""


def _step_state(step: Step, state: State) -> str:
    if step.approval and not step.approval.approved:
        return "refused"
    if step.result:
        return "done" if step.result.success else "stopped" if step.result.stopped else "failed"
    if state.status != "running":
        return "cut"
    if step.started:
        return "running"
    return "decided" if step.decision else "awaited" if state.is_served else "thinking"


def _quiet(step: Step, state: State) -> list[str]:
    lines = [f"The model was told: {remark}" for remark in step.remarks]
    lines += _failures(step, state)
    lines += [f"The reply could not be used, and the model was told: {reason}" for _, reason in step.rejected]
    if step.approval:
        verb = "Edited and approved" if step.approval.edited else "Approved" if step.approval.approved else "Refused"
        because = f": {step.approval.reason}" if step.approval.reason else ""
        by = "you" if step.approval.by == "user" else step.approval.by
        lines.append(f"{verb} by {by}{because}")
    lines += [look_line(look) for look in step.looks]
    if step.difference:
        lines.append(step.difference)
    said = [shortened(f"You said: {note}", MAX_PROSE) for note in step.notes]
    return said + [one_line(line, 600) for line in lines]


def look_line(look: Look) -> str:
    """Return what the agent decided about code that ran long."""
    after = f"After {duration(look.shown.seconds)} the agent looked at the running code"
    if look.decided is None:
        return after
    did = f"waited {duration(look.decided.wait)} more" if look.decided.wait else "stopped it"
    return f"{after} and {did}: {look.decided.reason}"


def _failures(step: Step, state: State) -> list[str]:
    """Return attempts that brought no reply, each cause once; what ended the run stands in the header already."""
    found = []
    for failure in dict.fromkeys(step.failures):
        count = step.failures.count(failure)
        times = f" ({count} times)" if count > 1 else ""
        said = "see above" if state.status == "failed" and failure and failure in state.reason else failure
        found.append(f"No answer from the model{times}: {said}")
    return found


def _meta(step: Step, state: State) -> list[str]:
    found = []
    if spent := step.seconds + (0 if state.is_served else step.thinking):  # a client's pauses are its own
        found.append(duration(spent))
    if step.usage.total:
        found.append(f"{count(step.usage.total)} tok")
    if step.cost or not step.cost_known:
        found.append(dollars(step.cost) if step.cost_known else "cost unknown")
    if step.rejected:
        found.append("asked again" + (f" {len(step.rejected)} times" if len(step.rejected) > 1 else ""))
    if step.saved:
        found.append(f"{dollars(step.saved)} saved")
    return found


def _brought(decision: Decision | None, result: ActionResult, state: State) -> Card:
    card = Card(out=shown(decision.action if decision else None, result), chips=_chips(result, state))
    if not result.success:
        told = result.effects.error or CodeError()
        error = result.error or result.output or "failed"
        if WITHHELD in error and told.message:  # from the model, not from the person whose data it is
            error = f"{told.type}: {told.message}"
        card["error"] = shortened(error, MAX_GOAL)
        card["trace"] = shortened(told.traceback, MAX_PROSE)
        card["mark"] = told.line or 0
    return card


def _chips(result: ActionResult, state: State) -> list[Chip]:
    chips = [
        Chip(
            name=one_line(change.name),
            how=change.how + (" (sampled)" if change.sampled else ""),
            what=one_line(" ".join(filter(None, (change.type, change.detail)))),
            restore=change.previous and change.restorable and change.how != "added",
            warn=state.unasked(change),
        )
        for change in result.changes
    ]
    names = [*result.effects.all_files, *(result.effects.artifacts or ())]
    files = (Chip(name=one_line(name), how="file", what="", restore=False, warn=False) for name in names)
    return [*chips, *files]
