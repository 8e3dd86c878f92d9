"""A run told by hand that takes each of the actions that are not of the first five."""

from __future__ import annotations

import json
from typing import Any

from agentloop_nb import action
from agentloop_nb.actions import Action, ActionResult, LookUp, Query, ReadDocument, UseTool
from agentloop_nb.actions.effects import Effects, OwnCall, Queried
from agentloop_nb.actions.own import LIVE
from agentloop_nb.actions.registry import choose
from agentloop_nb.decision import Decision, parse
from agentloop_nb.events import AnyEvent, RunFinished
from agentloop_nb.protocols import Change, Document, Page, SearchHit, ToolAnswer
from agentloop_nb.testing import decide
from tests.panel import story

PART = ActionResult(
    success=True,
    output="1. Growth",
    effects=Effects(hits=(SearchHit(title="Growth", url="https://a.example/", snippet="it grew"),)),
)
GONE = ActionResult(success=False, error="https://gone.example/ cannot be reached", output="")
READ = ActionResult(
    success=True, output="it grew", effects=Effects(page=Page(url="https://b.example/", title="B", text="it grew by 4"))
)
OUTLINE = "sales.csv: csv, 3 rows\npd.read_csv('sales.csv')\nregion  text\namount  whole numbers"


def bound(name: str, kind: str, detail: str = "") -> dict[str, Any]:
    return {"changes": (Change(name=name, how="added", type=kind, detail=detail),)}


def own(name: str, **fields: Any) -> Action:
    """A call of a function of the user's, which is declared for as long as this takes."""

    def price(ticker: str) -> float:
        """Look up the last price of a share."""
        return 12.5

    action(price)
    try:
        return parse(json.dumps(decide(name, **fields)), actions=choose((), (), {"price": price})).action
    finally:
        LIVE.pop("price")


def taken() -> list[tuple[Action, ActionResult]]:
    """The actions, with what they brought; one of each failed."""
    parts = tuple(part.model_dump(mode="json") for part in (PART, READ, GONE))
    requests = [{"query": "growth"}, {"url": "https://b.example/"}, {"url": "https://gone.example/"}]
    tool = UseTool(tool="files.read", arguments='{"path": "notes.txt"}', save_as="notes")
    return [
        (
            LookUp(requests=requests),
            ActionResult(
                success=True,
                output="[1] search_web growth\n1. Growth\n[2] read_url https://b.example/\nit grew by 4",
                effects=Effects(parts=parts),
            ),
        ),
        (
            ReadDocument(path="sales.csv"),
            ActionResult(
                success=True,
                output=OUTLINE,
                effects=Effects(document=Document(path="sales.csv", inside="sales.csv", kind="csv", text=OUTLINE)),
            ),
        ),
        (
            Query(sql="SELECT region, sum(amount) AS total\nFROM sales GROUP BY 1", into="totals"),
            ActionResult(
                success=True,
                output="  region  total",
                outputs=(story.shown(text_html=story.TABLE, text_plain="  region  total"),),
                effects=Effects(query=Queried(tables=("sales",))),
                **bound("totals", "DataFrame", "2 x 2"),
            ),
        ),
        (Query(sql="SELECT no_such FROM sales"), ActionResult(success=False, output="", error="no column no_such")),
        (
            own("price", ticker="ACME", into="worth"),
            ActionResult(
                success=True,
                output="12.5",
                outputs=(story.text("12.5\n"),),
                effects=Effects(own=OwnCall(code="worth = price(ticker='ACME')", reaches="reads web")),
                **bound("worth", "float"),
            ),
        ),
        (
            tool,
            ActionResult(
                success=True,
                output="a note",
                effects=Effects(tool=ToolAnswer(text="a note")),
                **bound("notes", "str", "len 6"),
            ),
        ),
        (
            UseTool(tool="files.crash", arguments="{}"),
            ActionResult(success=False, output="", error="the server files ended during the call"),
        ),
    ]


def whole() -> list[AnyEvent]:
    """The whole run."""
    events: list[AnyEvent] = [story.started("Use whatever there is")]
    for number, (done, result) in enumerate(taken(), 1):
        decision = Decision(reasoning="It is there to be used.", action=done)
        events += story.thought(number, decision) + story.acted(number, result)
    return [*events, RunFinished(step=7, status="finished", summary="It grew by 4.", at=story.T0 + 12)]
