"""The outside agent as a model: what is told of who is waited for, and when nothing is told any more."""

from __future__ import annotations

import asyncio

import pytest

from agentloop_nb.notebook.serve.outside_model import OutsideModel
from agentloop_nb.protocols import Delta, Message, ModelRequest


async def test_a_run_that_was_stopped_is_not_told_who_comes_later():
    model, told = OutsideModel(), list[Delta]()
    request = ModelRequest(messages=(Message(role="user", content="go"),))
    waiting = asyncio.ensure_future(model.reply(request, told.append))
    await asyncio.sleep(0)
    model.greet("claude-code 3.1, through MCP")
    assert [each.status for each in told] == ["waiting for claude-code 3.1"]
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    model.greet("cursor 1.0, through MCP")
    assert len(told) == 1
