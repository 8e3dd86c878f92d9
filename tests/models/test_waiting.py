"""A server that says "later" is waited for by time; one that is away for a while, too; a key that cannot be is told."""

from __future__ import annotations

import asyncio
import random
import threading
import time

import pytest

from agentloop_nb._internal.backoff import backoff
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.loop import Loop
from agentloop_nb.agent.model_call import Backoff
from agentloop_nb.errors import PermanentFault, TransientFault, UserError
from agentloop_nb.events import RunStarted, WaitStarted
from agentloop_nb.models.keys import remember
from agentloop_nb.models.registry import create
from agentloop_nb.settings import resolve
from agentloop_nb.state import State
from agentloop_nb.testing import FakeWorkspace
from tests.wire import Answer, Wire, error, finish, rate_limited, reset, server_error

LOADING = error(503, "Loading model", type="unavailable_error")
LATER = {
    "loading": LOADING,
    "429": error(429, "Too many requests"),
    "429 with a time": rate_limited(0.01),
    "429 with no time left": rate_limited(0),
    "429 of a free tier": error(429, "You exceeded your current quota, please check your plan. Please retry in 0.01s."),
    "overloaded": error(529, "Overloaded", type="overloaded_error"),
    "capacity": error(503, "No capacity"),
    "bad gateway": Answer(status=502, body="<html><title>Bad Gateway</title></html>", content_type="text/html"),
    "gateway timeout": error(504, "upstream timed out"),
    "inside": Answer(status=200, body={"error": {"code": 429, "message": "slow down"}}),
    "inside in words": Answer(status=200, body={"error": "Model is loading, try again later"}),
}


class View:
    def __init__(self) -> None:
        self.waits: list[WaitStarted] = []

    def show(self, event, state) -> None: ...

    def progress(self, progress) -> None:
        if isinstance(progress, WaitStarted):
            self.waits.append(progress)


async def go(model, folder, view, **options) -> State:
    settings = resolve({"model": "m", **options}, {}, {})
    stream = Stream(State(), lambda event: None, [view])
    stream.emit(RunStarted(run="r", goal="count", context="", settings=settings.record()))
    return await Loop(stream, model, FakeWorkspace(folder), settings).run()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("agentloop_nb._internal.backoff.CHANCE.uniform", lambda low, high: 0.0)


@pytest.mark.parametrize("later", LATER)
async def test_what_says_later_spends_no_retry_and_is_shown(talk, tmp_path, quick, later):
    t, view = talk(*[LATER[later]] * 9, finish("there")), View()
    state = await go(t.model, tmp_path, view, max_retries=0)
    assert (state.status, state.summary) == ("finished", "there")
    assert len(view.waits) == 9
    assert all("127.0.0.1" in wait.reason for wait in view.waits)


@pytest.mark.parametrize("fault", [server_error(500), reset(), Answer(status=200, body={"choices": [None]})])
async def test_other_faults_are_retried_as_often_as_was_said(talk, tmp_path, quick, fault):
    t = talk(*[fault] * 4, finish())
    state = await go(t.model, tmp_path, View())
    assert state.reason.startswith("no reply from the model in 4 attempts")


async def test_waiting_in_between_does_not_give_the_retries_back(talk, tmp_path, quick):
    t = talk(server_error(500), LOADING, server_error(500), LOADING, server_error(500), LOADING, server_error(500))
    state = await go(t.model, tmp_path, View())
    assert state.reason.startswith("no reply from the model in 7 attempts")


@pytest.mark.parametrize("given", [{}, {"budget": "1"}])
async def test_a_server_that_starts_while_it_is_asked_is_waited_for(tmp_path, quick, given):
    with Wire() as wire:
        port = int(wire.base_url.rpartition(":")[2].removesuffix("/v1"))
    variables = {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1"}
    model = create(resolve({"model": "m"}, {}, variables), variables)
    late = []
    timer = threading.Timer(0.5, lambda: late.append(Wire([finish("there")], port=port).start()))
    timer.start()
    state = await go(model, tmp_path, View(), max_retries=0, **given)
    timer.join()
    late[0].close()
    await model.close()
    assert (state.status, state.summary, state.total_cost) == ("finished", "there", 0)


async def test_a_wait_can_be_stopped_at_once(talk, tmp_path):
    t, view = talk(rate_limited(250)), View()
    task = asyncio.create_task(go(t.model, tmp_path, view))
    while not view.waits:
        await asyncio.sleep(0.01)
    assert view.waits[0].seconds == 250
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 20)


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def waited(clock, fault) -> tuple[float, int]:
    """Seconds and attempts until it is given up."""
    backoff, attempts = Backoff(3), 1
    while (delay := backoff.delay(fault)) is not None:
        clock[0] += delay
        attempts += 1
    return clock[0], attempts


@pytest.mark.parametrize("patience", [60, 180, 600])
@pytest.mark.parametrize("asked", [None, 0, 1, 30])
def test_it_is_given_up_after_minutes_not_tries(clock, patience, asked):
    seconds, attempts = waited(clock, TransientFault("later", retry_after=asked, patience=patience))
    assert patience < seconds < patience + 40
    assert attempts < patience


