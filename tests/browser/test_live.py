"""A person watches a run and acts on it, in JupyterLab and Notebook 7: real magic, real kernel, real model server."""

from __future__ import annotations

import json
import threading

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SERVES_WHILE_BUSY, Page, Server
from tests.wire import Reply, Wire, decision, finish

LOAD = "%load_ext agentloop_nb"


def goal(wire: Wire, text: str, options: str = "") -> str:
    """A cell that gives the agent a goal."""
    return f"%%agent -m scripted --base-url {wire.base_url} {options}\n{text}"


def said(**fields: object) -> str:
    """A decision as the model writes it."""
    return json.dumps(decision("run_code", **fields))


def test_cards_appear_while_the_run_goes_on_and_stay_as_the_reader_left_them(page: Page, server: Server) -> None:
    code = "import time\nfor i in range(30):\n    print('line', i)\n    time.sleep(0.1)"
    replies = [
        decision("run_code", "Look first.", code="x = 1\nprint('first', x)"),
        Reply(text=said(reasoning="Count slowly.", code=code), pace=0.15, size=8),
        decision("run_code", "One more.", code="time.sleep(2)\ny = 2"),
        finish("All **done**."),
    ]
    with Wire(replies) as wire:
        page.open(server.notebook("live.ipynb", LOAD, goal(wire, "Count to thirty")))
        page.run_all()
        expect(page.card(1)).to_have_attribute("data-state", "done")
        expect(page.card(1)).not_to_have_attribute("open", "")
        page.card(1, "summary").click()
        expect(page.card(2)).to_have_attribute("data-state", "writing")
        expect(page.card(2, ".agl-code pre")).to_contain_text("import time")
        page.picture(f"{page.front}-writing")
        expect(page.card(2)).to_have_attribute("data-state", "running")
        expect(page.card(2, ".agl-out")).to_contain_text("line 3\n")
        expect(page.card(2, ".agl-out")).not_to_contain_text("line 29")
        page.picture(f"{page.front}-running")
        expect(page.card(3)).to_be_visible()
        expect(page.card(2)).not_to_have_attribute("open", "")
        expect(page.card(1)).to_have_attribute("open", "")
        expect(page.static("summary b")).to_have_count(4)
        expect(page.static()).to_contain_text("All done.")
        expect(page.panel()).to_have_count(0)
        page.picture(f"{page.front}-finished")
    assert page.problems == []


def test_stop_cuts_a_step_short_and_run_all_ends_there(page: Page, server: Server) -> None:
    replies = [decision("run_code", code="import time\nprint('asleep', flush=True)\ntime.sleep(60)"), finish("never")]
    with Wire(replies) as wire:
        cells = (LOAD, goal(wire, "Sleep"), "print('must not run')")
        page.open(server.notebook("stop.ipynb", *cells))
        page.run_all()
        expect(page.card(1, ".agl-out")).to_contain_text("asleep")
        page.panel(".agl-stop").click()
        expect(page.static()).to_contain_text("Stopped")
        expect(page.page.locator(".jp-OutputArea-output", has_text="AgentStopped").first).to_be_visible()
        page.wait_for_kernel()
        expect(page.page.locator(".jp-OutputArea-output", has_text="must not run")).to_have_count(0)
        page.picture(f"{page.front}-stopped")
        assert len(wire.bodies) == 1, "the model is not asked again"


served = pytest.mark.skipif(not SERVES_WHILE_BUSY, reason="this ipykernel serves no messages while a cell runs")


@served
def test_a_note_reaches_the_next_decision(page: Page, server: Server) -> None:
    replies = [decision("run_code", code="import time\ntime.sleep(3)"), finish("noted")]
    with Wire(replies) as wire:
        page.open(server.notebook("note.ipynb", LOAD, goal(wire, "Wait a little")))
        page.run_all()
        expect(page.card(1)).to_have_attribute("data-state", "running")
        page.panel(".agl-tell input").fill("use a log scale, b dd x")
        page.panel(".agl-tell input").press("Enter")
        expect(page.panel(".agl-tell")).to_contain_text("before its next decision")
        expect(page.panel(".agl-sent")).to_have_text("You said: use a log scale, b dd x (not read yet)")
        expect(page.static()).to_contain_text("You said: use a log scale, b dd x")
        assert "use a log scale, b dd x" in json.dumps(wire.bodies[1]["messages"])


