"""Hostile text in a real page: live, left behind, converted. No script runs, nothing is fetched, the layout holds."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from playwright.sync_api import expect

from agentloop_nb.events import ActionFinished, AnyEvent
from agentloop_nb.export import export
from tests.browser.conftest import Page, Server
from tests.panel.hostile import CORPUS, MARK, everywhere

SHOW = """
import asyncio
from agentloop_nb.agent.control import Control
from agentloop_nb.notebook.panel.panel_view import PanelView
from agentloop_nb.state import State
from tests.panel.hostile import CORPUS, everywhere

views = []
for nasty in CORPUS:
    state = State()
    view = PanelView(nasty, Control(), get_ipython())
    view.open()
    views.append(view)
    for event in everywhere(nasty)[:-1]:
        state.apply(event)
        view.show(event, state)
    await asyncio.sleep(0.1)
"""
HARMLESS = ("stream",)
"""Outputs that an export shows as text; what code displays as HTML is the code's own, as in any notebook."""
OPEN_ALL = "() => document.querySelectorAll('.jp-OutputArea details').forEach(each => { each.open = true; })"


def watch(page: Any) -> list[str]:
    """Addresses elsewhere that the page asks for from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "invalid" in request.url else None)
    return asked


def texts_only(event: AnyEvent) -> AnyEvent:
    """The event without what its code displayed."""
    if not isinstance(event, ActionFinished):
        return event
    kept = tuple(output for output in event.result.outputs if output["output_type"] in HARMLESS)
    return event.model_copy(update={"result": event.result.model_copy(update={"outputs": kept})})


@pytest.mark.parametrize("front", ["lab"])
def test_hostile_text_stays_text_in_exports(page: Page, server: Server, front: str) -> None:
    asked = watch(page.page)
    events: list[AnyEvent] = []
    for nasty in (text for text in CORPUS if "<" in text or "](" in text):
        events = list(map(texts_only, everywhere(nasty)))
        export(events, server.folder / "hostile.html")
        page.page.goto((server.folder / "hostile.html").as_uri())
        assert page.page.evaluate(f"() => window.{MARK}") is None, nasty[:100]
        assert page.page.locator("[onload], [onerror], [ontoggle], [onfocus], [formaction]").count() == 0
    assert asked == []
    assert page.problems == []
    export(events, server.folder / "hostile.ipynb")
    page.open("hostile.ipynb")
    expect(page.page.locator(".jp-RenderedMarkdown", has_text="</script>").first).to_be_visible()
    assert page.page.evaluate(f"() => window.{MARK}") is None


def test_hostile_text_stays_text_in_every_front_end(page: Page, server: Server) -> None:
    asked = watch(page.page)
    name = f"hostile-{page.front}.ipynb"
    page.open(server.notebook(name, SHOW, "for view in views:\n    view.close()"))
    page.wait_for_kernel()
    page.command("notebook:run-cell")
    page.page.wait_for_function(
        "n => document.querySelectorAll('.agentloop').length === n", arg=len(CORPUS), timeout=90_000
    )
    expect(page.panel(".agl-card[data-n='5'][data-state='done']")).to_have_count(len(CORPUS))
    page.page.evaluate(OPEN_ALL)
    page.page.wait_for_timeout(1000)
    assert page.page.evaluate(f"() => window.{MARK}") is None
    wide = "() => [...document.querySelectorAll('.agentloop')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
    assert page.page.evaluate(wide) == 0, "nothing sticks out of a panel"
    page.picture(f"{page.front}-hostile")

    page.command("notebook:run-all-below")
    expect(page.static("summary b").nth(5 * len(CORPUS) - 1)).to_be_attached(timeout=90_000)
    page.page.evaluate(OPEN_ALL)
    page.page.wait_for_timeout(1000)
    assert page.page.evaluate(f"() => window.{MARK}") is None
    page.picture(f"{page.front}-hostile-static")
    page.command("docmanager:save")
    page.page.wait_for_timeout(1500)

    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--output", "hostile.html", str(server.folder / name)]
    subprocess.run(command, check=True, capture_output=True)
    page.page.goto((server.folder / "hostile.html").as_uri())
    page.page.evaluate("() => document.querySelectorAll('details').forEach(each => { each.open = true; })")
    page.page.wait_for_timeout(1000)
    assert page.page.evaluate(f"() => window.{MARK}") is None
    assert asked == []
    assert page.problems == []
    page.open(name)
