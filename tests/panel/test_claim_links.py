"""What a step shows of an answer is a link to that step: in the finished view and in the report, without any script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import html as lxml_html

from agentloop_nb.actions import ActionResult
from agentloop_nb.actions.effects import Effects, Ground
from agentloop_nb.events import ActionFinished, AnyEvent
from agentloop_nb.export import write_report
from agentloop_nb.export.claim_links import with_links
from agentloop_nb.notebook.panel.html import static_html
from agentloop_nb.state import fold
from tests.record.made import finished, printed, started, step

SUMMARY = "The mean is **12,500** of 3 shops, up 7.5 % from 2024; `total` holds all.\n\n```\n12,500\n```"
GROUNDS = (
    Ground(claim="12,500", step=1, how="shown"),
    Ground(claim="7.5 %", step=2, how="derived"),
    Ground(claim="`total`", step=1, how="value"),
    Ground(claim="3", step=0, how="shown"),
)


def run(name: str = "20261122-101500-3fa2") -> list[AnyEvent]:
    events = [
        started(name),
        *step(1, "run_code", printed("12500\n"), code="print(total)"),
        *step(2, "run_code", printed("1.075\n"), code="print(1.075)"),
        *finished(3, SUMMARY),
    ]
    result = ActionResult(success=True, output=SUMMARY, effects=Effects(grounds=GROUNDS))
    return [ActionFinished(step=3, result=result) if _is_last(event) else event for event in events]


def _is_last(event: AnyEvent) -> bool:
    return isinstance(event, ActionFinished) and event.step == 3


def links(page: lxml_html.HtmlElement) -> list[tuple[str, str]]:
    """What is a link inside of the page, and the step that it leads to."""
    found = []
    for each in page.iter("a"):
        if (href := each.get("href", "")).startswith("#"):
            (target,) = page.xpath(f'.//*[@id="{href[1:]}"]')
            held = target.xpath("ancestor-or-self::*[@data-n or @value][1]")[0]
            found.append((each.text_content(), held.get("data-n") or held.get("value")))
    return found


EXPECTED = [("12,500", "1"), ("7.5 %", "2"), ("total", "1")]


def test_the_claims_of_an_answer_lead_to_their_steps() -> None:
    page = lxml_html.fromstring(static_html(fold(run())))
    assert links(page) == EXPECTED
    assert [each.get("title") for each in page.iter("a") if each.get("href")[0] == "#"] == [
        "shown by step 1",
        "computed from step 2",
        "held by a variable of step 1",
    ]
    assert not list(page.iter("script"))
    assert [each.get("data-jupyter-id") for each in page.xpath(".//*[@data-jupyter-id]")] == [
        each.get("id") for each in page.xpath(".//*[@id]")
    ], "JupyterLab scrolls to the step itself"
    assert all(target.xpath("ancestor::details") for target in page.xpath(".//*[@id]")), "a browser opens the fold"


def test_several_runs_and_views_of_one_page_do_not_take_each_others_links() -> None:
    views = [
        static_html(fold(run("20261122-101500-3fa2"))),
        static_html(fold(run("20261122-101500-4fa2"))),
        static_html(fold(run("20261122-101500-3fa2")), place="agent-0123456789ab"),
    ]
    page = lxml_html.fromstring(f"<div>{''.join(views)}</div>")
    names = [each.get("id") for each in page.xpath(".//*[@id]")]
    assert len(names) == len(set(names)) == 6
    assert links(page) == EXPECTED * 3


def test_without_ids_which_some_front_ends_take_away_the_answer_and_its_steps_still_read() -> None:
    bare = re.sub(r' (?:id|data-jupyter-id|href|title)="[^"]*"', "", static_html(fold(run())))
    words = " ".join(lxml_html.fromstring(bare).text_content().split())
    assert "The mean is 12,500 of 3 shops, up 7.5 % from 2024; total holds all." in words
    assert "Shown by step 1: 12,500, `total`; step 2: 7.5 % (derived)" in words


def test_the_report_has_them_too(tmp_path: Path) -> None:
    page = lxml_html.fromstring(write_report(run(), tmp_path / "report.html", folder=tmp_path).read_text())
    assert links(page) == EXPECTED


@pytest.mark.parametrize(
    ("claim", "markup", "linked"),
    [
        ("12,500", "<p>12,500</p>", 1),
        ("12,500", "<p>12,500, then 12,500.</p>", 2),
        ("12,500", "<p>112,500 and 12,500,000 and 12,500.75 and x12,500</p>", 0),
        ("12,500", '<a href="https://x.org/12,500">12,500</a>', 0),
        ("12,500", '<img alt="12,500" src="x">', 0),
        ("12,500", "<pre>12,500</pre><p>12,500</p>", 1),
        ("12,500", '<p title="a > b 12,500">12,500</p>', 1),
        ("7.5", "<td>7.5</td><td>17.5</td><td>7.55</td>", 1),
        ("`total`", "<code>total</code>", 1),
        ("a<b", "<p>a&lt;b</p>", 1),
        ("38", "<p>it&#38;s &amp; 38</p>", 1),
        ("<script>", "<p>&lt;script&gt;</p>", 1),
        ("120", "", 0),
    ],
)
def test_a_claim_is_found_where_it_is_said_and_nowhere_else(claim: str, markup: str, linked: int) -> None:
    found = with_links(markup, [Ground(claim=claim, step=1, how="shown")], {1}, lambda step: f"#s-{step}")
    assert found.count('href="#s-1"') == linked
    assert re.sub(r'<a href="#s-1"[^>]*>(.*?)</a>', r"\1", found) == markup


def test_a_step_that_is_not_told_of_is_no_link() -> None:
    assert with_links("<p>120</p>", [Ground(claim="120", step=7, how="shown")], {1, 2}, str) == "<p>120</p>"
