"""Real inference: a real llama-server with a tiny random model, through the adapter and through the whole loop.

Opt-in, because the server is built from source. Nothing of it lies in the repository:

    pip install gguf numpy
    pip download --no-deps --no-binary llama-cpp-python llama-cpp-python==0.3.36
    tar xzf llama_cpp_python-*.tar.gz && cd llama_cpp_python-*/
    cmake -S vendor/llama.cpp -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \\
        -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_UI=OFF \\
        -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF -DGGML_LLAMAFILE=OFF -DGGML_OPENMP=OFF
    cmake --build build --target llama-server
    LLAMA_SERVER=build/bin/llama-server pytest -m llamacpp tests/models

For the ladder, llama-cpp-python's own server, in an environment of its own:

    python -m venv llama-env && llama-env/bin/pip install "llama-cpp-python[server]==0.3.36"
    LLAMA_CPP_PYTHON=llama-env/bin/python pytest -m llamacpp tests/models
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager

import pytest

from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.loop import Loop
from agentloop_nb.decision import parse
from agentloop_nb.errors import ContextOverflow, DecisionError
from agentloop_nb.events import RunStarted
from agentloop_nb.models.dialect import Rung, dialect_of
from agentloop_nb.models.registry import create, list_models
from agentloop_nb.settings import resolve
from agentloop_nb.state import State
from agentloop_nb.testing import FakeWorkspace

pytestmark = [pytest.mark.llamacpp, pytest.mark.timeout(600)]
CONTEXT = 16_384


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    tiny_gguf = pytest.importorskip("tests.models.tiny_gguf", reason="needs gguf and numpy", exc_type=ImportError)
    return tiny_gguf.write(tmp_path_factory.mktemp("model") / "tiny.gguf", CONTEXT)


@contextmanager
def serving(command: list[str], port: int, log):
    """Start a server and wait until it lists its model."""
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            base_url = f"http://127.0.0.1:{port}/v1"
            for _ in range(1200):
                assert process.poll() is None, log.read_text()[-2000:]
                try:
                    urllib.request.urlopen(f"{base_url}/models", timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield base_url
        finally:
            process.terminate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def llama_server(weights, tmp_path_factory):
    binary = os.environ.get("LLAMA_SERVER")
    if not binary:
        pytest.skip("needs LLAMA_SERVER, the path of a built llama-server")
    port = free_port()
    command = [
        binary,
        "-m",
        str(weights),
        "-c",
        str(CONTEXT),
        "-np",
        "1",
        "--port",
        str(port),
        "--no-warmup",
        "--jinja",
    ]
    with serving(command, port, tmp_path_factory.mktemp("log") / "server.log") as base_url:
        yield base_url


@pytest.fixture(scope="module")
def llama_cpp_python(weights, tmp_path_factory):
    python = os.environ.get("LLAMA_CPP_PYTHON")
    if not python:
        pytest.skip("needs LLAMA_CPP_PYTHON, the python of an environment with llama-cpp-python[server]")
    port = free_port()
    command = [python, "-m", "llama_cpp.server", "--model", str(weights), "--n_ctx", str(CONTEXT), "--port", str(port)]
    with serving(command, port, tmp_path_factory.mktemp("log") / "server.log") as base_url:
        yield base_url


@pytest.fixture
async def model(llama_server):
    made = create(resolve({"model": "tiny", "base_url": llama_server}, {}, {}), {})
    yield made
    await made.close()


def slots_busy(base_url: str) -> bool:
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/slots") as response:
        return any(slot["is_processing"] for slot in json.load(response))


async def test_the_grammar_makes_decisions_that_stream_and_are_counted(model, request_of):
    valid = 0
    for _ in range(10):
        deltas = []
        reply = await model.reply(request_of(max_tokens=800), deltas.append)
        assert "".join(delta.text for delta in deltas) == reply.text
        assert len(deltas) > 10
        assert reply.usage.output > 10
        assert not reply.usage.estimated
        assert reply.cost == 0
        if reply.finish_reason == "stop":
            assert json.loads(reply.text)["action"]["name"]
        try:
            parse(reply.text)
            valid += 1
        except DecisionError:
            pass
    assert valid >= 5, "an empty string now and then is all that a random model gets wrong"
    assert dialect_of(model.server.base_url, "tiny").rung is Rung.STRICT
    assert model.local


async def test_a_repeated_prompt_comes_from_the_cache(model, request_of):
    request = request_of("Rules. " * 200, "Count.", max_tokens=50)
    await model.reply(request, lambda _: None)
    usage = (await model.reply(request, lambda _: None)).usage
    assert usage.input - 2 <= usage.cached < usage.input


async def test_the_last_step_can_only_finish(model, request_of):
    for _ in range(5):
        reply = await model.reply(request_of(final=True, max_tokens=800), lambda _: None)
        if reply.finish_reason == "stop":
            assert json.loads(reply.text)["action"]["name"] == "finish"


async def test_a_length_stop_is_told(model, request_of):
    reply = await model.reply(request_of(max_tokens=15), lambda _: None)
    assert (reply.finish_reason, reply.usage.output) == ("length", 15)


async def test_an_overflow_tells_the_window(model, request_of):
    with pytest.raises(ContextOverflow) as caught:
        await model.reply(request_of("x y " * 20_000, "Count."), lambda _: None)
    assert caught.value.limit == model.context_window == CONTEXT


async def test_cancelling_frees_the_slot(model, request_of, llama_server):
    begun = asyncio.Event()
    model.extra = {"ignore_eos": True}
    asking = asyncio.create_task(model.reply(request_of(max_tokens=8000), lambda _: begun.set()))
    await begun.wait()
    assert slots_busy(llama_server)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    for _ in range(100):
        if not slots_busy(llama_server):
            break
        await asyncio.sleep(0.05)
    assert not slots_busy(llama_server)


async def test_the_models_are_listed(llama_server, weights):
    assert await list_models(resolve({"base_url": llama_server}, {}, {}), {}) == [str(weights)]


async def test_a_whole_run_ends_with_a_summary(model, tmp_path):
    settings = resolve({"model": "tiny", "max_steps": 6, "max_retries": 12}, {}, {})
    events = []
    stream = Stream(State(), events.append)
    stream.emit(RunStarted(run="r", goal="count to three", context="", settings=settings.record()))
    state = await Loop(stream, model, FakeWorkspace(tmp_path), settings).run()
    assert state.status in ("finished", "not_met", "step_limit"), state.reason
    assert state.summary
    assert 1 <= state.current_step <= 6
    assert state.usage.cached > 0, "the transcript only grows, so its prefix is cached"
    assert state.total_cost == 0


async def test_the_ladder_on_a_server_without_json_schema(llama_cpp_python, request_of):
    model = create(resolve({"model": "tiny", "base_url": llama_cpp_python}, {}, {}), {})
    for _ in range(3):
        reply = await model.reply(request_of(max_tokens=400), lambda _: None)
        if reply.finish_reason == "stop":
            assert json.loads(reply.text, strict=False)["action"]["name"]
    assert dialect_of(llama_cpp_python, "tiny").rung is Rung.OBJECT_SCHEMA
    assert reply.usage.estimated, "this server streams no usage"
    await model.close()
