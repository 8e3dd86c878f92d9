"""What is left after a run: the answer first and once, what it rests on, files, who vouches, and a line a step."""

from __future__ import annotations

import re

import pytest
from lxml import html as lxml_html

from agentloop_nb._internal.text import capitalized
from agentloop_nb.actions import ActionResult, Finish
from agentloop_nb.decision import Decision
from agentloop_nb.events import AnyEvent, ModelCalled, ModelFailed, RunFinished
from agentloop_nb.export.evidence import exhibits
from agentloop_nb.notebook.panel.cards import card
from agentloop_nb.notebook.panel.html import advice, static_html
from agentloop_nb.notebook.panel.native_outputs import final_outputs
from agentloop_nb.state import State, fold
from tests.panel import gallery, story
from tests.panel.test_static import stripped

PICTURES = [story.png(320, height) for height in (100, 110, 120, 130, 140, 150, 160, 170)]


def ran(step: int, code: str, *outputs: dict[str, object], why: str = "Go on.") -> list[AnyEvent]:
    result = ActionResult(success=True, output="", outputs=outputs)
    return story.thought(step, story.code(code, why)) + story.acted(step, result)


def answered(step: int, summary: str, *before: list[AnyEvent]) -> State:
    finish = Decision(reasoning="done", action=Finish(summary=summary))
    told = story.thought(step, finish) + story.acted(step, ActionResult(success=True, output=summary), 0.0)
    events = [story.started(), *(event for part in before for event in part), *told]
    return fold([*events, RunFinished(step=step, status="finished", summary=summary)])


def figure(number: int) -> dict[str, object]:
    return story.shown(image_png=PICTURES[number], text_plain=f"<Figure {number}>")


def table(*numbers: str) -> dict[str, object]:
    rows = "".join(f"<tr><td>{number}</td></tr>" for number in numbers)
    return story.shown(text_html=f"<table>{rows}</table>", text_plain="\n".join(numbers))


def places(state: State) -> list[tuple[int, str]]:
    return [(each.step, each.kind) for each in exhibits(state)]


def test_the_order_is_answer_evidence_files_verdict_steps() -> None:
    words = stripped(static_html(fold(story.whole())))
    order = [
        "Finished",
        "December was the best month",
        "Figure of step 4",
        "sales.png",
        "The agent reports",
        "1. Search for retail",
    ]
    assert [words.index(part) for part in order] == sorted(words.index(part) for part in order)


def test_answer_and_figure_stand_once() -> None:
    page = static_html(fold(story.whole()))
    assert stripped(page).count("was the best month") == 1
    assert page.count(story.png()) == 1


def test_every_figure_that_answers_is_shown_not_only_the_last() -> None:
    state = answered(3, "North leads.", ran(1, "plot(1)", figure(0)), ran(2, "plot(2)", figure(1)))
    assert places(state) == [(1, "figure"), (2, "figure")]
    page = static_html(state)
    assert all(page.count(PICTURES[number]) == 1 for number in (0, 1))


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("North leads (step 1).", [(1, "figure")]),
        ("See steps 1 and 3.", [(1, "figure"), (3, "figure")]),
        ("See steps 1, 2.", [(1, "figure"), (2, "table")]),
        ("North sold 12,345 units.", [(1, "figure"), (2, "table"), (3, "figure")]),
        ("North sold 12345.0 units.", [(1, "figure"), (2, "table"), (3, "figure")]),
        ("North sold 12 units.", [(1, "figure"), (3, "figure")]),
        ("See step 99.", [(1, "figure"), (3, "figure")]),
    ],
)
def test_the_answer_decides_what_it_rests_on(summary: str, expected: list[tuple[int, str]]) -> None:
    steps = ran(1, "plot()", figure(0)), ran(2, "table", table("12345", "12")), ran(3, "plot()", figure(1))
    assert places(answered(4, summary, *steps)) == expected


