"""The report: the finding first, what it rests on, the method without dead ends, and how to check it; in one file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import html as lxml_html

from agentloop_nb import cli, demo
from agentloop_nb.actions import ActionResult
from agentloop_nb.errors import UserError
from agentloop_nb.events import AnyEvent, RunFinished
from agentloop_nb.export import write_report
from agentloop_nb.export.report import UNPROVEN
from agentloop_nb.record import journal, reading
from agentloop_nb.verify.certified_export import publish, publish_report
from tests.panel import story
from tests.record.made import finished, printed, started, step


def told(events: list[AnyEvent], folder: Path, **options: object) -> lxml_html.HtmlElement:
    return lxml_html.fromstring(write_report(events, folder / "report.html", folder=folder, **options).read_text())


def words(page: lxml_html.HtmlElement) -> str:
    return " ".join(page.find("body").text_content().split())


def picture(code: str) -> ActionResult:
    output = story.shown(image_png=story.png(), text_plain=code)
    return ActionResult(success=True, output="", outputs=(output,))


@pytest.fixture
def demo_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The packaged demo's run as if it had been made here."""
    monkeypatch.chdir(tmp_path)
    demo.prepare(tmp_path)
    kept = journal.Journal.create(tmp_path, "20261122-101500-3fa2")
    for event in reading.read(demo.RECORD):
        kept.append(event)
    kept.close()
    return kept.path


@pytest.mark.kernel
def test_the_demo_is_reported_proven_and_in_order(demo_record):
    written = publish_report(demo_record, Path("cafe.html"), cost=True)
    assert written.sound
    page = lxml_html.fromstring(written.path.read_text())
    assert page.findtext(".//title") == page.findtext(".//h1") == "Saturday sells most: 171 cups on a dry day"
    headings = [each.text for each in page.iter("h2")]
    assert headings == ["Files", "How it was done", "Data", "How to check it"]
    assert "4 of 4 outputs are identical in a fresh kernel" in words(page)
    assert "cafe.csv, SHA-256" in words(page)
    assert "It cost $0" in words(page)
    assert [each.get("id") for each in page.iter("li") if each.get("id")] == ["step-1", "step-3", "step-4"], (
        "no dead end"
    )
    assert "ValueError" not in words(page)
    assert page.xpath("//figcaption//a/@href") == ["#step-4"]
    assert written.path.stat().st_size < 100_000


@pytest.mark.kernel
def test_an_export_to_a_page_is_the_report_and_the_shell_writes_it_too(demo_record, capsys):
    assert publish(demo_record, Path("one.html"), check=False).told == "written; nothing was run again"
    assert UNPROVEN in Path("one.html").read_text()
    assert cli.main(["report", "report.md"]) == 0
    assert "report.md: Reproduced" in capsys.readouterr().out
    text = Path("report.md").read_text()
    assert text.splitlines()[2] == "# Saturday sells most: 171 cups on a dry day"
    assert "data:image/svg+xml;base64," in text
    assert cli.main(["report", "report.md"]) == 0, "over its own report"


@pytest.mark.parametrize(
    ("summary", "title"),
    [
        ("**North** leads. South follows.", "North leads"),
        ("# Result\nmore", "Result"),
        ("`x` is 3.5 on average. Done.", "x is 3.5 on average"),
        ("- [North](https://a.org) leads!", "North leads!"),
        ("\n\n> quoted finding.", "quoted finding"),
        ("a" * 300, "a" * 119 + "…"),
        ("North leads, i.e. it sells most. Yes.", "North leads, i.e"),
        ("|a|b|\n|-|-|", "|a|b|"),
        ("<b>bold</b> claim. x", "<b>bold</b> claim"),
        ("Ergebnis: 4 %. Gut.", "Ergebnis: 4 %"),
    ],
)
def test_the_title_is_the_finding(summary, title, tmp_path):
    page = told(
        [started(), *step(1, "run_code", printed("1\n"), code="print(1)"), *finished(2, summary=summary)], tmp_path
    )
    assert page.findtext(".//h1") == title