@served
def test_pause_holds_the_run_before_its_next_decision(page: Page, server: Server) -> None:
    with Wire([decision("run_code", code="import time\ntime.sleep(2)"), finish("resumed")]) as wire:
        page.open(server.notebook("pause.ipynb", LOAD, goal(wire, "Pause")))
        page.run_all()
        expect(page.card(1)).to_have_attribute("data-state", "running")
        page.panel("button:text('Pause')").click()
        expect(page.panel(".agl-status")).to_contain_text("paused")
        expect(page.card(1)).to_have_attribute("data-state", "done")
        page.page.wait_for_timeout(1500)
        assert len(wire.bodies) == 1
        page.panel("button:text('Continue')").click()
        expect(page.static()).to_contain_text("resumed")


@served
def test_a_person_edits_approves_and_rejects(page: Page, server: Server) -> None:
    replies = [
        decision("run_code", "Remove the file.", code="answer = 1"),
        decision("run_code", "Try harder.", code="answer = 'never'"),
        decision("run_code", "Then this.", code="other = 5"),
        decision("run_code", "And this.", code="third = 6"),
        finish("ok"),
    ]
    with Wire(replies) as wire:
        cells = (LOAD, goal(wire, "Ask me", "--approve code"), "print('answer', answer, other, third)")
        page.open(server.notebook("approve.ipynb", *cells))
        page.run_all()
        expect(page.panel(".agl-status")).to_have_text("waiting for you")
        page.picture(f"{page.front}-approval")
        asked = page.card(1, ".agl-buttons button:visible")
        page.card(1, "button:text('Edit')").click()
        page.card(1, "textarea").fill("answer = 'dropped'")
        assert asked.all_inner_texts() == ["Approve the edited step", "Cancel"]
        page.card(1, "textarea").press("Escape")
        assert asked.all_inner_texts() == ["Approve", "Edit", "Reject…", "Approve the rest"]
        page.card(1, "button:text('Reject')").click()
        assert asked.all_inner_texts() == ["Reject with this reason", "Cancel"]
        page.picture(f"{page.front}-approval-reject")
        page.card(1, "button:text('Cancel')").click()
        page.card(1, "button:text('Edit')").click()
        assert page.card(1, "textarea").input_value() == "answer = 1", "what was dropped is gone"
        page.card(1, "textarea").fill("answer = 42")
        page.picture(f"{page.front}-approval-edit")
        page.card(1, "button:text('Approve the edited step')").click()
        expect(page.card(2)).to_have_attribute("data-state", "waiting")
        page.card(2, "button:text('Reject')").click()
        page.card(2, ".agl-ask input").fill("too dangerous")
        page.card(2, "button:text('Reject with this reason')").click()
        expect(page.card(2)).to_have_attribute("data-state", "refused")
        page.card(3, "button:text('Approve the rest')").click()
        expect(page.static("summary b")).to_have_count(5)
        expect(page.page.locator(".jp-OutputArea-output", has_text="answer 42 5 6").first).to_be_visible()
    assert "too dangerous" in json.dumps(wire.bodies[2]["messages"]), "the model is told why"
    assert "answer = 42" in json.dumps(wire.bodies[1]["messages"]), "and what was run instead"
    assert page.problems == []


def test_code_can_be_copied_into_a_cell_of_ones_own(page: Page, server: Server) -> None:
    replies = [
        decision("run_code", code="import time\nmine = 1"),
        decision("run_code", code="time.sleep(4)"),
        decision("run_code", code="time.sleep(3)  # later"),
        finish("ok"),
    ]
    with Wire(replies) as wire:
        page.open(server.notebook("insert.ipynb", LOAD, goal(wire, "Make something")))
        page.run_all()
        expect(page.card(2)).to_have_attribute("data-state", "running")
        page.card(1, "summary").click()
        page.card(1, ".agl-code").hover()
        page.card(1, "button:text('Insert below')").click()
        expect(page.page.locator(".jp-CodeCell .cm-content", has_text="mine = 1")).to_have_count(1)
        if not SERVES_WHILE_BUSY:
            return
        page.page.evaluate("() => { window.theirs = window.jupyterapp; delete window.jupyterapp; }")  # as by default
        expect(page.card(3)).to_have_attribute("data-state", "running")
        page.card(3, ".agl-code").hover()
        page.card(3, "button:text('Insert below')").click()
        expect(page.card(3, ".agl-later")).to_have_text("Comes below")
        expect(page.static()).to_contain_text("ok")
        expect(page.page.locator(".jp-CodeCell .cm-content", has_text="time.sleep(3)  # later")).to_have_count(1)
        page.page.evaluate("() => { window.jupyterapp = window.theirs; }")