def test_a_wait_that_is_too_long_to_be_meant_ends_the_run(clock):
    assert waited(clock, TransientFault("later", retry_after=3600, patience=600)) == (0, 1)
    assert waited(clock, TransientFault("broken")) == (pytest.approx(3.5, abs=1), 4)


@pytest.mark.parametrize(("provider", "start"), [("lmstudio", "lms server start"), ("ollama", "ollama serve")])
async def test_an_application_that_does_not_run_is_told_at_once(request_of, provider, start):
    variables = {"OLLAMA_HOST": "127.0.0.1:9"}
    address = {} if provider == "ollama" else {"base_url": "http://127.0.0.1:9/v1"}
    model = create(resolve({"model": f"{provider}:some", **address}, {}, variables), variables)
    with pytest.raises(PermanentFault, match=rf"nothing answers at http://127.0.0.1:9/v1: start it \({start}\)"):
        await model.reply(request_of(), lambda _: None)
    await model.close()


async def test_but_waited_for_when_it_was_there_before(talk, request_of):
    t = talk(finish())
    model = create(resolve({"model": "lmstudio:some", "base_url": t.wire.base_url}, {}, {}), {})
    await model.reply(request_of(), lambda _: None)
    t.wire.close()
    with pytest.raises(TransientFault) as caught:
        await model.reply(request_of(), lambda _: None)
    assert caught.value.patience == 180
    await model.close()


BAD_KEYS = {
    "sk-0123\n456789": "holds a line break",
    "sk-0123\r\n456789": "holds a line break",
    "sk-0123\u2028456789": "holds a line break",
    "sk-0123\u200b456789": "holds an invisible character",
    "\ufeffsk-0123456789": "holds an invisible character",
    "sk-0123456789\u200b": "holds an invisible character",
    "sk-0123\u00ad456789": "holds an invisible character",
    "sk-0123\x00456789": "holds an invisible character",
    "\u201csk-0123456789\u201d": "has quotation marks around it",
    "\u2018sk-0123456789\u2019": "has quotation marks around it",
    "\u00absk-0123456789\u00bb": "has quotation marks around it",
    '"sk-0123456789"': "has quotation marks around it",
    "'sk-0123456789'": "has quotation marks around it",
    "Bearer sk-0123456789": "holds a blank",
    "sk-0123\t456789": "holds a blank",
    "sk-0123\u00a0456789": "holds a blank",
    "sk\u20130123456789": "holds a character that no key has",
    "sk-0123456789…": "holds a character that no key has",
}


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_that_cannot_be_is_told_before_any_attempt(key):
    variables = {"OPENAI_API_KEY": key}
    with pytest.raises(UserError) as caught:
        create(resolve({"model": "gpt-4o-mini"}, {}, variables), variables)
    told = str(caught.value)
    assert told.startswith(f"OPENAI_API_KEY {BAD_KEYS[key]}")
    assert "0123" not in told
    assert "\n" not in told
    with pytest.raises(UserError, match="the key for OpenAI"):
        remember("openai", key)


@pytest.mark.parametrize("key", ["sk-0123456789", "  sk-0123456789\n", "AIza_0-9", "a/b+c=="])
def test_a_key_that_can_be_is_taken(key):
    variables = {"OPENAI_API_KEY": key}
    create(resolve({"model": "gpt-4o-mini"}, {}, variables), variables)


@pytest.mark.parametrize("name", ["foo:bar", "qwen3:8b", "mistral:7b-instruct", "opnai:gpt-4o", "local:x"])
def test_a_provider_that_is_none_is_told_at_once(name):
    variables = {"OPENAI_API_KEY": "sk-0123456789"}
    with pytest.raises(
        UserError, match=f"there is no provider {name.partition(':')[0]!r}: .*--base-url http://HOST/v1"
    ):
        create(resolve({"model": name}, {}, variables), variables)
    create(resolve({"model": name, "base_url": "http://127.0.0.1:9/v1"}, {}, variables), variables)


def test_a_fine_tuned_model_has_colons_of_its_own():
    variables = {"OPENAI_API_KEY": "sk-0123456789"}
    create(resolve({"model": "ft:gpt-4o-mini:me::1"}, {}, variables), variables)


@pytest.mark.parametrize(
    "name",
    ["openai:anthropic:claude", "openai:ollama:llama3", "ollama:openai:gpt-5", "anthropic:gemini:x", "vllm:ollama:x"],
)
def test_two_providers_for_one_model_are_one_line(name):
    provider, _, model = name.partition(":")
    with pytest.raises(UserError, match=f"names two providers: -m {model} or -m {provider}:MODEL"):
        create(resolve({"model": name}, {}, {"OPENAI_API_KEY": "sk-x"}), {"OPENAI_API_KEY": "sk-x"})


def test_how_long_is_waited_is_not_drawn_from_what_the_user_has_seeded() -> None:
    random.seed(7)
    before = random.getstate()
    waited = {backoff(1, 20) for _ in range(50)}
    assert len(waited) > 1
    assert all(0.375 <= each <= 0.5 for each in waited)
    assert random.getstate() == before
