"""A run as something to look at: a header and a card a step, from the state alone. Panel and saved page share it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypedDict

from agentloop_nb._internal.amounts import count, dollars, duration
from agentloop_nb._internal.text import STATUS_WORDS
from agentloop_nb.actions import ActionResult, Delegate, Finish, LookUp, Query, RunCode, SearchWeb, UseTool, WriteFile
from agentloop_nb.actions.action import Action
from agentloop_nb.actions.effects import Child, Effects, Ground
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.decision import Decision
from agentloop_nb.events import ModelFailed, ModelReplied
from agentloop_nb.notebook.panel.outputs import Block, blocks, link, markdown, text_block
from agentloop_nb.notebook.panel.safe_text import one_line, prose, shortened
from agentloop_nb.protocols import Check, CodeError, SearchHit, Usage
from agentloop_nb.reports import gauge
from agentloop_nb.safety.code_risks import UNREMARKABLE
from agentloop_nb.state import OUTSIDE, State
from agentloop_nb.step import Look, Step

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
    metered: bool = True
    """Outside agents pay for their own models; nothing is known of that here."""

    @classmethod
    def of(cls, state: State) -> Totals:
        """Add up a whole run."""
        return cls(state.usage, state.total_cost, state.cost_known, state.settings.get("model") != OUTSIDE)

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
        model=one_line(state.decided_by),
        status=state.status,
        label=STATUS_WORDS[state.status],
        reason=_reason(state),
        step=last.number if last else 0,
        steps=state.max_steps,
        began=state.began,
        elapsed=_elapsed(state),
    )
    shown.update(meters(Totals.of(state), state))
    return shown


def _reason(state: State) -> str:
    """Why it ended, by whose word; what no step shows; and how much of a replay came out differently."""
    told = [
        shortened(state.ending(), MAX_GOAL),
        *map(contract_line, state.checks),
        *(f"⚠️ {shortened(doubt, MAX_GOAL)}" for doubt in state.doubts),
    ]
    return "\n".join(filter(None, [*told, state.differences]))


def contract_line(check: Check) -> str:
    """What became of an expression of the contract."""
    return shortened(f"{'☑' if check.held else '☐'} The contract {check.line}", MAX_GOAL)


def _elapsed(state: State) -> float:
    """Seconds a run took; of one whose kernel died, those its steps are known to have taken."""
    if state.ended is not None:
        return max(state.ended - state.began, 0)
    return sum(step.thinking + step.seconds for step in state.steps)


def meters(totals: Totals, state: State) -> Header:
    """The part of a header that grows with every reply."""
    budget = state.budget
    full = f", context {gauge.share(state.prompt, state.window)} full" if state.window and state.prompt else ""
    context = gauge.context(state)
    return Header(
        tokens=f"{count(totals.usage.total)} tokens{full}" if totals.usage.total else "",
        tokens_detail=_token_classes(totals.usage) + (f"; the last prompt: {context}" if context else ""),
        cost=_spent(totals, budget) if totals.metered else "not metered here",
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
        quiet=_quiet(step, state),
        risks=[one_line(risk) for risk in step.risks if step.approval or risk not in UNREMARKABLE],
        meta=_meta(step),
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
    return "decided" if step.decision else "thinking"


def _quiet(step: Step, state: State) -> list[str]:
    lines = [f"The model was told: {remark}" for remark in step.remarks]
    lines += _failures(step, state)
    lines += [f"Not a decision, the model was told: {reason}" for _, reason in step.rejected]
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
    """What the agent decided about code that ran long."""
    after = f"After {duration(look.shown.seconds)} the agent looked at the running code"
    if look.decided is None:
        return after
    did = f"waited {duration(look.decided.wait)} more" if look.decided.wait else "stopped it"
    return f"{after} and {did}: {look.decided.reason}"


def _failures(step: Step, state: State) -> list[str]:
    """Attempts that brought no reply, each cause once; what ended the run stands in the header already."""
    found = []
    for failure in dict.fromkeys(step.failures):
        count = step.failures.count(failure)
        times = f" ({count} times)" if count > 1 else ""
        said = "the same" if state.status == "failed" and failure and failure in state.reason else failure
        found.append(f"No answer from the model{times}: {said}")
    return found


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
        told = result.effects.error or CodeError()
        shown["error"] = shortened(result.error or result.output or "failed", MAX_GOAL)
        shown["trace"] = shortened(told.traceback, MAX_PROSE)
        shown["mark"] = told.line or 0
    return shown


def _part(part: Action, result: ActionResult) -> list[Block]:
    """One request of several: what it was, then what it brought or why it did not."""
    head = text_block(
        one_line(f"{part.icon} {part.title}{'' if result.success else f' - failed: {result.error}'}"), "note"
    )
    return [head, *_shown(part, result)]


def _parts(action: Action, result: ActionResult) -> Iterator[Block]:
    """What each part of an action brought that has several."""
    if isinstance(action, Delegate):
        for child in result.effects.children:
            yield from _child(child)
        return
    for part, brought in action.outcomes(result):
        yield from _part(part, brought)


def _child(child: Child) -> list[Block]:
    """One part that was delegated: how it went, then its steps, folded with the card."""
    cost = dollars(child.cost) if child.cost_known else "cost unknown"
    how = "done" if child.status == "finished" else f"not done: {child.reason}"
    head = text_block(one_line(f"{how} · {child.steps} steps · {cost} · run {child.run or 'none'}"), "note")
    return [head, text_block("\n".join([*child.purposes, child.summary]).strip())]


def _out(decision: Decision | None, result: ActionResult) -> list[Block]:
    return _shown(decision.action if decision else None, result)


def _shown(action: Action | None, result: ActionResult) -> list[Block]:
    if isinstance(action, RunCode | Query | OwnAction):
        return blocks(result.outputs) + [text_block(note, "note") for note in result.effects.notes]
    if isinstance(action, Finish) and result.success:
        grounds = _grounds(result.effects.grounds)
        return [Block(kind="html", html=markdown(result.output)), *([text_block(grounds, "note")] if grounds else [])]
    if isinstance(action, LookUp | Delegate):
        return list(_parts(action, result))
    if isinstance(action, SearchWeb) and result.effects.hits:
        return [Block(kind="html", html=_hits(result.effects.hits))]
    if text := _read(result.effects):
        return [text_block(text, "page"), *blocks(result.outputs)]
    return [text_block(result.output)] if result.success and result.output else []


def _grounds(grounds: Sequence[Ground]) -> str:
    """Which step shows what the summary says: `Shown by step 3: 12,500, 0.12; step 4: 7.5 % (derived)`."""
    steps: dict[int, list[str]] = {}
    for each in grounds:
        if each.step:
            derived = " (derived)" if each.how == "derived" else ""
            steps.setdefault(each.step, []).append(f"{one_line(each.claim)}{derived}")
    told = "; ".join(f"step {step}: {', '.join(claims)}" for step, claims in sorted(steps.items()))
    return f"Shown by {told}" if told else ""


def _hits(hits: Sequence[SearchHit]) -> str:
    items = (
        f"<li>{link(hit.url, one_line(hit.title or hit.url))}<div>{prose(shortened(hit.snippet, MAX_GOAL))}</div></li>"
        for hit in hits
    )
    return f"<ol>{''.join(items)}</ol>"


def _read(effects: Effects) -> str:
    """The page or document that was read, or what a tool answered."""
    if page := effects.page:
        return f"{page.title}\n{page.url}\n\n{page.text}".lstrip("\n")
    if tool := effects.tool:
        return tool.text
    document = effects.document
    return "\n\n".join(filter(None, (document.facts, document.text))) if document else ""


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


def _spent(totals: Totals, budget: Decimal | None) -> str:
    """`$0.0123 of $0.50`; says so when a part is unknown."""
    amount = dollars(totals.cost)
    if not totals.known:
        amount = f"{amount} + unknown" if totals.cost else "cost unknown"
    return f"{amount} of {dollars(budget)}" if budget is not None else amount


def _token_classes(usage: Usage) -> str:
    parts = [f"{usage.input:,} in"]
    if usage.cached:
        parts.append(f"{usage.cached:,} of them cached ({gauge.cached(usage)})")
    parts.append(f"{usage.output:,} out")
    if usage.reasoning:
        parts.append(f"{usage.reasoning:,} of them reasoning")
    return ", ".join(parts) + (" (estimated)" if usage.estimated else "")