def test_approval_under_time_has_buttons_too_or_asks_in_the_cell(page: Page, server: Server) -> None:
    with Wire([decision("run_code", "One.", code="answer = 6 * 7"), finish("ok")]) as wire:
        cells = (LOAD, "%%time\n" + goal(wire, "Ask me", "--approve code"), "print('answer', answer)")
        page.open(server.notebook("time.ipynb", *cells))
        page.run_all()
        if SERVES_WHILE_BUSY:
            page.card(1, "button:text('Approve the rest')").click()
        else:
            page.page.locator(".jp-Stdin-input").fill("y")
            page.page.locator(".jp-Stdin-input").press("Enter")
        expect(page.page.locator(".jp-OutputArea-output", has_text="answer 42").first).to_be_visible()
        expect(page.page.locator(".jp-OutputArea-output", has_text="Wall time").first).to_be_visible()


@pytest.mark.skipif(SERVES_WHILE_BUSY, reason="this ipykernel serves the buttons")
def test_where_buttons_cannot_work_the_cell_asks(page: Page, server: Server) -> None:
    replies = [decision("run_code", "No.", code="bad = 1"), decision("run_code", "Yes.", code="good = 2"), finish("ok")]
    with Wire(replies) as wire:
        page.open(server.notebook("typed.ipynb", LOAD, goal(wire, "Ask me", "--approve code"), "print('good', good)"))
        page.run_all()
        for step, answer in enumerate(("not this one", "yes"), 1):
            asked = page.page.locator(".jp-Stdin", has_text=f"Step {step}:").locator("input")
            asked.fill(answer)
            asked.press("Enter")
        expect(page.page.locator(".jp-OutputArea-output", has_text="good 2").first).to_be_visible()
    assert "not this one" in json.dumps(wire.bodies[1]["messages"])


TOLD_OF_MORE_TIME = """
from agentloop_nb.notebook.kernel.interrupter import Interrupter
given, extend = [], Interrupter.extend
def told(step, seconds):
    given.append(seconds)
    extend(step, seconds)
Interrupter.extend = told
"""


@served
def test_a_variable_is_restored_from_its_chip_and_a_slow_step_gets_more_time(page: Page, server: Server) -> None:
    restored = threading.Event()
    waiting = "import time\nwhile not given:\n    time.sleep(0.05)\nprint('given', given)"
    replies = [
        decision("run_code", code="sales.append(99)"),
        Reply(text=said(reasoning="It takes its time.", code=waiting, timeout=120), gate=restored),
        finish("Done."),
    ]
    with Wire(replies) as wire:
        cells = (LOAD, "sales = [1, 2]" + TOLD_OF_MORE_TIME, goal(wire, "Make a plot"), "print('sales are', sales)")
        page.open(server.notebook("restore.ipynb", *cells))
        page.run_all()
        chip = page.card(1, ".agl-chip")
        expect(chip).to_have_class("agl-chip agl-changed agl-warn")
        page.card(1, "summary").click()
        chip.get_by_role("button", name="Restore sales").click()
        expect(chip).to_contain_text("restored")
        page.picture(f"{page.front}-restored")
        restored.set()
        expect(page.card(2)).to_have_attribute("data-state", "running")
        page.card(2, ".agl-extend").click()
        expect(page.static()).to_contain_text("Done.")
        expect(page.static("summary b").nth(1)).to_be_visible()
        assert "given [60]" in json.dumps(wire.bodies[-1])
        expect(page.page.locator(".jp-OutputArea-output", has_text="sales are [1, 2]").first).to_be_visible()
    assert page.problems == []


def test_a_click_on_a_figure_of_the_answer_opens_the_step_that_shows_it(page: Page, server: Server) -> None:
    replies = [decision("run_code", code="print('mean', 12_345.5)"), finish("The mean is 12,345.5 here.")]
    with Wire(replies) as wire:
        page.open(server.notebook("links.ipynb", LOAD, goal(wire, "Find the mean")))
        page.run_all()
        expect(page.page.locator("button:text-is('Copy')")).to_be_visible()  # the links work from then on
        claim = page.static("[data-answer] a")
        expect(claim).to_have_text("12,345.5")
        shown = page.static("details").first
        expect(shown).not_to_have_attribute("open", "")
        claim.click()
        expect(shown).to_have_attribute("open", "")
        expect(shown.locator("pre", has_text="mean 12345.5").last).to_be_visible()
    assert page.problems == []
