"""The page a run leaves behind, and its plain text, read as a person would who has nothing else."""

from __future__ import annotations

import re
from decimal import Decimal

from lxml import html as lxml_html

from agentloop_nb.actions import ActionResult, RunCode
from agentloop_nb.decision import Decision
from agentloop_nb.events import (
    ActionFinished,
    ActionStarted,
    DecisionMade,
    ModelCalled,
    ModelReplied,
    RunFinished,
    RunStarted,
)
from agentloop_nb.notebook.panel.html import plain_text, static_html
from agentloop_nb.notebook.panel.native_outputs import final_outputs
from agentloop_nb.notebook.panel.run_header import header
from agentloop_nb.protocols import Usage
from agentloop_nb.state import fold
from tests.panel import story


def stripped(markup: str) -> str:
    """The text that is left when scripts, styles, folding and every attribute are gone."""
    kept = {"p", "pre", "b", "table", "span", "strong"}
    bare = re.sub(r"<(/?)(\w+)[^>]*>", lambda tag: f"<{tag[1]}{tag[2]}>" if tag[2] in kept else " ", markup)
    return " ".join(lxml_html.fromstring(f"<div>{bare}</div>").text_content().split())


def test_without_styles_and_folding_every_step_still_reads() -> None:
    words = stripped(static_html(fold(story.whole())))
    for expected in (
        f"Finished · {story.GOAL}",
        "6 of 12 steps",
        "$0.0057 of $0.50",
        "1. Search for retail sales seasonality",
        "Seasonality in retail",
        'sales = pd.read_csv("sales.csv")',
        "warning: 1 row without sales",
        "Jan 1250",
        "3. Find the best month. KeyError: 'Month'",
        "No answer from the model: rate limit reached (429)",
        "You said: no legend please",
        "added sales DataFrame 12 x 2",
        "December was the best month",
    ):
        assert expected in words, expected


def test_the_failing_line_is_marked_and_the_figure_is_data() -> None:
    page = lxml_html.fromstring(static_html(fold(story.whole())))
    marked = [span.text_content() for span in page.iter("span") if "border-inline-start" in span.get("style", "")]
    assert marked == ['print(sales.loc[best, "Month"])']
    (picture,) = page.iter("img")
    assert picture.get("src") == "data:image/png;base64," + story.png()
    assert (
        picture.get("alt") == "Figure of step 4; if this page does not show it here, it is in the notebook, at step 4"
    )


def test_dollars_are_money_not_mathematics() -> None:
    page = lxml_html.fromstring(static_html(fold(story.whole())))
    texts = [text for text in page.itertext() if text.count("$") and text.strip() != "$"]
    assert texts == [], "MathJax pairs delimiters within one text node; none holds a dollar and more"


def test_a_run_that_is_cut_off_says_so() -> None:
    events = story.whole()[: -len(story.finish_step(6)) - 2]
    state = fold([*events, RunFinished(step=5, status="interrupted", reason="its kernel died")])
    words = stripped(static_html(state))
    assert "Interrupted" in words
    assert "Its kernel died" in words
    assert "5. Write report.md" in words


def test_unknown_cost_is_not_zero() -> None:
    events = [
        event.model_copy(update={"cost": None}) if event.kind == "model_replied" else event for event in story.whole()
    ]
    assert "cost unknown" in stripped(static_html(fold(events)))
    known = [*story.whole()[:3], *events[3:]]
    assert "unknown" in plain_text(fold(known)).splitlines()[0]
    assert fold(events).total_cost == Decimal(0)


def test_plain_text_has_a_line_a_step() -> None:
    lines = plain_text(fold(story.whole())).splitlines()
    assert lines[0] == "agent: finished, 6 of 12 steps, $0.0057 of $0.50"
    assert lines[4].startswith("✗ 3 run_code: Find the best month. — KeyError")


def test_figures_and_answer_follow_as_native_outputs() -> None:
    figure, answer = final_outputs(fold(story.whole()))
    assert figure["image/png"] == story.png()
    assert answer["text/markdown"].startswith("**December** was the best month")


def test_what_code_touches_stands_quietly_on_its_card() -> None:
    started = ActionStarted(step=1, risks=("deletes files", "network", "writes files"))
    done = ActionFinished(step=1, result=ActionResult(success=True, output=""))
    decision = Decision(reasoning="tidy up", action=RunCode(code="tidy()"))
    begun = RunStarted(run="r", goal="tidy", context="", settings={})
    page = static_html(fold([begun, DecisionMade(step=1, decision=decision), started, done]))
    assert "Touches: deletes files, network<" in page


def test_thoughts_are_folded_counted_and_harmless() -> None:
    call = ModelReplied(
        step=1,
        text="{}",
        reasoning="First the file.\n<script>alert(1)</script>",
        usage=Usage(input=50_000, cached=45_000, output=900, reasoning=700),
        cost=Decimal("0.01"),
    )
    decided = DecisionMade(step=1, decision=story.code("1", "Look."))
    events = [story.started(), ModelCalled(step=1, attempt=1, window=200_000), call, decided]
    page = lxml_html.fromstring(static_html(fold(events)))
    folded = [node for node in page.iter("details") if "First the file." in node.text_content()][-1]
    assert folded.get("open") is None
    assert folded.find("summary").text_content() == "Thoughts (700 tokens)"
    assert "alert(1)" in folded.text_content()
    assert not list(page.iter("script"))
    told = page.text_content()
    assert "45,000 of them cached (90%)" in told
    assert "the last prompt: 50,000 of 200,000 tokens (25%)" in told


def test_the_meter_says_how_full_the_context_is() -> None:
    call = ModelReplied(step=1, text="{}", usage=Usage(input=150_000, output=1_000), cost=Decimal("0.01"))
    state = fold([story.started(), ModelCalled(step=1, attempt=1, window=200_000), call])
    assert header(state)["tokens"] == "151.0k tokens, context 75% full"


def test_without_thoughts_and_window_nothing_is_said_of_them() -> None:
    page = static_html(fold(story.whole()))
    assert "Thoughts" not in page
    assert "context" not in header(fold(story.whole()))["tokens"]
