"""The scripted server itself speaks the wire: seen through the official SDK and through plain HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import openai
import pytest

from tests.wire import Reply, Wire, decision, finish, rate_limited, server_error


def ask(client, **options):
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], **options)


@pytest.fixture
def serve():
    servers = []

    def start(*script, **options):
        servers.append(Wire(script, **options).start())
        client = openai.OpenAI(base_url=servers[-1].base_url, api_key="k", max_retries=0)
        return servers[-1], client

    yield start
    for server in servers:
        server.close()


def test_a_reply_streams_and_reports_its_usage(serve):
    wire, client = serve(decision("run_code", code="print('é')"))
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert json.loads(text)["action"] == {"name": "run_code", "code": "print('é')"}
    assert len(chunks) > 3
    assert chunks[-1].usage.completion_tokens == (len(text) + 3) // 4
    assert wire.usages == [chunks[-1].usage.model_dump(exclude_none=True)]
    assert wire.requests[0].headers["authorization"] == "Bearer k"


def test_a_reply_comes_whole_when_no_stream_is_asked_for(serve):
    _, client = serve(finish("all done"))
    answer = ask(client)
    assert json.loads(answer.choices[0].message.content)["action"]["summary"] == "all done"
    assert answer.usage.prompt_tokens > 0


def test_faults_are_what_the_sdk_calls_them(serve):
    _, client = serve(rate_limited(2), server_error(), Reply(text="x" * 100, ending="cut"))
    with pytest.raises(openai.RateLimitError) as limited:
        ask(client)
    assert limited.value.response.headers["retry-after"] == "2"
    with pytest.raises(openai.InternalServerError):
        ask(client)
    with pytest.raises(Exception, match=r"peer closed connection|Connection error"):  # 1.x: not wrapped
        list(ask(client, stream=True))


def test_a_used_up_script_says_so(serve):
    _, client = serve()
    with pytest.raises(openai.BadRequestError, match="used up"):
        ask(client)


def test_it_serves_as_a_process(tmp_path):
    script = tmp_path / "script.json"
    script.write_text(json.dumps([finish("from a process")]))
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.wire", str(script)]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        base_url = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{base_url}/models") as response:
            assert json.load(response)["data"][0]["id"] == "scripted"
        process.stdin.close()
        assert process.wait(10) == 0
