"""Every field of plans, questions, tries, parts, long steps and evaluations: no markup, no steering, no secret."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import nbformat
import pytest
from lxml import html as lxml_html
from rich.console import Console

from agentloop_nb.actions import ActionResult
from agentloop_nb.actions.effects import Answer, Child, Effects
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.evals.judge import Judged
from agentloop_nb.evals.run_page import write_run_page
from agentloop_nb.events import AnyEvent, LongStepDecided, LongStepShown, NoteAdded, PlanMade, PlanSettled, TriesRanked
from agentloop_nb.events.run_events import TryRank
from agentloop_nb.export import export
from agentloop_nb.notebook.panel.html import plain_text, static_html
from agentloop_nb.reports.run_tree import tree
from agentloop_nb.safety.secrets import Masker
from agentloop_nb.state import State, fold
from agentloop_nb.terminal.terminal_view import TerminalView
from tests.record.made import finished, printed, started, step
from tests.safety.test_markup import does_nothing

MARKUP = (
    "<img src=https://evil.example/a.png onerror=alert(1)><script>alert(2)</script> ![x](https://evil.example/b.png) "
    "[y](javascript:alert(3)) \x1b[2J\x1b]0;title\x07\u202e </td></table><svg onload=alert(4)> `<b>`"
)
SECRET = "Tz9qLm4vXw8rKd2pYb6nabc"


def story(text: str) -> list[AnyEvent]:
    """A run in which `text` stands in every field that others can fill."""
    answer = Answer(text=text, by="typed", why=text)
    child = Child(
        run="20261122-101500-aaaa", status="failed", reason=text, summary=text, refused={"x": text}, purposes=(text,)
    )
    asked = ActionResult(success=True, output=text, effects=Effects(answer=answer))
    parts = ActionResult(success=True, output=text, effects=Effects(children=(child,)))
    rank = TryRank(number=1, run="20261122-101500-3fa2", status="finished", steps=1, cost=Decimal(0))
    opening = started(goal=text, part_of="group", part=f"try {text}", earlier_goals=(text,))
    return [
        opening,
        NoteAdded(step=1, text=text),
        PlanMade(step=1, lines=(text, text), reasoning=text, forecast=text),
        PlanSettled(step=1, approved=False, reason=text),
        PlanMade(step=1, lines=(text,), reasoning=text),
        PlanSettled(step=1, approved=True, lines=(text,), by="nobody"),
        *step(1, "ask_user", asked, question=text, choices=[text, "b"], default=text),
        *step(2, "delegate", parts, tasks=[{"goal": text, "brings": ["x"]}]),
        *step(3, "use_tool", printed(text), tool="a.b", arguments=json.dumps({"x": text})),
        *step(4, "read_document", printed(text), path=text),
        *step(5, "query", printed(text), sql=f"SELECT {text!r}"),
        *_long(6, text),
        *finished(7, text),
        TriesRanked(step=7, tries=(rank,), chosen=rank.run, reason=text),
    ]


def _long(number: int, text: str) -> Iterator[AnyEvent]:
    *before, end = step(number, "run_code", printed(text), code="1")
    yield from before
    yield LongStepShown(step=number, seconds=30, output=text, left=2)
    yield LongStepDecided(step=number, wait=30, reason=text)
    yield end


def terminal(events: list[AnyEvent]) -> str:
    shown = io.StringIO()
    view = TerminalView(Console(file=shown, width=100, highlight=False, markup=False, emoji=False), live=False)
    stream = Stream(State(), lambda event: None, [view])
    for event in events:
        stream.emit(event)
    return shown.getvalue()


def runs_nothing(page: str) -> None:
    """No element or attribute of a page acts or fetches."""
    for element in lxml_html.fromstring(page).iter():
        if not isinstance(element.tag, str):
            continue
        assert element.tag not in ("svg", "iframe") or "evil" not in lxml_html.tostring(element).decode(), element.tag
        assert not (element.tag == "script" and "alert(" in (element.text or ""))
        assert not any(name.startswith("on") and "alert" in value for name, value in element.attrib.items())
        for name in ("src", "href"):
            assert not re.search("evil" if name == "src" else "javascript:", element.get(name) or ""), element.tag


@pytest.fixture
def state() -> State:
    return fold(story(MARKUP))


def test_pages_of_a_run_do_nothing(state: State, tmp_path: Path) -> None:
    runs_nothing(static_html(state))
    judged = [Judged(MARKUP, False, MARKUP)]
    write_run_page(state, judged, MARKUP, tmp_path / "run.html")
    runs_nothing((tmp_path / "run.html").read_text())
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", plain_text(state))


def test_a_terminal_and_the_list_of_runs_are_not_steered(state: State) -> None:
    for told in (terminal(story(MARKUP)), "\n".join(tree([state], lambda each: each.subject[:0]))):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", told)


def test_an_exported_notebook_shows_text(tmp_path: Path) -> None:
    export(story(MARKUP), tmp_path / "run.ipynb")
    cells = nbformat.read(tmp_path / "run.ipynb", as_version=4).cells
    for cell in cells:
        if cell.cell_type == "markdown":
            does_nothing(cell.source)


def test_a_secret_stands_in_no_record_and_no_view(tmp_path: Path) -> None:
    recorded: list[AnyEvent] = []
    stream = Stream(State(), recorded.append, masker=Masker([SECRET]))
    for event in story(f"it is {SECRET} here"):
        stream.emit(event)
    export(recorded, tmp_path / "run.ipynb")
    write_run_page(stream.state, [], stream.state.goal, tmp_path / "run.html")
    sinks = {path.name: path.read_text() for path in tmp_path.iterdir()}
    sinks |= {"terminal": terminal(recorded), "panel": static_html(stream.state), "text": plain_text(stream.state)}
    sinks["record"] = "\n".join(event.model_dump_json() for event in recorded)
    for sink, text in sinks.items():
        assert SECRET not in text, sink
        assert SECRET[:16] not in text, sink
    assert sinks["record"].count("[secret masked]") > 30
