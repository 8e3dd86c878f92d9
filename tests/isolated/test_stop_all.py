"""The button that stops all tries of a goal: one click stops them, two kill them."""

from __future__ import annotations

import queue
from typing import Any

import ipykernel
import pytest

from agentloop_nb.record import reading
from tests.isolated.test_best_of import Paths, way
from tests.wire import Wire, decision

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(ipykernel.version_info < (7,), reason="this ipykernel serves no messages while a cell runs"),
]

BUSY = "import time\nprint('at work', flush=True)\ntime.sleep(600)"
STUBBORN = "print('at work', flush=True)\nsum(range(10**14))"
"""One call of C that holds the interpreter's lock for days and asks for no signal."""


class Page:
    """What the page of a notebook does: runs a cell, and clicks on the button below it."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.button = ""
        self.heard: list[str] = []
        self.shown: list[dict[str, Any]] = []

    def run(self, cell: str, clicks: int, wire: Wire, requests: int) -> None:
        """Run a cell, and click when the model was asked so often and the button is there."""
        request = self.client.execute(cell, allow_stdin=True)
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=0.2)
            except queue.Empty:
                if clicks and "ready" in self.heard and len(wire.requests) >= requests:
                    self.send("stop")
                    clicks -= 1
                continue
            self.take(message)
            ended = message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
            if ended and message["parent_header"].get("msg_id") == request:
                return

    def take(self, message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "comm_open" and "Stop all tries" in content["data"]["state"].get("_esm", ""):
            self.button = content["comm_id"]
            self.send("hello")
        elif message["msg_type"] == "comm_msg" and content["comm_id"] == self.button:
            self.heard.append((content["data"].get("content") or {}).get("op", ""))
        elif message["msg_type"] in ("display_data", "update_display_data"):
            self.shown.append(content)

    def send(self, op: str) -> None:
        data = {"method": "custom", "content": {"op": op}}
        message = self.client.session.msg("comm_msg", {"comm_id": self.button, "data": data})
        self.client.shell_channel.send(message)


@pytest.mark.parametrize(("source", "clicks"), [(BUSY, 1), (STUBBORN, 2)])
def test_a_click_stops_all_tries_and_the_button_goes_away(user, source, clicks):
    page = Page(user.kernel.client)
    ways = [[decision("run_code", code=f"# path {number}\n{source}")] for number in (1, 2)]
    with Wire(Paths(*ways, way(3, "x = 1", "done", delay=600))) as wire:
        cell = f"%%agent -m scripted --base-url {wire.base_url} --best-of 3 --timeout 700 do the work"
        page.run(cell, clicks, wire, requests=4)
        assert len(wire.requests) == 4
    assert page.heard[:2] == ["ready", "stopping"]
    assert {reading.load(path).status for path in user.records} == {"stopped"}
    places = [each for each in page.shown if each["transient"].get("display_id", "").startswith("agent-stop-")]
    assert "application/vnd.jupyter.widget-view+json" in places[0]["data"]
    assert places[-1]["data"] == {"text/html": "", "text/plain": ""}
    assert user.text("print('still here')") == "still here\n"


def test_nothing_to_click_is_shown_where_nobody_is(user):
    shown: list[str] = []
    ways = [way(number, f"total = {number}", f"It is {number}") for number in (1, 2)]
    with Wire(Paths(*ways)) as wire:
        cell = f"%%agent -m scripted --base-url {wire.base_url} --best-of 2 --adopt none count"
        user.kernel.client.execute_interactive(
            cell, timeout=90, output_hook=lambda message: shown.append(str(message["content"])), allow_stdin=False
        )
    assert not any("agent-stop-" in each or "Stop all tries" in each for each in shown)
