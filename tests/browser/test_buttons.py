"""Buttons on a finished view: each puts the command that can be typed into a cell below, and runs it."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import Page, Server
from tests.browser.test_cells import sources
from tests.browser.test_live import LOAD, goal
from tests.wire import Wire, decision, finish

SCRIPT = [
    decision("run_code", "Make the numbers.", code="made = [1, 2, 3]"),
    decision("run_code", "Add them up.", code="total = sum(made)\ntotal"),
    finish("The total is **6**."),
]


def bar(page: Page, inner: str = "") -> Any:
    return page.page.locator(f".agl-next {inner}")


def press(page: Page, label: str) -> None:
    bar(page, f".agl-row > button:text-is('{label}')").first.click()


def finished(page: Page, server: Server, wire: Wire, name: str, *more: str) -> None:
    page.open(server.notebook(f"{name}-{page.front}.ipynb", LOAD, goal(wire, "Add"), *more))
    page.run_all()
    expect(bar(page)).to_have_count(1)
    page.wait_for_kernel()


def test_a_button_types_its_command_and_runs_it(page: Page, server: Server) -> None:
    with Wire(SCRIPT) as wire:
        finished(page, server, wire, "buttons")
        before = sources(page)
        labels = bar(page, ".agl-row > button").all_inner_texts()
        assert labels == ["Copy", "Insert as cells", "Export", "Undo", "Fork", "Resume", "Retry"]
        page.picture(f"{page.front}-buttons")
        press(page, "Undo")
        page.picture(f"{page.front}-buttons-undo")
        expect(bar(page, "form code").first).to_contain_text("%agent undo ")
        bar(page, "form button[type=submit]").click()
        expect(page.page.locator(".jp-OutputArea-output", has_text="Steps 1 to 2 are taken back").first).to_be_visible()
        page.wait_for_kernel()
        page.picture(f"{page.front}-buttons-undone")
        after = sources(page)
        assert after[:2] == before[:2]
        assert after[2][1].startswith("%agent undo ")
        resume_and_reload(page, server, wire)
    assert page.problems == []


def resume_and_reload(page: Page, server: Server, wire: Wire) -> None:
    """Go on with a word: the run's buttons move to its new view, come back after a reload, and go with the kernel."""
    wire.script += [decision("run_code", "Double them.", code="made = [2, 4, 6]\nsum(made)"), finish("Now **12**.")]
    press(page, "Resume")
    expect(bar(page, "form button[type=submit]")).to_have_text("Resume")
    bar(page, "form button[type=submit]").click()
    expect(bar(page, "form")).to_be_visible()  # a word is missing
    bar(page, "form input").fill('double "them", why?')
    bar(page, "form input").press("Enter")
    expect(page.static("strong")).to_have_count(2)
    expect(bar(page)).to_have_count(1)
    assert sources(page)[3][1].endswith(' -- double "them", why?')
    expect(page.page.locator(".agentloop-run").nth(1).locator(".agl-next")).to_have_count(1)
    page.wait_for_kernel()
    assert any('double "them", why?' in each["content"] for each in wire.requests[-1].body["messages"])
    page.save()
    saved = saved_when(server, f"buttons-{page.front}.ipynb", "12")
    assert "widget-view" not in saved
    assert "agl-next" not in saved
    page.page.reload()
    page.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    expect(bar(page)).to_have_count(1)
    expect(page.page.locator("[data-lines]").nth(1)).to_be_hidden()
    expect(page.page.locator("[data-lines]").nth(0)).to_be_visible()
    page.picture(f"{page.front}-buttons-reloaded")
    page.page.evaluate("() => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }")
    expect(bar(page)).to_have_count(0)
    expect(page.page.locator("[data-lines]").nth(1)).to_be_visible()
    page.wait_for_kernel()


def saved_when(server: Server, name: str, word: str) -> str:
    for _ in range(100):
        saved = (server.folder / name).read_text()
        if word in saved:
            return saved
        time.sleep(0.1)
    raise AssertionError("the notebook was not saved")


def test_cells_fork_and_copy(page: Page, server: Server) -> None:
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    forked = [decision("run_code", "Otherwise.", code="total = 7\ntotal"), finish("It is 7.")]
    with Wire([*SCRIPT, *forked]) as wire:
        finished(page, server, wire, "more")
        press(page, "Copy")
        assert page.page.evaluate("() => navigator.clipboard.readText()") == "The total is **6**."
        page.page.locator(".agentloop-run summary").nth(0).click()
        page.page.locator(".agl-step button:text-is('Copy code')").click()
        assert page.page.evaluate("() => navigator.clipboard.readText()") == "made = [1, 2, 3]"
        press(page, "Insert as cells")
        expect(page.page.locator(".jp-OutputArea-output", has_text="new cells below").first).to_be_visible()
        page.wait_for_kernel()
        assert [source for kind, source in sources(page) if kind == "code"][-2:] == [
            "made = [1, 2, 3]",
            "total = sum(made)\ntotal",
        ]
        page.page.locator(".agl-step button:text-is('Fork from here')").click()
        expect(bar(page, "form input").first).to_have_value("1")
        bar(page, "form input").nth(1).fill("take seven")
        page.picture(f"{page.front}-buttons-fork")
        bar(page, "form input").nth(1).press("Enter")
        expect(bar(page)).to_have_count(2)
        expect(page.page.locator(".agentloop-run").nth(1)).to_contain_text("It is 7.")
        assert bar(page, "button:text-is('Retry')").count() == 1, "only the newest run is tried again"
        assert sources(page)[3][1].endswith("--at 1 -- take seven")
        page.picture(f"{page.front}-buttons-forked")
    assert page.problems == []
