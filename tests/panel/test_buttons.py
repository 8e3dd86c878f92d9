"""What can be done with a finished run: each line is a command, and buttons follow the newest view of a run."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import html as lxml_html

from agentloop_nb.command_table import BY_NAME
from agentloop_nb.notebook.panel.buttons import MOST, Buttons
from agentloop_nb.notebook.panel.html import static_html
from agentloop_nb.notebook.panel.next_commands import next_commands
from agentloop_nb.settings.options import parse_words
from agentloop_nb.state import State, fold
from tests.panel import gallery, story

ENDED = ["finished", "stopped", "failed", "over budget", "out of steps", "interrupted"]


def ended(name: str) -> State:
    return fold(event for event in gallery.STATES[name] if hasattr(event, "step") or event.kind == "run_started")


def views(buttons: Buttons) -> dict[str, list[str]]:
    return {view["place"]: [each["label"] for each in view["commands"]] for view in buttons._shown().views}


def of(run: str) -> State:
    state = fold(story.whole())
    state.run = run
    return state


@pytest.mark.parametrize("name", ENDED)
def test_each_line_is_a_command_with_options_that_it_takes(name: str) -> None:
    for each in next_commands(ended(name)):
        magic, command, *words = each.line.split(" ")
        assert magic == "%agent"
        parse_words(" ".join(words), BY_NAME[command].options_in("notebook"))


@pytest.mark.parametrize(
    ("name", "flag", "value"), [("over budget", "--budget", ""), ("out of steps", "--max-steps", "32")]
)
def test_resume_names_the_amount_that_lets_it_go_on(name: str, flag: str, value: str) -> None:
    (resume,) = [each for each in next_commands(ended(name)) if each.label == "Resume"]
    assert resume.fields[0].flag == flag
    assert resume.fields[0].value.startswith(value)
    assert float(resume.fields[0].value) > 0


def test_the_view_holds_the_lines_but_none_that_is_about_another_run() -> None:
    page = lxml_html.fromstring(static_html(fold(story.whole())))
    (lines,) = page.xpath("./div[@data-lines]")
    typed = [code.text for code in lines.iter("code")]
    assert [line.split(" ")[1] for line in typed] == ["cells", "export", "undo", "fork", "resume"]
    assert not static_html(fold(story.whole()), typed=False).count("data-lines")


def test_a_run_has_its_buttons_on_its_newest_view_only() -> None:
    buttons = Buttons()
    buttons.put(of("one"), "first")
    buttons.begin("two")
    assert "Retry" not in views(buttons)["first"]
    buttons.put(of("two"), "second")
    assert "Retry" in views(buttons)["second"]
    buttons.begin("one")
    assert list(views(buttons)) == ["second"]
    buttons.put(of("one"), "third")
    assert list(views(buttons)) == ["second", "third"]


def test_the_newest_twenty_views_have_buttons() -> None:
    buttons = Buttons()
    for number in range(MOST + 3):
        buttons.put(of(f"run-{number}"), f"place-{number}")
    assert list(views(buttons)) == [f"place-{number}" for number in range(3, MOST + 3)]


def test_where_no_widget_can_be_made_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise OSError("the comm is closed")

    monkeypatch.setattr("agentloop_nb.notebook.panel.buttons._widget", broken)
    Buttons().put(of("one"), "first")
