"""What an action brought, as blocks to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentloop_nb._internal.amounts import dollars
from agentloop_nb.actions import ActionResult, Delegate, Finish, LookUp, Query, RunCode, SearchWeb
from agentloop_nb.actions.action import Action
from agentloop_nb.actions.effects import Child, Effects, Ground
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.notebook.panel.limits import MAX_GOAL
from agentloop_nb.notebook.panel.outputs import Block, blocks, link, markdown, text_block
from agentloop_nb.notebook.panel.safe_text import one_line, prose, shortened
from agentloop_nb.protocols import SearchHit


def _part(part: Action, result: ActionResult) -> list[Block]:
    """One request of several: what it was, then what it brought or why it did not."""
    head = text_block(
        one_line(f"{part.icon} {part.title}{'' if result.success else f' - failed: {result.error}'}"), "note"
    )
    return [head, *shown(part, result)]


def _parts(action: Action, result: ActionResult) -> Iterator[Block]:
    """Yield what each part of an action brought that has several."""
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


def shown(action: Action | None, result: ActionResult) -> list[Block]:
    """Return what an action brought, as blocks to look at."""
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
    """Return the page or document that was read, or what a tool answered."""
    if page := effects.page:
        return f"{page.title}\n{page.url}\n\n{page.text}".lstrip("\n")
    if tool := effects.tool:
        return tool.text
    document = effects.document
    return "\n\n".join(filter(None, (document.facts, document.text))) if document else ""
