"""Ollama says in a list of its own how much of a prompt it reads; the rest it would drop in silence."""

from __future__ import annotations

import pytest

from agentloop_nb.errors import ContextOverflow
from agentloop_nb.models.registry import create
from agentloop_nb.settings import resolve
from tests.models.conftest import Talk
from tests.wire import Wire, finish

LOADED = {"models": [{"name": "other:latest"}, {"name": "qwen3:latest", "context_length": 4096}]}


@pytest.fixture
async def ollama():
    talks = []

    def start(*script, model="ollama:qwen3", **options) -> Talk:
        wire = Wire(script, **options).start()
        variables = {"OLLAMA_HOST": wire.base_url.removesuffix("/v1")}
        talks.append(Talk(wire, create(resolve({"model": model}, {}, variables), variables)))
        return talks[-1]

    yield start
    for talk in talks:
        await talk.model.close()
        talk.wire.close()


async def test_a_prompt_that_would_be_cut_is_refused_once_the_window_is_known(ollama, request_of):
    t = ollama(finish(), finish(), pages={"/api/ps": LOADED})
    await t.ask(request_of("Rules. " * 1000, "Goal."))
    assert t.model.context_window == 4096
    await t.ask(request_of("Rules. " * 1000, "Goal."))
    with pytest.raises(ContextOverflow, match="reads only 4096 tokens of it; give it more: OLLAMA_CONTEXT_LENGTH") as e:
        await t.ask(request_of("Rules. " * 5000, "Goal."))
    assert (e.value.limit, e.value.billed) == (4096, False)
    assert len(t.wire.requests) == 2
    assert t.wire.gets == ["/api/ps"]


@pytest.mark.parametrize("pages", [{}, {"/api/ps": {"models": []}}, {"/api/ps": [1]}, {"/api/ps": {"models": None}}])
async def test_a_server_that_does_not_tell_is_trusted(ollama, request_of, pages):
    t = ollama(finish(), finish(), pages=pages)
    await t.ask(request_of())
    await t.ask(request_of("Rules. " * 5000, "Goal."))
    assert t.model.context_window is None
    assert t.model.local
