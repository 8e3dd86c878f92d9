"""A long run stays light: bytes a step are flat, and the page answers at 500 steps. Timings are told, never judged."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Page, Server

STEPS = 500
SHOW = f"""
import asyncio, time
from agentloop_nb._internal.process_memory import in_words, resident_bytes
from agentloop_nb.agent.control import Control
from agentloop_nb.notebook.panel.panel_view import PanelView
from agentloop_nb.state import State
from tests.panel import story

state, view = State(), PanelView(story.GOAL, Control(), get_ipython())
view.open()
await asyncio.sleep(2)
spent, held = [], [resident_bytes()]
state.apply(story.started(max_steps={STEPS}))
for number in range(1, {STEPS} + 1):
    begin = time.perf_counter()
    for event in story.load_step(number):
        state.apply(event)
        view.show(event, state)
    spent.append(time.perf_counter() - begin)
    held.append(resident_bytes())
    await asyncio.sleep(0.08)
for last in (20, 200, 500):
    took = 1000 * sum(spent[last - 20 : last]) / 20
    print(f"kernel ms a step at {{last}}: {{took:.2f}}, grown by {{in_words(held[last] - held[0])}}")
"""
OBSERVE = """() => {
  window.frames = [];
  const note = list => window.frames.push(...list.getEntries().map(frame => ({
    whole: frame.duration,
    script: frame.scripts.reduce((sum, each) => sum + each.duration, 0),
    layout: frame.startTime + frame.duration - frame.styleAndLayoutStart,
  })));
  new PerformanceObserver(note).observe({type: 'long-animation-frame'});
}"""


DONE = "n => document.querySelector(`.agl-card[data-n='${n}'][data-state='done']`)"
"""Looked at now and then: a waiting `expect` describes the whole page again and again, which would be measured too."""


@pytest.mark.parametrize("front", ["lab"])
def test_bytes_a_step_are_flat_to_500_steps(page: Page, server: Server, front: str) -> None:
    sent: Counter[int] = Counter()

    def count(payload: str | bytes) -> None:
        data = payload if isinstance(payload, bytes) else payload.encode()
        if b'"delta"' in data and (numbers := re.findall(rb'"n": ?(\d+)', data)):
            sent[max(map(int, numbers))] += len(data)

    page.page.on("websocket", lambda socket: socket.on("framereceived", count))
    page.open(server.notebook("growth.ipynb", SHOW))
    page.run_all()
    expect(page.card(2)).to_be_attached()
    page.page.evaluate(OBSERVE)
    devtools = page.page.context.new_cdp_session(page.page)
    heap = {}
    for number in (20, 200, STEPS):
        page.page.wait_for_function(DONE, arg=number, polling=250, timeout=120_000)
        devtools.send("HeapProfiler.collectGarbage")
        heap[number] = devtools.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    expect(page.page.locator(".jp-OutputArea-output", has_text="kernel ms a step at 500")).to_be_visible()
    page.picture("growth-500")
    frames = page.page.evaluate("() => window.frames")
    average = {last: sum(sent[n] for n in range(last - 18, last + 1)) / 19 for last in (20, 200, STEPS)}
    print("\nbytes a step:", {last: round(size) for last, size in average.items()})
    print("heap MB:", {number: round(size, 1) for number, size in heap.items()})
    print("frames of more than 50 ms:", len(frames))
    for part in ("whole", "script", "layout"):
        print(f"longest {part} of a frame, ms:", round(max((frame[part] for frame in frames), default=0)))
    print(page.page.locator(".jp-OutputArea-output", has_text="kernel ms a step").inner_text())
    assert average[STEPS] < 1.2 * average[20]
