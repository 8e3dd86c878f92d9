"""The model asks a person, in JupyterLab and Notebook 7: a card with choices, a free answer and a countdown."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SERVES_WHILE_BUSY, Page, Server
from tests.wire import Wire, decision, finish

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
        expect(page.card(1, ".agl-default")).to_contain_text("Without an answer: net (in 1")
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
