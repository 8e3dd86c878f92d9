"""The steps of a run as real cells, put below by the panel's page: order, one undo, nothing else touched, they run."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SERVES_WHILE_BUSY, Page, Server
from tests.browser.test_live import LOAD, goal
from tests.wire import Wire, decision, finish

SOURCES = (
    "() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells.map((c) => [c.cell_type, c.source])"
)
ADD = "%agent cells"
CHECK = "import sys\nprint('total is', total, 'after', made)"


def sources(page: Page) -> list[Any]:
    return list(page.page.evaluate(SOURCES))


@pytest.mark.skipif(not SERVES_WHILE_BUSY, reason="messages of the page wait until the cell is done")
def test_cells_come_below_in_order_and_one_undo_takes_them_back(page: Page, server: Server) -> None:
    script = [
        decision("run_code", "Make the numbers. They are three.", code="made = [1, 2, 3]"),
        decision("run_code", "Add them up.", code="total = sum(made)\ntotal"),
        finish("The total is **6**."),
    ]
    with Wire(script) as wire:
        page.open(server.notebook(f"cells-{page.front}.ipynb", LOAD, goal(wire, "Add"), ADD, CHECK))
        before = sources(page)
        page.run_all()
        expect(page.page.locator(".jp-OutputArea-output", has_text="new cells below").first).to_be_visible()
    after = sources(page)
    assert [cell for cell in after if cell in before] == before, "no cell that was there is touched"
    added = after[3:-1]
    assert after[:3] + after[-1:] == before
    assert [kind for kind, _ in added] == ["markdown", "code", "markdown", "code"]
    assert [source for kind, source in added if kind == "code"] == ["made = [1, 2, 3]", "total = sum(made)\ntotal"]
    assert added[0][1].startswith("### 1. Make the numbers")
    page.picture(f"{page.front}-cells")
    page.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.undo()")
    assert sources(page) == before
    page.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.redo()")
    assert sources(page) == after
    assert page.problems == []
