"""A person watches an outside agent work in their notebook, and decides: the panel of a served kernel."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from playwright.sync_api import expect

from tests.browser.conftest import SERVES_WHILE_BUSY, Page, Server

pytestmark = pytest.mark.skipif(not SERVES_WHILE_BUSY, reason="serving needs ipykernel 7")

SLOW = "import time\nfor i in range(40):\n    print('part', i)\n    time.sleep(0.1)"


class Agent:
    """An outside agent on a thread of its own: its calls go on while the test looks at the page."""

    def __init__(self, server: Server) -> None:
        environment = os.environ | {"JUPYTER_RUNTIME_DIR": str(server.folder / ".home" / "runtime")}
        arguments = ["-m", "agentloop_nb", "mcp", "--kernel", "watched"]
        self._bridge = StdioServerParameters(command=sys.executable, args=arguments, env=environment)
        self._thread = ThreadPoolExecutor(1)

    def run(self, *codes: str) -> Future[list[Any]]:
        return self._thread.submit(lambda: asyncio.run(self._run(codes)))

    async def _run(self, codes: tuple[str, ...]) -> list[Any]:
        async with self._connected() as client:
            return [await client.call_tool("run_code", {"code": code, "why": "To see it."}) for code in codes]

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        async with Client(self._bridge) as client:
            yield client


@pytest.mark.parametrize("front", ["lab", "notebook"], indirect=True)
def test_a_person_approves_rejects_tells_and_stops_while_no_cell_runs(page: Page, server: Server) -> None:
    page.open(server.notebook("served.ipynb", "%load_ext agentloop_nb", "%agent serve --name watched", "mine = 1"))
    page.run_all()
    expect(page.panel()).to_be_visible()
    expect(page.page.locator(".jp-OutputArea-output", has_text="Served as 'watched'")).to_be_visible()
    page.wait_for_kernel()
    status = page.panel(".agl-status")
    expect(status).to_have_text("waiting for an agent to connect")
    agent = Agent(server)
    answers = agent.run("made = mine + 1", "mine = 0", SLOW)
    page.card(1, "button:text-is('Approve')").click()
    expect(page.card(1)).to_have_attribute("data-state", "done")
    page.panel(".agl-tell input").fill("leave mine alone")
    page.panel(".agl-tell input").press("Enter")
    page.picture("served-asked", ".jp-Notebook")
    page.card(2, "button:text-is('Reject…')").click()
    page.card(2, ".agl-ask input").fill("it is mine")
    page.card(2, "button:text-is('Reject with this reason')").click()
    page.card(3, "button:text-is('Approve the rest')").click()
    expect(page.card(3, ".agl-out")).to_contain_text("part 3")
    page.picture("served-running", ".jp-Notebook")
    first, second, third = answers.result(60)
    assert first.structured_content["changes"] == ["added made: int"]
    assert "it was refused: it is mine" in second.content[0].text
    assert "The person says: leave mine alone" in second.content[0].text
    assert not third.is_error
    expect(status).to_contain_text("waiting for")
    expect(page.panel(".agl-meters")).to_contain_text("not metered here")
    sleeping = agent.run("time.sleep(60)")
    expect(page.card(4)).to_have_attribute("data-state", "running")
    page.panel(".agl-stop").click()
    assert "The run is over: stopped by the user" in sleeping.result(60)[0].content[0].text
    expect(page.static()).to_contain_text("stopped")
    page.picture("served-stopped", ".jp-Notebook")
    assert page.problems == []
