"""A front end that does not wait for replies: it sends a cell as soon as the last one is idle."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import PYTHONS, Kernel

pytestmark = pytest.mark.kernel

LATE = """
import time
manager = getattr(getattr(get_ipython().kernel, "shell_channel_thread", None), "manager", None)
def late(message, send=manager and manager._send_on_shell_channel):
    time.sleep(0.3)
    send(message)
if manager:
    manager._main_to_shell_channel.to_stream._recv_callback = late
"""
"""Replies take their time on the thread that reads the requests, so each next cell comes while one is sent."""


@pytest.mark.parametrize("python", PYTHONS)
def test_a_cell_that_comes_while_a_reply_is_sent_is_run(python, tmp_path):
    kernel = Kernel(python, tmp_path)
    try:
        kernel.run("%load_ext agentloop_nb")
        kernel.run(LATE)
        for _ in range(4):
            until_idle(kernel, kernel.send("1"))
    finally:
        kernel.close()


def until_idle(kernel, request):
    """Hear of the cell's end on the channel of outputs alone; `queue.Empty` if it never comes."""
    state = ""
    while state != "idle":
        message = kernel.client.get_iopub_msg(timeout=20)
        if message["parent_header"].get("msg_id") == request:
            state = message["content"].get("execution_state", "")
