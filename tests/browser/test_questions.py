"""The model asks a person, in JupyterLab and Notebook 7: a card with choices, a free answer and a countdown."""

from __future__ import annotations

import json
import re
import threading

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SERVES_WHILE_BUSY, Page, Server
from tests.wire import Reply, Wire, decision, finish

LOAD = "%load_ext agentloop_nb"
served = pytest.mark.skipif(not SERVES_WHILE_BUSY, reason="this ipykernel serves no messages while a cell runs")


def told(wire: Wire, request: int) -> str:
    return json.dumps(wire.bodies[request]["messages"][-1], ensure_ascii=False)


@served
def test_a_choice_is_clicked_words_are_typed_and_time_runs_out(page: Page, server: Server) -> None:
    prices = decision("ask_user", "Both are there.", question="Net or gross?", choices=["net", "gross"], default="net")
    years = decision("ask_user", "It is not said.", question="Which years?", default="all")
    late = decision("ask_user", "It is costly.", question="Call the service?", choices=["yes", "no"], default="no")
    with Wire([prices, years, late, finish("so be it")]) as wire:
        cell = f"%%agent -m scripted --base-url {wire.base_url} --answer-within 20\nSum the prices"
        page.open(server.notebook("question.ipynb", LOAD, cell))
        page.run_all()
        expect(page.panel(".agl-status")).to_have_text("waiting for you")
        expect(page.card(1, ".agl-question")).to_have_text("Net or gross?")
        expect(page.card(1, ".agl-default")).to_contain_text(re.compile(r"Without an answer in 1.*: net"))
        page.picture(f"{page.front}-question")
        page.card(1, "button:text('gross')").click()
        expect(page.card(2, ".agl-question")).to_have_text("Which years?")
        assert "The person answered: gross" in told(wire, 1)
        page.card(2, ".agl-answer input").fill("from 2020, b dd x")
        page.card(2, "button:text('Answer')").click()
        expect(page.card(3, ".agl-question")).to_have_text("Call the service?")
        assert "The person answered: from 2020, b dd x" in told(wire, 2)
        expect(page.static()).to_contain_text("so be it")
        assert "nobody answered within 20 s: no" in told(wire, 3)
    assert page.problems == []


@served
def test_a_plan_is_rejected_edited_and_followed(page: Page, server: Server) -> None:
    first = decision("plan", "It is simple.", lines=["Read the prices.", "Sum them."])
    second = decision("plan", "You want a check.", lines=["Read the prices.", "Sum them.", "Check the sum."])
    work = decision("run_code", "2: Add them up.", code="import time\ntime.sleep(3)\ntotal = 6")
    other = decision("plan", "There is more.", lines=["Read the prices.", "Sum them by year."])
    with Wire([first, second, work, other, finish("It is 6.")]) as wire:
        cell = f"%%agent -m scripted --base-url {wire.base_url} --plan\nSum the prices"
        page.open(server.notebook("plan.ipynb", LOAD, cell))
        page.run_all()
        expect(page.panel(".agl-status")).to_have_text("waiting for you")
        expect(page.card(0, ".agl-lines li")).to_have_text(["Read the prices.", "Sum them."])
        expect(page.card(0, ".agl-quiet")).to_contain_text("earlier runs here with scripted")
        page.picture(f"{page.front}-plan")
        page.card(0, "button:text('Reject')").click()
        page.card(0, ".agl-ask > input").fill("check it, b dd x")
        page.card(0, "button:text('Reject with this reason')").click()
        expect(page.card(0, ".agl-lines li")).to_have_count(3)
        assert "rejected this plan: check it, b dd x" in told(wire, 1)
        page.card(0, "button:text('Edit')").click()
        page.card(0, "textarea").fill("\n".join(f"{n}. line" for n in range(1, 14)))
        page.card(0, "button:text('Go with this plan')").click()
        expect(page.card(0, ".agl-complaint")).to_have_text("A plan has 1 to 12 lines.")
        page.card(0, "textarea").fill("Read the prices.\nSum them twice.")
        page.picture(f"{page.front}-plan-edit")
        page.card(0, "button:text('Go with this plan')").click()
        expect(page.panel(".agl-line")).to_have_text("Plan, line 2 of 2: Sum them twice.")
        expect(page.card(1)).to_have_attribute("data-state", "running")
        page.picture(f"{page.front}-plan-line")
        expect(page.static()).to_contain_text("Sum them by year.")
        assert "It is now:\\n1. Read the prices.\\n2. Sum them twice." in told(wire, 2)
    assert page.problems == []


def test_code_that_runs_long_is_told_to_the_model_which_waits_and_then_stops_it(page: Page, server: Server) -> None:
    code = "import time\nprint('at work', flush=True)\nwhile True:\n    time.sleep(0.1)"
    seen = threading.Event()
    replies = [
        decision("run_code", "Count.", code=code, timeout=300),
        decision("wait", "It may come.", seconds=1),
        Reply(text=json.dumps(decision("stop", "It hangs.")), gate=seen),
        *[finish("It hangs.")] * 2,  # with nothing done it is questioned once
    ]
    with Wire(replies) as wire:
        cell = f"%%agent -m scripted --base-url {wire.base_url} --long-step 1\nCount"
        page.open(server.notebook("long.ipynb", LOAD, cell))
        page.run_all()
        expect(page.card(1)).to_contain_text("the agent looked at the running code and waited 1.0 s more: It may come.")
        page.picture(f"{page.front}-long-step")
        seen.set()
        expect(page.static()).to_contain_text("the agent looked at the running code and stopped it: It hangs.")
        assert "at work" in told(wire, 1)
        assert "as you decided" in told(wire, 3)
    assert page.problems == []
