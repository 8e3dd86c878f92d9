"""A run told by hand: the events of five steps with everything a card can show. Real pictures, real tables."""

from __future__ import annotations

import base64
import io
import struct
import time
import zlib
from decimal import Decimal

from agentloop_nb.actions import ActionResult, Finish, RunCode, SearchWeb, WriteFile
from agentloop_nb.decision import Decision
from agentloop_nb.events import (
    ActionFinished,
    ActionStarted,
    AnyEvent,
    ApprovalAsked,
    ApprovalGiven,
    DecisionMade,
    DecisionRejected,
    ModelCalled,
    ModelFailed,
    ModelReplied,
    NoteAdded,
    RunFinished,
    RunStarted,
)
from agentloop_nb.protocols import Change, Usage

T0 = time.time()
GOAL = "Plot the monthly sales in sales.csv and say which month was best"

TABLE = (
    '<div><style scoped>.dataframe td {color: red}</style><table border="1" class="dataframe"><thead><tr><th></th>'
    "<th>month</th><th>sales</th></tr></thead><tbody><tr><th>0</th><td>Jan</td><td>1250</td></tr>"
    "<tr><th>1</th><td>Feb</td><td>1830</td></tr></tbody></table></div>"
)


def png(width: int = 320, height: int = 120) -> str:
    """A small bar chart as a real PNG, base64."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            bar = x // 32
            inside = x % 32 > 6 and height - y < 20 + (bar * 37 % 90)
            rows += bytes((31, 119, 180) if inside else (255, 255, 255))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(rows))),
        (b"IEND", b""),
    )
    file = io.BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n")
    for kind, data in chunks:
        file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return base64.b64encode(file.getvalue()).decode()


def started(goal: str = GOAL, **settings: object) -> RunStarted:
    """The first event."""
    known = {"model": "openai:gpt-4o-mini", "max_steps": 12, "budget": "0.50", **settings}
    return RunStarted(run="20261122-101500-3fa2", goal=goal, context="", settings=known, at=T0)


def thought(step: int, decision: Decision, *, cost: str = "0.0009") -> list[AnyEvent]:
    """A model call that brings a decision."""
    usage = Usage(input=1900 + 400 * step, cached=1024, output=130)
    return [
        ModelCalled(step=step, attempt=1, at=T0 + 0.0 + step),
        ModelReplied(step=step, text="{}", usage=usage, cost=Decimal(cost), seconds=1.3, at=T0 + 1.0 + step),
        DecisionMade(step=step, decision=decision, at=T0 + 1.0 + step),
    ]


def acted(step: int, result: ActionResult, seconds: float = 0.4) -> list[AnyEvent]:
    """An action carried out."""
    return [
        ActionStarted(step=step, at=T0 + 2.0 + step),
        ActionFinished(step=step, result=result, seconds=seconds, at=T0 + 2.5 + step),
    ]


def code(source: str, why: str) -> Decision:
    """A decision to run code."""
    return Decision(reasoning=why, action=RunCode(code=source))


def text(words: str, name: str = "stdout") -> dict[str, object]:
    """A stream output."""
    return {"output_type": "stream", "name": name, "text": words}


def shown(**data: str) -> dict[str, object]:
    """A display output; `image_png` stands for image/png."""
    return {
        "output_type": "display_data",
        "data": {key.replace("_", "/", 1): value for key, value in data.items()},
        "metadata": {},
    }


def search_step(step: int) -> list[AnyEvent]:
    """A search with two hits."""
    hits = [
        {
            "title": "Seasonality in retail",
            "url": "https://example.org/retail",
            "snippet": "December leads in most series.",
        },
        {"title": "Reading CSV files", "url": "https://example.org/csv", "snippet": "Mind the decimal separator."},
    ]
    decision = Decision(
        reasoning="Seasonality may matter; look for typical patterns first.",
        action=SearchWeb(query="retail sales seasonality"),
    )
    return thought(step, decision) + acted(
        step, ActionResult(success=True, output="1. …", metadata={"hits": hits}), 0.9
    )


def load_step(step: int) -> list[AnyEvent]:
    """Code that prints in colour, shows a table and makes a variable."""
    decision = code(
        'import pandas as pd\n\n# one row a month\nsales = pd.read_csv("sales.csv")\n'
        'print(f"{len(sales)} rows")\nsales.head(2)',
        "Load the file and look at its columns before plotting.",
    )
    outputs = (
        text("12 rows\n\x1b[31mwarning:\x1b[0m 1 row \x1b[1mwithout\x1b[0m sales\n"),
        shown(text_html=TABLE, text_plain="  month"),
    )
    change = Change(name="sales", how="added", type="DataFrame", detail="12 x 2")
    return thought(step, decision) + acted(
        step, ActionResult(success=True, output="12 rows", outputs=outputs, changes=(change,))
    )


def failing_step(step: int) -> list[AnyEvent]:
    """Code that fails in its second line, after a reply that was no decision and a rate limit."""
    decision = code('best = sales.sales.idxmax()\nprint(sales.loc[best, "Month"])\nplot(sales)', "Find the best month.")
    trace = (
        "step 3, line 2\n      1 best = sales.sales.idxmax()\n"
        "----> 2 print(sales.loc[best, \"Month\"])\n\nKeyError: 'Month'"
    )
    error = {"type": "KeyError", "message": "'Month'", "traceback": trace, "line": 2}
    result = ActionResult(success=False, output=trace, error="KeyError: 'Month'", metadata={"error": error})
    before = [
        ModelCalled(step=step, attempt=1),
        ModelFailed(step=step, attempt=1, error="rate limit reached (429)", wait=2.0),
        ModelCalled(step=step, attempt=2),
        ModelReplied(step=step, text="Sure!", usage=Usage(input=2000, output=9), cost=Decimal("0.0003"), seconds=0.6),
        DecisionRejected(step=step, reason="the reply is not one valid JSON object (not an object)."),
    ]
    return before + thought(step, decision) + acted(step, result)


def plot_step(step: int) -> list[AnyEvent]:
    """A note, an approval, a figure and a file."""
    decision = code(
        'ax = sales.plot.bar(x="month", y="sales", legend=False)\nax.figure.savefig("sales.png")',
        "Draw the chart with the right column names, and keep it as a file.",
    )
    outputs = (shown(image_png=png(), text_plain="<Axes: xlabel='month'>"),)
    change = Change(name="ax", how="added", type="Axes")
    result = ActionResult(
        success=True, output="[image/png shown]", outputs=outputs, changes=(change,), metadata={"files": ["sales.png"]}
    )
    asked = [ApprovalAsked(step=step, risks=("writes files",)), ApprovalGiven(step=step, approved=True)]
    return [NoteAdded(step=step, text="no legend please"), *thought(step, decision), *asked, *acted(step, result, 1.1)]


def write_step(step: int) -> list[AnyEvent]:
    """A file written by the agent."""
    decision = Decision(
        reasoning="Leave a short report.",
        action=WriteFile(filename="report.md", content="# Sales\n\nDecember was best.\n"),
    )
    written = {"path": "report.md", "size": 30, "replaced": False}
    return thought(step, decision) + acted(
        step, ActionResult(success=True, output="Wrote report.md (30 bytes).", metadata={"file": written}), 0.0
    )


SUMMARY = "**December** was the best month, with 2,940 sold.\n\n| month | sales |\n|---|---|\n| Dec | 2940 |\n"


def finish_step(step: int) -> list[AnyEvent]:
    """The answer."""
    decision = Decision(
        reasoning="The goal is met.", action=Finish(summary=SUMMARY, artifacts=("sales.png", "report.md"))
    )
    result = ActionResult(success=True, output=SUMMARY, metadata={"artifacts": ["sales.png", "report.md"]})
    return thought(step, decision) + acted(step, result, 0.0)


def whole() -> list[AnyEvent]:
    """The whole run."""
    steps = (search_step, load_step, failing_step, plot_step, write_step, finish_step)
    events: list[AnyEvent] = [started()]
    for number, make in enumerate(steps, 1):
        events += make(number)
    done = RunFinished(step=6, status="finished", summary=SUMMARY, artifacts=("sales.png", "report.md"), at=T0 + 19.0)
    return [*events, done]
