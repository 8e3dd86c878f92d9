"""A run as something to look at: a header and a card a step, from the state alone. Panel and saved page share it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TypedDict

from agentloop_nb._internal.amounts import count, dollars, duration
from agentloop_nb._internal.text import STATUS_WORDS
from agentloop_nb.actions import ActionResult, Finish, LookUp, Query, RunCode, SearchWeb, WriteFile
from agentloop_nb.actions.action import Action
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.decision import Decision
from agentloop_nb.events import ModelFailed, ModelReplied
from agentloop_nb.notebook.panel.outputs import Block, blocks, link, markdown, text_block
from agentloop_nb.notebook.panel.safe_text import one_line, prose, shortened
from agentloop_nb.protocols import Usage
from agentloop_nb.safety.code_risks import UNREMARKABLE
from agentloop_nb.state import State, Step

MAX_CODE, MAX_PROSE, MAX_GOAL = 60_000, 20_000, 4_000
"""Characters shown on a card: of code or a file; of reasoning or a traceback; of a goal, a reason, an error."""


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
    """thinking, writing, decided, waiting, running, done, failed, refused, stopped, cut."""
    reasoning: str
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


class Header(TypedDict, total=False):
    """What stands above the cards."""

    goal: str
    run: str
    model: str
    status: str
    label: str
    """The status in words."""
    reason: str
    step: int
    steps: int
    tokens: str
    tokens_detail: str
    cost: str
    spent: float
    """Of the budget, 0 to 1."""
    began: float
    elapsed: float


@dataclass
class Totals:
    """Tokens and dollars of a run, kept up event by event: adding up 500 steps for each reply would be slow."""

    usage: Usage = Usage()
    cost: Decimal = Decimal(0)
    known: bool = True

    @classmethod
    def of(cls, state: State) -> Totals:
        """Add up a whole run."""
        return cls(state.usage, state.total_cost, state.cost_known)

    def add(self, event: ModelReplied | ModelFailed) -> None:
        """Count one call."""
        if isinstance(event, ModelReplied):
            self.usage += event.usage
        if event.cost is None:
            self.known = False
        else:
            self.cost += event.cost


def header(state: State) -> Header:
    """The header of a run as its state says; what happens in between is the panel's to add."""
    last = state.steps[-1] if state.steps else None
    shown = Header(
        goal=shortened(state.goal, MAX_GOAL),
        run=state.run,
        model=one_line(str(state.settings.get("model", ""))),
        status=state.status,
        label=STATUS_WORDS[state.status],
        reason=_reason(state),
        step=last.number if last else 0,
        steps=state.max_steps,
        began=state.began,
        elapsed=_elapsed(state),
    )
    shown.update(meters(Totals.of(state), state.budget))
    return shown


def _reason(state: State) -> str:
    """Why it ended, if it did not meet its goal; and how much of a replay came out differently."""
    told = [] if state.is_complete else [shortened(state.reason, MAX_GOAL)]
    return "\n".join(filter(None, [*told, state.differences]))


def _elapsed(state: State) -> float:
    """Seconds a run took; of one whose kernel died, those its steps are known to have taken."""
    if state.ended is not None:
        return max(state.ended - state.began, 0)
    return sum(step.thinking + step.seconds for step in state.steps)


def meters(totals: Totals, budget: Decimal | None) -> Header:
    """The part of a header that grows with every reply."""
    return Header(
        tokens=f"{count(totals.usage.total)} tokens" if totals.usage.total else "",
        tokens_detail=_token_classes(totals.usage),
        cost=_spent(totals, budget),
        spent=float(min(totals.cost / budget, Decimal(1))) if budget else 0.0,
    )


def card(step: Step, state: State) -> Card:
    """One step as its record says."""
    shown = Card(
        n=step.number,
        icon="💭",
        action="",
        title="",
        state=_step_state(step, state),
        quiet=_quiet(step),
        risks=[one_line(risk) for risk in step.risks if step.approval or risk not in UNREMARKABLE],
        meta=_meta(step),
    )
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
    """The part of a card that a decision fills."""
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
    return one_line(decision.reasoning if isinstance(action, RunCode | Query) else action.title)


def body(action: Action) -> tuple[str, str]:
    """The part of an action that is worth a code block, and its language."""
    match action:
        case RunCode():
            return action.code.strip("\n"), "python"
        case OwnAction():
            return action.code, "python"
        case Query():
            return action.sql.strip("\n"), "sql"
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
    return "decided" if step.decision else "thinking"


