"""Models over a real server on loopback; nothing learned of a server survives a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from agentloop_nb.models import dialect, keys, messages_dialect
from agentloop_nb.models.openai_compatible import OpenAICompatible
from agentloop_nb.models.registry import create
from agentloop_nb.models.streamed_model import Patience
from agentloop_nb.protocols import Delta, Message, ModelReply, ModelRequest
from agentloop_nb.settings import resolve
from tests.wire import Reply, Wire

PATIENT = Patience(connect=30, first=60, stall=60, last=60, total=120)
IMPATIENT = Patience(connect=30, first=0.8, stall=1, last=0.5, total=60)
"""For scripts with a silence in them, which somebody has to wait out."""


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setattr(dialect, "_KNOWN", {})
    monkeypatch.setattr(messages_dialect, "_KNOWN", {})
    monkeypatch.setattr(keys, "_remembered", {})


@pytest.fixture
def request_of() -> Callable[..., ModelRequest]:
    """Makes a request from texts, the first of them the system's."""

    def make(*texts: str, **options) -> ModelRequest:
        roles = ["system", *("user", "assistant") * len(texts)]
        messages = [
            Message(role=role, content=text)
            for role, text in zip(roles, texts or ("Answer in JSON.", "Count."), strict=False)
        ]
        return ModelRequest(messages=tuple(messages), **options)

    return make


class Talk:
    """A model, its server, and what a reader saw of it."""

    def __init__(self, wire: Wire, model: OpenAICompatible) -> None:
        self.wire = wire
        self.model = model
        self.deltas: list[Delta] = []

    async def ask(self, request: ModelRequest) -> ModelReply:
        return await self.model.reply(request, self.deltas.append)


@pytest.fixture
async def talk() -> AsyncIterator[Callable[..., Talk]]:
    """Starts a server with a script and a model that talks to it; `model`, `key` and `variables` may be given."""
    talks: list[Talk] = []

    def start(*script, model="scripted", key=None, variables=None, arguments=None, wire=None, **options) -> Talk:
        server = wire or Wire(script, key=key, **options).start()
        given = {"OPENAI_BASE_URL": server.base_url} | ({"OPENAI_API_KEY": key} if key else {}) | (variables or {})
        made = create(resolve({"model": model, **(arguments or {})}, {}, given), given)
        silent = any(isinstance(item, Reply) and item.ending == "hang" for item in script)
        getattr(made, "model", made).patience = IMPATIENT if silent else PATIENT
        talks.append(Talk(server, made))
        return talks[-1]

    yield start
    for each in talks:
        await each.model.close()
        each.wire.close()