def test_a_figure_drawn_again_under_its_title_replaces_the_first() -> None:
    steps = ran(1, "ax.set(title='Sales')", figure(0)), ran(2, "ax.set(title='Sales'); grid()", figure(1))
    assert places(answered(3, "North leads.", *steps)) == [(2, "figure")]
    same = ran(1, "show()", figure(0)), ran(2, "show()", figure(0))
    assert places(answered(3, "North leads.", *same)) == [(2, "figure")]


def test_without_figures_the_last_table_is_shown() -> None:
    steps = ran(1, "a", table("1")), ran(2, "b", table("2"))
    assert places(answered(3, "Two.", *steps)) == [(2, "table")]


def test_of_many_figures_the_newest_stand_with_the_answer_and_none_is_lost() -> None:
    state = answered(9, "Done.", *(ran(number + 1, f"plot({number})", figure(number)) for number in range(8)))
    assert places(state) == [(step, "figure") for step in range(3, 9)]
    page = static_html(state)
    assert all(page.count(picture) == 1 for picture in PICTURES)


def test_a_failed_step_gives_no_evidence() -> None:
    failed = story.thought(1, story.code("plot(); 1 / 0", "Try."))
    failed += story.acted(1, ActionResult(success=False, output="", error="ZeroDivisionError", outputs=(figure(0),)))
    assert places(answered(2, "Nothing.", failed)) == []


def test_steps_say_what_they_hold_and_what_they_cost() -> None:
    page = lxml_html.fromstring(static_html(fold(story.whole())))
    rows = [" ".join(row.text_content().split()) for row in page.iter("summary") if row.find(".//b") is not None]
    assert "table 1.7 s" in rows[1]
    assert "KeyError: 'Month' error 2.3 s" in rows[2]
    assert "figure" in rows[3]
    assert rows[5].startswith("✓ 🏁 6. Answer, shown above")


def test_fifty_steps_are_grouped() -> None:
    steps = [ran(number, "print(1)", figure(0) if number == 5 else story.text("1\n")) for number in range(1, 50)]
    page = lxml_html.fromstring(static_html(answered(50, "Done.", *steps)))
    groups = [each.text_content() for each in page.iter("summary") if each.find(".//b") is None]
    assert groups == ["Show 47 steps · 1 figure", "Go on from here: what to type in a cell"]
    assert sum(each.find(".//b") is not None for each in page.iter("summary")) == 50
    assert page.xpath("//details[@open]") == [], "all is folded"


@pytest.mark.parametrize(("lines", "scrolls"), [(1, False), (30, False), (31, True), (500, True)])
def test_long_outputs_scroll_in_a_box(lines: int, scrolls: bool) -> None:
    text = story.text("".join(f"row {number}\n" for number in range(lines)))
    page = static_html(answered(2, "Done.", ran(1, "print()", text)))
    assert ("max-height:27em" in page) is scrolls
    assert "row 0" in page
    assert f"row {lines - 1}" in page


@pytest.mark.parametrize(
    ("why", "shown"),
    [
        ("The column is called `region`.", "The column is called <code>region</code>."),
        ("`a` and `b`", "<code>a</code> and <code>b</code>"),
        ("one ` alone", "one ` alone"),
        ("`<b>x</b>`", "<code>&lt;b&gt;x&lt;/b&gt;</code>"),
        ("costs `$5`", "costs <code><span>$</span>5</code>"),
    ],
)
def test_back_ticks_of_a_reason_are_code(why: str, shown: str) -> None:
    assert shown in static_html(answered(2, "Done.", ran(1, "print()", why=why)))


