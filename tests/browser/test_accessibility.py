"""axe-core finds nothing serious in the panel and in what it leaves behind; everything works from the keyboard."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Page, Server
from tests.browser.sheets import made_pages
from tests.browser.test_live import LOAD, goal
from tests.wire import Wire, decision, finish

pytest.importorskip("axe_playwright_python")

SHOW = """
import asyncio
from agentloop_nb.agent.control import Control
from agentloop_nb.notebook.panel.panel_view import PanelView
from agentloop_nb.state import State
from tests.panel import story

state, view = State(), PanelView(story.GOAL, Control(), get_ipython())
view.open()
for event in story.whole()[:-1]:
    state.apply(event)
    view.show(event, state)
view.ask(5, {"content": "# Sales", "filename": "report.md"})
"""


def serious(page: Any, selector: str) -> list[str]:
    """What axe finds that keeps people out."""
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found = page.evaluate("selector => axe.run(selector)", selector)
    return [
        f"{item['id']}: {each['html'][:200]} {each.get('failureSummary', '')}"
        for item in found["violations"]
        if item["impact"] in ("serious", "critical")
        for each in item["nodes"]
    ]


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast"])
def test_axe_finds_nothing_serious(page: Page, server: Server, theme: str) -> None:
    page.open(server.notebook("axe.ipynb", SHOW, "state.apply(story.whole()[-1])\nview.close()"))
    page.wait_for_kernel()
    page.theme(theme)
    page.command("notebook:run-cell")
    expect(page.card(6)).to_have_attribute("data-state", "done")
    expect(page.card(5, "button:text('Approve the rest')")).to_be_visible()
    page.page.evaluate("() => document.querySelectorAll('.agentloop details').forEach(each => { each.open = true; })")
    page.page.wait_for_timeout(1500)
    page.page.add_style_tag(content=".agl-cards { max-height: none !important; }")
    page.picture(f"{page.front}-axe-{theme.split(' ', 1)[1]}".replace(" ", "-"), ".agentloop")
    assert serious(page.page, ".agentloop") == []
    page.command("notebook:run-all-below")
    expect(page.static("summary b")).to_have_count(6)
    page.page.evaluate(
        "() => document.querySelectorAll('.jp-OutputArea details').forEach(each => { each.open = true; })"
    )
    page.page.wait_for_timeout(500)
    page.picture(f"{page.front}-axe-static-{theme.split(' ', 1)[1]}".replace(" ", "-"), ".jp-RenderedHTML")
    assert serious(page.page, ".jp-RenderedHTML") == []
    page.theme("JupyterLab Light")


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pages that leave the notebook: the report of a run, and that of an evaluation."""
    return list(made_pages(tmp_path_factory.mktemp("pages")))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_pages_that_are_handed_out(
    browser: Any, handed_out: list[Path], scheme: Any
) -> None:
    view = browser.new_page(color_scheme=scheme, viewport={"width": 1000, "height": 900})
    for path in handed_out:
        view.goto(path.as_uri())
        view.evaluate("() => document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert serious(view, "html") == [], path.name
    view.close()


def test_a_run_is_approved_and_told_from_the_keyboard(page: Page, server: Server) -> None:
    replies = [decision("run_code", "First.", code="a = 1"), finish("ok")]
    with Wire(replies) as wire:
        page.open(server.notebook("keys.ipynb", LOAD, goal(wire, "Keyboard only", "--approve code")))
        page.run_all()
        expect(page.panel(".agl-status")).to_have_text("waiting for you")
        page.panel(".agl-stop").focus()
        reached = []
        for _ in range(12):
            page.page.keyboard.press("Tab")
            reached.append(
                page.page.evaluate("() => document.activeElement.textContent || document.activeElement.tagName")
            )
            if reached[-1] == "Approve":
                break
        assert reached[-1] == "Approve", reached
        page.page.keyboard.press("Enter")
        expect(page.static()).to_contain_text("ok")
