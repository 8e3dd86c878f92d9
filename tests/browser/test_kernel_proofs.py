"""What a person's hands must not harm, and must be able to end: one notebook and kernel in JupyterLab, a run after
another in the same cell.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SERVES_WHILE_BUSY, Page, Server
from tests.wire import Item, Reply, Wire, decision, finish, rate_limited

SET = """source => {
  const { content } = window.jupyterapp.shell.currentWidget;
  content.activeCellIndex = 1;
  content.activeCell.model.sharedModel.setSource(source);
  window.jupyterapp.commands.execute('notebook:run-cell');
}"""


class Lab:
    """One notebook whose second cell gives goals."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.card, self.panel, self.static = page.card, page.panel, page.static

    def goal(self, wire: Wire, options: str = "") -> None:
        """Give a goal in the cell."""
        self.page.page.evaluate(SET, f"%%agent -m scripted --base-url {wire.base_url} {options}\ngo")

    def run(self, code: str) -> None:
        """Run other code in the cell."""
        self.page.page.evaluate(SET, code)
        self.page.wait_for_kernel()

    @property
    def shown(self) -> Any:
        return self.page.page.locator(".jp-OutputArea-output")


@pytest.fixture(scope="module")
def lab(server: Server, browser: Any) -> Iterator[Lab]:
    context = browser.new_context(viewport={"width": 1100, "height": 900})
    context.set_default_timeout(60_000)
    page = Page(context.new_page(), server, "lab")
    page.open(server.notebook("proofs.ipynb", "%load_ext agentloop_nb\nsales = [1, 2]", "1"))
    page.run_all()
    expect(page.page.locator(".jp-OutputArea-output", has_text="1")).to_be_visible()
    yield Lab(page)
    assert page.problems == []
    page.close()
    context.close()


def code(source: str) -> Item:
    return decision("run_code", code=source, timeout=60)


def said(text: str) -> Callable[[Lab], None]:
    return lambda lab: expect(lab.panel(".agl-status")).to_contain_text(text)


def in_it(lab: Lab) -> None:
    expect(lab.card(1, ".agl-out")).to_contain_text("in it")


def measured(lab: Lab) -> None:
    in_it(lab)
    expect(lab.card(1, ".agl-meta")).to_contain_text(re.compile(r"\d s · \d+(\.\d)? [MG]B in use"))


def written(lab: Lab) -> None:
    expect(lab.card(1)).to_have_attribute("data-state", "writing")


def asked(lab: Lab) -> None:
    expect(lab.card(1, ".agl-ask")).to_contain_text("Approve")


LONG = json.dumps(decision("run_code", reasoning="word " * 400, code="never = 1"))
PHASES: dict[str, tuple[Item, Callable[[Lab], None]]] = {
    "thinking": (Reply(text=json.dumps(finish("late")), delay=40), said("thinking")),
    "streaming": (Reply(text=LONG, pace=0.1, size=4), written),
    "retry wait": (rate_limited(40), said("retrying")),
    "sleeping code": (code("import time; print('in it', flush=True); time.sleep(40)"), measured),
    "pure Python loop": (code("print('in it', flush=True)\nwhile True: pass"), in_it),
    "await": (code("import asyncio; print('in it', flush=True); await asyncio.sleep(40)"), in_it),
    "subprocess": (code("print('in it', flush=True)\n!sleep 40"), in_it),
    "approval": (code("never = 1"), asked),
}
"""What the model answers, and how to see on the page that the phase has begun."""


@pytest.mark.parametrize("phase", PHASES)
def test_the_stop_button_ends_each_phase(lab: Lab, phase: str) -> None:
    item, begun = PHASES[phase]
    if phase == "approval" and not SERVES_WHILE_BUSY:
        pytest.skip("this ipykernel serves no buttons while a cell runs, so the cell asks")
    with Wire([item, finish("too late")]) as wire:
        lab.goal(wire, "--approve code" if phase == "approval" else "")
        while not wire.requests:
            lab.page.page.wait_for_timeout(50)
        begun(lab)
        asked = time.monotonic()
        lab.panel(".agl-stop").click()
        expect(lab.static()).to_contain_text("Stopped")
        took = time.monotonic() - asked
        expect(lab.shown.filter(has_text="AgentStopped")).to_have_count(1)
        lab.page.wait_for_kernel()
        assert len(wire.requests) == 1, "nothing was asked afterwards"
    print(f"\n{phase}: {took:.2f} s from the click to the page of the stopped run", end="")
    lab.run("print(_agent.status, 'never' in globals())")
    expect(lab.shown.filter(has_text="stopped False")).to_have_count(1)


