"""The panel in every state: in light, dark and contrast, narrow, without motion, in forced colours, on paper."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Page, Server
from tests.browser.test_accessibility import serious
from tests.browser.test_live import LOAD, goal
from tests.panel.gallery import STATES
from tests.wire import Wire, error, finish, rate_limited

SHOW = "from tests.panel import gallery\nviews = await gallery.show(get_ipython())"
CLOSE = "for view in views:\n    view.close()"
lab = pytest.mark.parametrize("front", ["lab"])
STYLE = "(element, [pseudo, name]) => getComputedStyle(element, pseudo || null).getPropertyValue(name)"


def style(found: Any, name: str, pseudo: str = "") -> str:
    """A computed property of an element."""
    return str(found.evaluate(STYLE, [pseudo, name]))


def gallery(page: Page, server: Server, name: str) -> None:
    """A notebook with a panel in every state."""
    page.open(server.notebook(name, SHOW, CLOSE))
    page.wait_for_kernel()
    page.command("notebook:run-cell")
    expect(page.panel(".agl-status")).to_have_count(len(STATES))
    expect(page.panel(".agl-ask button:text('Approve the rest')")).to_be_attached()
    page.page.wait_for_timeout(500)


@lab
def test_every_state_is_told_and_axe_finds_nothing_serious(page: Page, server: Server, front: str) -> None:
    gallery(page, server, "states.ipynb")
    told = page.panel(".agl-status").all_inner_texts()
    assert told[0] == "running"
    assert told[1:2] + told[3:] == [
        "thinking",
        "writing",
        "waiting for you",
        "running",
        *("finished", "stopped", "failed", "out of budget", "out of steps", "interrupted", "finished"),
    ]
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.theme(theme)
        page.page.wait_for_timeout(300)
        for number, name in enumerate(STATES):
            page.picture(f"state-{theme[11:]}-{name}".replace(" ", "-"), f".agentloop >> nth={number}")
        assert serious(page.page, ".agentloop") == []
    page.theme("JupyterLab Light")
    page.page.set_viewport_size({"width": 420, "height": 900})
    page.page.wait_for_timeout(300)
    for number, name in enumerate(STATES):
        page.picture(f"state-narrow-{name}".replace(" ", "-"), f".agentloop >> nth={number}")
        width, room = page.panel().nth(number).evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert width <= room, f"{name}: nothing sticks out"
    page.page.set_viewport_size({"width": 1100, "height": 900})
    page.command("notebook:run-all-below")
    expect(page.static("summary b").first).to_be_attached()
    expect(page.panel()).to_have_count(0)
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.theme(theme)
        page.page.wait_for_timeout(300)
        page.picture(f"static-{theme[11:]}", ".jp-OutputArea")
        assert serious(page.page, ".jp-OutputArea") == []
    page.theme("JupyterLab Light")


@lab
def test_motion_colours_and_paper_are_as_the_reader_asks(page: Page, server: Server, front: str) -> None:
    gallery(page, server, "media.ipynb")
    thinking, stopped = page.panel().nth(1), page.panel().nth(7)
    assert style(thinking.locator(".agl-status"), "animation-name", "::before") == "agl-pulse"
    page.page.emulate_media(reduced_motion="reduce")
    for moving, pseudo in ((".agl-status", "::before"), (".agl-busy", "::after"), (".agl-bar > span", "")):
        found = page.panel(moving).first
        assert style(found, "animation-name", pseudo) == "none"
        assert style(found, "transition-duration", pseudo) == "0s"
    page.page.emulate_media(reduced_motion="no-preference", forced_colors="active")
    page.picture("forced-colours", ".agentloop >> nth=6")
    bar, filled = thinking.locator(".agl-bar").first, thinking.locator(".agl-bar > span").first
    assert style(bar, "border-top-width") == "1px"
    assert style(filled, "background-color") != style(thinking, "background-color")
    assert filled.evaluate("e => e.getBoundingClientRect().width") > 3
    assert style(thinking.locator(".agl-status"), "background-color", "::before") != style(thinking, "background-color")
    page.card(2, "summary").first.click()
    mark = page.panel().nth(6).locator(".agl-mark")
    assert style(mark, "border-inline-start-width") == "3px", "the failing line is marked without colours too"
    page.page.emulate_media(forced_colors="none", media="print")
    for buttons in (".agl-controls", ".agl-tell", ".agl-tools", ".agl-more", ".agl-ask", ".agl-extend"):
        for found in page.panel(buttons).all():
            expect(found).to_be_hidden()
    for pre in page.panel(".agl-code > pre").all():
        assert pre.evaluate("e => e.checkVisibility({contentVisibilityAuto: true}) && e.offsetHeight > 0")
    expect(stopped.locator(".agl-card[data-n='1'] .agl-out")).to_be_visible()
    page.picture("paper", ".agentloop >> nth=6")
    page.page.emulate_media(media="screen")


@lab
def test_a_rate_limit_is_counted_down(page: Page, server: Server, front: str) -> None:
    with Wire([rate_limited(5), finish("At last.")]) as wire:
        page.open(server.notebook("retry.ipynb", LOAD, goal(wire, "Be patient")))
        page.run_all()
        seen = page.page.wait_for_function(
            """() => {
                const told = document.querySelector('.agentloop .agl-status')?.textContent || '';
                const left = /^retrying in (\\d) s$/.exec(told);
                if (left) (window.seen ??= new Set()).add(Number(left[1]));
                return window.seen?.size >= 3 && [...window.seen];
            }""",
            polling=100,
        ).json_value()
        assert seen == sorted(seen, reverse=True), "it counts down"
        expect(page.panel(".agl-status")).to_have_attribute("title", re.compile("rate limited .429."))
        page.picture("retrying")
        expect(page.static()).to_contain_text("At last.")
        expect(page.static()).to_contain_text("No answer from the model:")


@lab
def test_a_run_that_cannot_go_on_says_so_in_one_line(page: Page, server: Server, front: str) -> None:
    with Wire([error(400, "the model is on holiday")] * 4) as wire:
        page.open(server.notebook("fails.ipynb", LOAD, goal(wire, "Fail"), "print('must not run')"))
        page.run_all()
        shown = page.page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea")
        expect(shown).to_contain_text("AgentFailed")
        expect(shown).to_contain_text("the model is on holiday")
        page.wait_for_kernel()
        page.picture("failed", ".jp-CodeCell >> nth=1")
        expect(shown).not_to_contain_text("Traceback")
        expect(page.page.locator(".jp-OutputArea-output", has_text="must not run")).to_have_count(0)