def test_without_an_answer_the_goal_is_the_title_and_it_says_so(tmp_path):
    ended = RunFinished(step=1, status="step_limit", reason="all 1 steps are used")
    page = told(
        [started(goal="Count the rows"), *step(1, "run_code", printed("1\n"), code="print(1)"), ended], tmp_path
    )
    assert page.findtext(".//h1") == "Count the rows"
    assert "Not finished — out of steps: all 1 steps are used" in words(page)


def test_steps_named_in_the_answer_are_links_to_them(tmp_path):
    events = [
        started(),
        *step(1, "run_code", picture("a"), code="plot(a)"),
        *step(2, "run_code", picture("b"), code="plot(b)"),
    ]
    page = told([*events, *finished(3, summary="See step 2 and [x](https://a.org 'a>step 2'), not step 9.")], tmp_path)
    links = [(each.text, each.get("href")) for each in page.xpath("//section//a")]
    assert links == [("step 2", "#step-2"), ("x", "https://a.org")]
    assert page.xpath("//figcaption/b/text()") == ["Figure 1"], "of the step that the answer cites"


@pytest.mark.parametrize(
    "nasty",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://t.example/p.png)",
        "[y](javascript:alert(1))",
        "</style><script>alert(1)</script>",
        "</title><script>alert(1)</script>",
        '" onmouseover="alert(1)',
        "<iframe src=https://t.example></iframe>",
        "\u202egnp.exe",
        "$x$ <b",
    ],
)
@pytest.mark.parametrize("suffix", [".html", ".md"])
def test_what_others_wrote_is_text_and_loads_nothing(nasty, suffix, tmp_path):
    page = {"url": f"https://a.org/{nasty}", "title": nasty, "text": nasty}
    read = ActionResult(success=True, output="", metadata={"page": page})
    table = ActionResult(success=True, output="", outputs=(story.shown(text_html=f"<table><td>{nasty}</table>"),))
    events = [
        started(goal=nasty),
        *step(1, "read_url", read, url="https://a.org"),
        *step(2, "run_code", table, code=f"x = '''{nasty}'''"),
        *finished(3, summary=nasty),
    ]
    text = write_report(events, tmp_path / f"report{suffix}", folder=tmp_path).read_text()
    if suffix == ".html":
        made = lxml_html.fromstring(text)
        assert {each.tag for each in made.iter()} & {"script", "iframe", "object", "link"} == set()
        assert all(source.startswith("data:") for source in made.xpath("//img/@src"))
        assert not [name for each in made.iter() for name in each.attrib if name.startswith("on")]
        assert "\u202e" not in text
        assert all(href.startswith(("#", "http")) for href in made.xpath("//@href"))
    else:
        from markdown_it import MarkdownIt

        shown = MarkdownIt("commonmark", {"html": False}).render(text)
        assert not re.search(r"<(img[^>]*//|script|iframe)", shown)


def test_places_and_secrets_stay_out(tmp_path, monkeypatch):
    secret = "sk-test-" + "a1b2c3d4" * 5
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    text = f"{tmp_path}/data.csv with {secret}"
    events = [started(goal=text), *step(1, "run_code", printed(text), code=f"open('{tmp_path}/data.csv') # {secret}")]
    for name in ("report.html", "report.md"):
        leaves = write_report([*events, *finished(2, summary=text)], tmp_path / name, folder=tmp_path).read_text()
        assert secret not in leaves
        assert str(tmp_path) not in leaves


@pytest.mark.parametrize("name", ["report.pdf", "report", "report.ipynb", "report.HTML"])
def test_another_name_is_refused_in_a_line(name, demo_record):
    with pytest.raises(UserError, match=r"a report is a page or Markdown: name it report.html or report.md"):
        publish_report(demo_record, Path(name), check=False)


def test_a_file_of_the_users_stays(demo_record):
    Path("mine.md").write_text("# Mine")
    with pytest.raises(UserError, match="stays as it is"):
        publish_report(demo_record, Path("mine.md"), check=False)
    assert Path("mine.md").read_text() == "# Mine"
