"""Runs made by hand, as the loop would record them."""

from __future__ import annotations

from decimal import Decimal

from agentloop_nb.actions import ActionResult
from agentloop_nb.decision import parse
from agentloop_nb.events import (
    ActionFinished,
    ActionStarted,
    AnyEvent,
    DecisionMade,
    ModelCalled,
    ModelReplied,
    RunFinished,
    RunStarted,
)
from agentloop_nb.protocols import Usage


def started(run: str = "20261122-101500-3fa2", goal: str = "Count to three", **fields) -> RunStarted:
    settings = {"model": "scripted", "max_steps": 50, "budget": None}
    return RunStarted(run=run, goal=goal, context="", settings=settings, at=1795342500.0, **fields)


def step(number: int, action: str, result: ActionResult, **fields) -> list[AnyEvent]:
    """All events of one ordinary step."""
    import json

    text = json.dumps({"reasoning": f"because of {number}", "action": {"name": action, **fields}})
    return [
        ModelCalled(step=number, attempt=1, reserved=Decimal("0.01")),
        ModelReplied(step=number, text=text, usage=Usage(input=100, output=20), cost=Decimal("0.001")),
        DecisionMade(step=number, decision=parse(text)),
        ActionStarted(step=number),
        ActionFinished(step=number, result=result),
    ]


def printed(text: str) -> ActionResult:
    return ActionResult(success=True, output=text, outputs=({"output_type": "stream", "name": "stdout", "text": text},))


def finished(number: int, summary: str = "Done.") -> list[AnyEvent]:
    result = ActionResult(success=True, output=summary, metadata={"artifacts": []})
    end = RunFinished(step=number, status="finished", reason="the goal is met", summary=summary)
    return [*step(number, "finish", result, summary=summary), end]


def counting() -> list[AnyEvent]:
    return [
        started(),
        *step(1, "run_code", printed("1\n"), code="print(1)"),
        *step(2, "run_code", printed("2\n"), code="print(2)"),
        *finished(3),
    ]
