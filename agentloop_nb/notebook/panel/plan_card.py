"""The plan of a run as something to look at: its card in the live panel, and what stands of it in the finished one."""

from __future__ import annotations

from agentloop_nb.actions.plan import numbered
from agentloop_nb.notebook.panel.cards import Card
from agentloop_nb.notebook.panel.outputs import text_block
from agentloop_nb.notebook.panel.safe_text import one_line, prose
from agentloop_nb.notebook.panel.static_steps import LINE, MUTED
from agentloop_nb.state import State
from agentloop_nb.step import PlanRound

NUMBER = 0
"""Of its card, before all steps."""


def rounds(state: State) -> list[PlanRound]:
    """All plans that were made, the oldest first."""
    return [each for step in state.steps for each in step.plans]


def plan_card(state: State) -> Card:
    """Return the plan that was made last; an arrow stands at the line that is worked on."""
    made = rounds(state)
    last = made[-1]
    waits = last.settled is None
    shown = Card(n=NUMBER, icon="🗺️", action="plan", title="Plan", state="waiting" if waits else "done", meta=[])
    shown["quiet"] = [line for each in made for line in _told(each)]
    shown["out"] = [] if waits else [text_block(numbered(last.lines, state.plan_line))]
    return shown


def _told(each: PlanRound) -> list[str]:
    """Return what became of a plan, and what it was said to take."""
    forecast = [one_line(each.made.forecast, 600)] if each.made.forecast else []
    if each.settled is None:
        return forecast
    if not each.settled.approved:
        return [one_line(f"You rejected a plan: {each.settled.reason or 'no reason given'}", 600)]
    whose = {"user": "You approved it", "nobody": "Nobody was there to see it; it is followed"}
    return [*forecast, whose.get(each.settled.by, "It was changed") + (", with changes" if each.settled.lines else "")]


def plan_line(state: State) -> str:
    """Return the line that is worked on: `2 of 5: Check the totals`; empty where that is not known."""
    if not 0 < state.plan_line <= len(state.plan):
        return ""
    return one_line(f"{state.plan_line} of {len(state.plan)}: {state.plan[state.plan_line - 1]}")


def plan_html(state: State) -> str:
    """Return the plan of a finished run, folded."""
    if not state.plan:
        return ""
    lines = "".join(f"<li>{prose(line)}</li>" for line in state.plan)
    told = "".join(f'<div style="{MUTED}">{prose(line)}</div>' for each in rounds(state) for line in _told(each))
    head = (
        f'<summary style="padding:3px 10px;cursor:pointer">Plan<span style="{MUTED}"> · {len(state.plan)} lines</span>'
    )
    inner = f'<div style="padding:0 10px 8px 30px" dir="auto"><ol style="margin:2px 0">{lines}</ol>{told}</div>'
    return f'<div style="border-top:1px solid {LINE}"><details>{head}</summary>{inner}</details></div>'
