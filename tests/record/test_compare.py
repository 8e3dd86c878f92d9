"""Two runs side by side: what they share is folded, where they part is shown, and nothing a run said is markup."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import html as lxml_html

from agentloop_nb import cli
from agentloop_nb.actions import ActionResult
from agentloop_nb.errors import UserError
from agentloop_nb.events import AnyEvent, ModelReplied, RunFinished, RunForked
from agentloop_nb.notebook.panel.comparison_page import comparison_html, comparison_page
from agentloop_nb.protocols import Change
from agentloop_nb.record import journal
from agentloop_nb.reports.compare import Comparison, Row, compare
from agentloop_nb.state import fold
from agentloop_nb.terminal.comparison_table import comparison_text
from tests.record.made import finished, printed, started, step

PARENT, FORK = "20261122-101500-aaaa", "20261122-111500-bbbb"
COMMON = [
    *step(1, "run_code", printed("loaded\n"), code="df = load()"),
    *step(2, "run_code", printed("3\n"), code="len(df)"),
]


def made(name: str, detail: str = "", text: str = "") -> ActionResult:
    change = Change(name=name, how="added", type="DataFrame", detail=detail)
    return printed(text).model_copy(update={"changes": (change,)})


def parent() -> list[AnyEvent]:
    fit = step(3, "run_code", made("fit", "3 x 2", "r2 = 0.8\n"), code="fit = ols(df)")
    return [started(run=PARENT), *COMMON, *fit, *finished(4, "An **ordinary** fit.")]


def fork() -> list[AnyEvent]:
    failed = ActionResult(success=False, output="no", error="ImportError: no robust")
    fit = step(4, "run_code", made("fit", "3 x 4", "r2 = 0.9\n"), code="fit = huber(df)")
    report = ActionResult(success=True, output="written", metadata={"file": {"path": "report.md", "size": 4}})
    return [
        started(run=FORK),
        *COMMON,
        RunForked(step=2, parent=PARENT),
        *step(3, "run_code", failed, code="import robust"),
        *fit,
        *step(5, "write_file", report, filename="report.md", content="# Fit"),
        *finished(6, "A robust fit."),
    ]


def both(left: list[AnyEvent], right: list[AnyEvent]) -> Comparison:
    return compare(fold(left), fold(right))


def test_a_fork_and_its_parent_share_a_beginning_and_then_stand_side_by_side():
    found = both(parent(), fork())
    assert found.told == "Steps 1-2 are the same."
    assert [(pair.left and pair.left.number, pair.right and pair.right.number) for pair in found.pairs] == [
        (3, 3),
        (4, 4),
        (None, 5),
        (None, 6),
    ]
    assert found.variables == (Row("fit", "DataFrame 3 x 2 (step 3)", "DataFrame 3 x 4 (step 4)"),)
    assert found.files == (Row("report.md", "", "step 5"),)
    heads = {row.name: row for row in found.heads}
    assert heads["forked from"] == Row("forked from", "", f"{PARENT}, after step 2")
    assert heads["cost"] == Row("cost", "$0.0040", "$0.0040"), "what was taken over was paid for by the parent"
    assert heads["steps"] == Row("steps", "4 of 50", "6 of 50")


def test_the_same_decision_with_another_result_is_where_runs_part():
    left = [started(run=PARENT), *step(1, "run_code", printed("1\n"), code="draw()"), *finished(2)]
    right = [started(run=FORK), *step(1, "run_code", printed("2\n"), code="draw()"), *finished(2)]
    found = both(left, right)
    assert found.told == "They differ from the first step on."
    assert [(pair.same_decision, pair.same) for pair in found.pairs] == [(True, False), (True, True)]
    assert "≈" in comparison_text(found)


def test_what_differs_only_by_address_or_reason_is_the_same():
    left = [started(run=PARENT), *step(1, "run_code", printed("<f at 0x7f01>\n"), code="f"), *finished(2)]
    right = [started(run=FORK), *step(1, "run_code", printed("<f at 0x7f99>\n"), code="f"), *finished(2)]
    found = both(left, right)
    assert found.told == "Steps 1-2 are the same, and there are no others."
    assert not found.pairs


def test_other_models_settings_and_an_unknown_price_are_told():
    dear = [
        event.model_copy(update={"cost": None}) if isinstance(event, ModelReplied) else event
        for event in [started(run=FORK), *finished(1)]
    ]
    settings = {"model": "openai:gpt-4o", "max_steps": 9, "temperature": 0.2}
    dear[0] = dear[0].model_copy(update={"settings": settings})
    heads = {row.name: row[1:] for row in both([started(run=PARENT), *finished(1)], dear).heads}
    assert heads["model"] == ("scripted", "openai:gpt-4o")
    assert heads["temperature"] == ("", "0.2")
    assert heads["steps"] == ("1 of 50", "1 of 9")
    assert heads["cost"][1] == "unknown (no price for this model)"


def test_the_page_shows_both_and_nothing_in_it_is_alive():
    bad = "<script>alert(1)</script><img src=http://a onerror=x>"
    hostile = [started(run=FORK, goal=bad), *step(1, "run_code", printed(bad), code=f"print({bad!r})")]
    hostile.append(RunFinished(step=1, status="failed", reason=bad, summary=f"![{bad}](http://a/b.png) {bad}"))
    page = lxml_html.fromstring(comparison_page(both(parent(), hostile)))
    assert not list(page.iter("script", "link", "iframe"))
    assert not [picture for picture in page.iter("img") if picture.get("src") or picture.get("onerror")]
    assert bad in page.text_content()

    words = " ".join(lxml_html.fromstring(comparison_html(both(parent(), fork()))).text_content().split())
    for expected in (
        PARENT,
        FORK,
        "Steps 1-2 are the same",
        "r2 = 0.8",
        "ImportError: no robust",
        "DataFrame 3 x 4 (step 4)",
    ):
        assert expected in words, expected


def test_the_text_fits_its_screen_and_cannot_steer_it():
    shifty = [started(run=FORK, goal="\x1b[2J北京" * 30), *finished(1)]
    told = comparison_text(both(parent(), shifty), width=80)
    assert "\x1b" not in told
    assert max(len(line) for line in told.splitlines()) <= 80


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for run, events in ((PARENT, parent()), (FORK, fork())):
            record = journal.Journal.create(tmp_path, run)
            for event in events:
                record.append(event)
            record.close()

    def test_two_runs_are_compared_and_one_with_the_newest(self, capsys):
        assert cli.main(["compare", PARENT, FORK]) == 0
        told = capsys.readouterr().out
        assert "Steps 1-2 are the same." in told
        assert "huber(df)" in told
        for words in ([PARENT], [FORK], []):  # a fork alone is compared with its origin
            assert cli.main(["compare", *words]) == 0
            assert capsys.readouterr().out == told

    def test_a_page_is_written(self, tmp_path, capsys):
        assert cli.main(["compare", PARENT, FORK, "--html", "both.html"]) == 0
        assert "both.html: Steps 1-2 are the same." in capsys.readouterr().out
        assert "huber" in (tmp_path / "both.html").read_text()

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["compare", PARENT, "2027"], "there is no run '2027'"),
            (["compare", "2026", FORK], "begins several runs"),
            (["compare", FORK, FORK], f"both name run {FORK}; name two runs"),
            (["compare", PARENT, FORK, "2026"], "name the runs to compare: agentloop compare RUN RUN"),
        ],
    )
    def test_a_bad_reference_is_one_clear_line(self, words, told, capsys):
        assert cli.main(words) == 2
        error = capsys.readouterr().err
        assert told in error
        assert len(error.splitlines()) == 1


def test_a_run_is_not_compared_with_itself():
    with pytest.raises(UserError, match="name two runs"):
        both(parent(), parent())