DRAW = """
import time
import matplotlib.pyplot as plt
for n in range(8):
    plt.plot([0, 1, 2], [n, n + 1, n * 2], label=f"line {n}")
    time.sleep(0.25)
plt.title("whole")
"""
PICTURES = """
shown = [output["data"] for output in _agent.steps[0].result.outputs if output["output_type"] == "display_data"]
print([data["image/png"] for data in shown])
"""


CLICK = """() => {
  window.clicks = 0;
  window.clicker = setInterval(() => {
    const more = document.querySelector(".agentloop .agl-card[data-state='running'] .agl-extend");
    if (more) { more.click(); window.clicks += 1; }
  }, 60);
}"""


def test_a_figure_is_whole_while_somebody_clicks_all_the_time(lab: Lab) -> None:
    pictures = []
    for clicking in (False, True):
        if clicking:
            lab.page.page.evaluate(CLICK)
        with Wire([code(DRAW), finish("drawn")]) as wire:
            lab.goal(wire)
            expect(lab.panel()).to_be_visible()
            expect(lab.static()).to_contain_text("drawn")
            lab.page.wait_for_kernel()
            told = json.dumps(wire.bodies[1]["messages"])
        assert told.count("Drawn: figure") == 1, "one figure, with everything in it"
        assert "'whole'" in told
        assert "(line 0)" in told
        assert "(line 7)" in told
        lab.run(PICTURES)
        expect(lab.shown.filter(has_text="iVBOR")).to_have_count(1)
        pictures.append(lab.shown.filter(has_text="iVBOR").inner_text())
    assert lab.page.page.evaluate("() => { clearInterval(window.clicker); return window.clicks; }") >= 5, (
        "somebody clicked while it was drawn"
    )
    assert pictures[0] == pictures[1]


@pytest.mark.skipif(not SERVES_WHILE_BUSY, reason="this ipykernel serves no messages while a cell runs")
def test_the_agent_hears_that_a_variable_was_restored(lab: Lab) -> None:
    replies = [code("sales.append(99)"), Reply(text=json.dumps(code("seen = list(sales)")), delay=3), finish("Done.")]
    with Wire(replies) as wire:
        lab.goal(wire)
        chip = lab.card(1, ".agl-chip")
        expect(chip).to_contain_text("sales")
        lab.card(1, "summary").click()
        chip.get_by_role("button", name="Restore sales").click()
        expect(chip).to_contain_text("restored")
        expect(lab.static()).to_contain_text("Done.")
        lab.page.wait_for_kernel()
        assert "I have given sales back" in json.dumps(wire.bodies[2]["messages"])
    lab.run("print('seen', seen, sales)")
    expect(lab.shown.filter(has_text="seen [1, 2] [1, 2]")).to_have_count(1)


def test_a_progress_bar_grows_in_its_card(lab: Lab) -> None:
    source = "import time\nfrom tqdm.notebook import tqdm\nfor _ in tqdm(range(8), desc='work'): time.sleep(0.4)"
    with Wire([code(source), finish("counted")]) as wire:
        lab.goal(wire)
        seen = set()
        while len(seen) < 3 and (text := lab.card(1, ".agl-out").inner_text()) is not None:
            seen |= set(re.findall(r"work: +\d+%\|.+\| (\d)/8", text))
        expect(lab.static()).to_contain_text("counted")
        lab.page.wait_for_kernel()
    expect(lab.static()).to_contain_text(re.compile(r"work: 100%\|#+\| 8/8"))
