"""What a step shows of an answer is a link to that step: in the finished view and in the report, without any script."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from lxml import html as lxml_html
from markdown_it import MarkdownIt

from agentloop_nb.actions import ActionResult
from agentloop_nb.actions.effects import Effects, Ground
from agentloop_nb.events import ActionFinished, AnyEvent
from agentloop_nb.export import export, write_report
from agentloop_nb.export.claim_links import with_links
from agentloop_nb.export.markdown_links import with_markdown_links
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


@pytest.mark.parametrize(
    ("rests_on", "folds"),
    [
        ((), ["Show 17 steps"]),
        ((1,), ["Show 16 steps"]),
        ((5,), ["Show 4 steps", "Show 12 steps"]),
        ((2, 16), ["Show 13 steps"]),
        ((3, 5, 19), ["Show 2 steps", "Show 12 steps"]),
    ],
)
def test_a_step_that_the_answer_rests_on_is_behind_no_fold_of_a_long_run(rests_on: tuple[int, ...], folds: list[str]):
    """JupyterLab follows a link without a kernel, but opens no fold that its target is in."""
    events = [started(), *(event for n in range(1, 20) for event in step(n, "run_code", printed(f"{n}00\n"), code="a"))]
    grounds = tuple(Ground(claim=f"{n}00", step=n, how="shown") for n in rests_on)
    summary = " ".join(["It is", *(each.claim for each in grounds)])
    result = ActionResult(success=True, output=summary, effects=Effects(grounds=grounds))
    last = finished(20, summary)
    page = lxml_html.fromstring(
        static_html(fold([*events, *(ActionFinished(step=20, result=result) if _ends(e) else e for e in last)]))
    )
    shown = page.xpath(".//details[not(@data-n)]/summary[starts-with(., 'Show')]")
    assert [each.text_content().partition(" ·")[0] for each in shown] == folds
    assert [int(each.get("data-n")) for each in page.xpath(".//details[@data-n]")] == list(range(1, 21))
    targets = page.xpath(".//*[@data-jupyter-id]")
    assert len(targets) == len(rests_on)
    assert not any(each.xpath("ancestor::details") for each in targets)


def _ends(event: AnyEvent) -> bool:
    return isinstance(event, ActionFinished) and event.step == 20


def test_without_ids_which_some_front_ends_take_away_the_answer_and_its_steps_still_read() -> None:
    bare = re.sub(r' (?:id|data-jupyter-id|href|title)="[^"]*"', "", static_html(fold(run())))
    words = " ".join(lxml_html.fromstring(bare).text_content().split())
    assert "The mean is 12,500 of 3 shops, up 7.5 % from 2024; total holds all." in words
    assert "Shown by step 1: 12,500, `total`; step 2: 7.5 % (derived)" in words


def test_the_report_has_them_too(tmp_path: Path) -> None:
    page = lxml_html.fromstring(write_report(run(), tmp_path / "report.html", folder=tmp_path).read_text())
    assert links(page) == EXPECTED


def test_so_has_the_report_in_markdown(tmp_path: Path) -> None:
    source = write_report(run(), tmp_path / "report.md", folder=tmp_path).read_text()
    page = lxml_html.fromstring(MarkdownIt("commonmark").render(source))
    found = [each for each in page.iter("a") if each.get("href", "").startswith("#")]
    assert [(each.text_content(), each.get("href")[-1]) for each in found] == EXPECTED
    assert [each.get("title") for each in found][1] == "computed from step 2"
    assert next(each.getparent().text_content() for each in page.xpath(".//a[@id]")).startswith("Step 1. ")
    assert {each.get("href")[1:] for each in found} <= {each.get("id") for each in page.xpath(".//a[@id]")}


@pytest.mark.parametrize(
    ("source", "linked"),
    [
        ("12,500 and **12,500** and _12,500_", 3),
        ("112,500 and 12,500,000 and 12,500.75", 0),
        ("[12,500](https://x.org) and ![12,500](a.png) and <https://x.org/12,500>", 0),
        ("`12,500` and ``12,500`` and `a + 12,500`", 0),
        ("`total` and `total + 1`", 1),
        ("```\n12,500\n```\n12,500", 1),
        ("~~~~\n12,500\n~~~\n12,500\n~~~~\n12,500", 1),
        ("    12,500\n\n12,500", 1),
        ("| a | b |\n|---|---|\n| 12,500 | `total` |", 2),
        ("$12,500 + x$ and $12,500", 1),
        ("as step 1 shows, and step 7 does not, nor `step 1`", 1),
        ("\\[12,500\\]", 1),
        ("- 12,500\n1. 12,500\n> 12,500\n# 12,500", 4),
        ("", 0),
    ],
)
def test_markdown_keeps_its_code_links_and_formulas(source: str, linked: int) -> None:
    grounds = [Ground(claim="12,500", step=1, how="shown"), Ground(claim="`total`", step=1, how="value")]
    found = with_markdown_links(source, grounds, {1})
    assert found.count("](#step-1") == linked
    assert re.sub(r'\[([^\[\]]*)\]\(#step-1(?: "[^"]*")?\)', r"\1", found) == source


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


def test_what_is_handed_out_is_called_by_the_finding_and_each_step_says_what_it_gave(tmp_path: Path) -> None:
    told = "Found here, for the answer:"
    page = lxml_html.fromstring(write_report(run(), tmp_path / "report.html", folder=tmp_path).read_text())
    assert [each.text_content() for each in page.xpath("//li/div")] == [f"{told} 12,500, total", f"{told} 7.5 %"]
    source = write_report(run(), tmp_path / "report.md", folder=tmp_path).read_text()
    assert f"*{told}* 12,500, `total`" in source
    written = export(run(), tmp_path / "run.ipynb", folder=tmp_path)
    first, *steps = (cell.source for cell in nbformat.read(written, 4).cells if cell.cell_type == "markdown")
    assert first.startswith(
        "# The mean is 12,500 of 3 shops, up 7.5 % from 2024; total holds all\n\n**The question:** "
    )
    assert f"*{told}* 12,500, `total`" in steps[0]
    assert f"*{told}* 7.5 %" in steps[1]