@pytest.mark.parametrize(
    ("reason", "said", "command"),
    [
        (
            "the budget of $0.50 is spent: %agent resume --budget 1.00",
            "the budget of $0.50 is spent",
            "%agent resume --budget 1.00",
        ),
        ("all 2 steps are used: %agent resume --max-steps 22", "all 2 steps are used", "%agent resume --max-steps 22"),
        ("stopped by the user; %agent resume goes on", "stopped by the user", "%agent resume"),
        ("its kernel died: %agent resume rebuilds its variables and goes on", "its kernel died", "%agent resume"),
        (
            "the key is wrong; check OPENAI_API_KEY, or type %agent login",
            "the key is wrong; check OPENAI_API_KEY",
            "%agent login",
        ),
        ("no model 'x'; %agent models lists what it offers", "no model 'x'", "%agent models"),
        ("503 Service Unavailable", "503 Service Unavailable", ""),
        ("it is stuck; tell it: %agent resume -- YOUR WORDS", "it is stuck; tell it", "%agent resume -- YOUR WORDS"),
        ("", "", ""),
        (
            "it ended: %agent resume\n1 of 4 steps came out differently",
            "it ended\n1 of 4 steps came out differently",
            "%agent resume",
        ),
    ],
)
def test_what_to_do_is_a_line_to_copy(reason: str, said: str, command: str) -> None:
    assert advice(reason) == (said, command)


@pytest.mark.parametrize("name", ["over budget", "out of steps", "stopped", "failed", "interrupted"])
def test_an_end_says_a_thing_once(name: str) -> None:
    state = fold(event for event in gallery.STATES[name] if hasattr(event, "step") or event.kind == "run_started")
    words = stripped(static_html(state))
    said, command = advice(state.reason)
    assert words.count(capitalized(said)) == 1
    assert words.lower().count(said.lower()) == 1
    assert words.count(command) == 1 if command else "To go on" not in words


def test_a_server_that_is_down_is_told_once() -> None:
    error = "nothing answers at http://127.0.0.1:9/v1"
    tries = [(ModelCalled(step=1, attempt=n), ModelFailed(step=1, attempt=n, error=error, wait=1)) for n in range(1, 5)]
    ended = RunFinished(step=1, status="failed", reason=f"{error}; start it, or name another model")
    state = fold([story.started(), *(event for pair in tries for event in pair), ended])
    assert stripped(static_html(state)).lower().count(error) == 1
    assert card(state.steps[0], state)["quiet"] == ["No answer from the model (4 times): see above"]


@pytest.mark.parametrize(
    ("name", "linked"),
    [
        ("sales.png", True),
        ("charts/by month.svg", True),
        ("/etc/passwd.txt", False),
        ("../up.txt", False),
        ("javascript:alert(1).js", False),
        ("//evil.example/x.png", False),
        ("a&b.png", False),
        ("data:text/html,x.html", False),
    ],
)
def test_only_plain_files_of_the_folder_are_links(name: str, linked: bool) -> None:
    state = answered(1, "Done.")
    state.artifacts = (name,)
    page = lxml_html.fromstring(static_html(state))
    assert bool(page.xpath("//a")) is linked
    assert name in page.text_content()


def test_what_follows_for_readers_that_strip_html_is_hidden_where_the_sheet_is_read() -> None:
    interactive = story.shown(**{"application_vnd.plotly.v1+json": "{}", "text_plain": "Figure()"})
    state = answered(3, "North leads.", ran(1, "a", figure(0)), ran(2, "import plotly", interactive))
    first, answer, last = final_outputs(state)
    assert first["image/png"] == PICTURES[0]
    assert answer["text/markdown"] == "North leads."
    assert "application/vnd.plotly.v1+json" in last, "only its own output can show it, so nothing hides it"
    root = static_html(state, natives=True)[:200]
    assert re.findall(r"--k(\d+):", root) == ["1", "2"]
    assert "--k1:" not in static_html(state)[:200]


def test_a_run_without_an_answer_opens_where_it_ended() -> None:
    events = [story.started(), *ran(1, "print(1)", story.text("one")), *ran(2, "print(2)", story.text("two"))]
    page = lxml_html.fromstring(static_html(fold([*events, RunFinished(step=2, status="stopped", reason="stopped")])))
    (opened,) = page.xpath("//details[@open]")
    assert "two" in opened.text_content()