def _quiet(step: Step) -> list[str]:
    lines = [f"The model was told: {remark}" for remark in step.remarks]
    lines += [f"No answer from the model: {failure}" for failure in step.failures]
    lines += [f"Not a decision, the model was told: {reason}" for _, reason in step.rejected]
    if step.approval:
        verb = "Edited and approved" if step.approval.edited else "Approved" if step.approval.approved else "Refused"
        because = f": {step.approval.reason}" if step.approval.reason else ""
        by = "you" if step.approval.by == "user" else step.approval.by
        lines.append(f"{verb} by {by}{because}")
    if step.difference:
        lines.append(step.difference)
    said = [shortened(f"You said: {note}", MAX_PROSE) for note in step.notes]
    return said + [one_line(line, 600) for line in lines]


def _meta(step: Step) -> list[str]:
    found = []
    if step.seconds or step.thinking:
        found.append(duration(step.seconds + step.thinking))
    if step.usage.total:
        found.append(f"{count(step.usage.total)} tok")
    if step.cost or not step.cost_known:
        found.append(dollars(step.cost) if step.cost_known else "cost unknown")
    if step.saved:
        found.append(f"{dollars(step.saved)} saved")
    return found


def _brought(decision: Decision | None, result: ActionResult, state: State) -> Card:
    shown = Card(out=_out(decision, result), chips=_chips(result, state))
    if not result.success:
        told = result.metadata.get("error") or {}
        shown["error"] = shortened(result.error or result.output or "failed", MAX_GOAL)
        shown["trace"] = shortened(str(told.get("traceback", "")), MAX_PROSE)
        shown["mark"] = int(told.get("line") or 0)
    return shown


def _part(part: Action, result: ActionResult) -> list[Block]:
    """One request of several: what it was, then what it brought or why it did not."""
    head = text_block(
        one_line(f"{part.icon} {part.title}{'' if result.success else f' - failed: {result.error}'}"), "note"
    )
    return [head, *_shown(part, result)]


def _out(decision: Decision | None, result: ActionResult) -> list[Block]:
    return _shown(decision.action if decision else None, result)


def _shown(action: Action | None, result: ActionResult) -> list[Block]:
    if isinstance(action, RunCode | Query | OwnAction):
        return blocks(result.outputs) + [text_block(str(note), "note") for note in result.metadata.get("notes", ())]
    if isinstance(action, Finish) and result.success:
        return [Block(kind="html", html=markdown(result.output))]
    if isinstance(action, LookUp):
        return [block for part, brought in action.outcomes(result) for block in _part(part, brought)]
    if isinstance(action, SearchWeb) and result.metadata.get("hits"):
        return [Block(kind="html", html=_hits(result.metadata["hits"]))]
    if text := _read(result):
        return [text_block(text, "page")]
    return [text_block(result.output)] if result.success and result.output else []


def _hits(hits: list[dict[str, str]]) -> str:
    items = (
        f"<li>{link(hit.get('url', ''), one_line(hit.get('title') or hit.get('url', '')))}"
        f"<div>{prose(shortened(hit.get('snippet', ''), MAX_GOAL))}</div></li>"
        for hit in hits
    )
    return f"<ol>{''.join(items)}</ol>"


def _read(result: ActionResult) -> str:
    """The page or document that was read."""
    if page := result.metadata.get("page"):
        title = page.get("title", "")
        return f"{title}\n{page.get('url', '')}\n\n{page.get('text', '')}".lstrip("\n")
    document = result.metadata.get("document") or {}
    return "\n\n".join(filter(None, (document.get("facts", ""), document.get("text", ""))))


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
    names = [*result.metadata.get("files", ()), *result.metadata.get("artifacts", ())]
    if written := result.metadata.get("file"):
        names.append(written.get("path", ""))
    files = (Chip(name=one_line(str(name)), how="file", what="", restore=False, warn=False) for name in names)
    return [*chips, *files]


def _spent(totals: Totals, budget: Decimal | None) -> str:
    """`$0.0123 of $0.50`; says so when a part is unknown."""
    amount = dollars(totals.cost)
    if not totals.known:
        amount = f"{amount} + unknown" if totals.cost else "cost unknown"
    return f"{amount} of {dollars(budget)}" if budget is not None else amount


def _token_classes(usage: Usage) -> str:
    parts = [f"{usage.input:,} in"]
    if usage.cached:
        parts.append(f"{usage.cached:,} of them cached")
    parts.append(f"{usage.output:,} out")
    if usage.reasoning:
        parts.append(f"{usage.reasoning:,} of them reasoning")
    return ", ".join(parts) + (" (estimated)" if usage.estimated else "")
