"""The whole loop against somebody else's scripted server, so that nothing is tuned to our own.

Opt-in: `npm install @copilotkit/aimock@1.43.0` anywhere, then

    AIMOCK=node_modules/@copilotkit/aimock/dist/cli.js pytest tests/models/test_aimock.py
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from decimal import Decimal

import pytest

from agentloop_nb.protocols import Usage
from tests.models.test_matrix import Run
from tests.wire import decision, finish

STEP = {"content": decision("run_code", code="print(1)")}
DONE = {"content": finish("survived")}
BODY = json.dumps(finish("x" * 300))
FAULTS = {
    "429": {
        "response": {"error": {"message": "Slow down", "type": "rate_limit_error"}, "status": 429, "retryAfter": 0}
    },
    "500": {"response": {"error": {"message": "boom", "type": "server_error"}, "status": 500}},
    "truncated": {"response": {"content": BODY}, "truncateAfterChunks": 3},
    "disconnect": {"response": {"content": BODY}, "chaos": {"disconnectRate": 1.0}},
    "malformed": {"response": {"content": BODY}, "chaos": {"malformedRate": 1.0}},
}
NO_SCHEMA = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."


def refusal(message: str, **fields) -> dict:
    return {"response": {"error": {"message": message, "type": "invalid_request_error", **fields}, "status": 400}}


@pytest.fixture
def aimock(tmp_path, talk):
    """Starts the server with a sequence of responses and a loop that talks to it."""
    program = os.environ.get("AIMOCK")
    node = shutil.which("node")
    if not program or not node:
        pytest.skip("needs node, and AIMOCK, the path of aimock's cli.js")
    processes = []

    def start(*responses, **options) -> Run:
        fixtures = [
            {
                "match": {"endpoint": "chat", "sequenceIndex": index},
                **(response if "response" in response else {"response": response}),
            }
            for index, response in enumerate(responses)
        ]
        (file := tmp_path / "fixtures.json").write_text(json.dumps({"fixtures": fixtures}))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [node, program, "-p", str(port), "-f", str(file), "--strict", "--log-level", "silent"]
        processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        _await(port)
        base_url = f"http://127.0.0.1:{port}/{options.pop('path', 'v1')}"
        claude = {"ANTHROPIC_BASE_URL": base_url, "ANTHROPIC_API_KEY": "sk-ant-0123456789"}
        name, arguments = options.pop("model", "gpt-4o-mini"), options.pop("arguments", {})
        near = {} if name.startswith("anthropic:") else {"base_url": base_url}
        t = talk(model=name, arguments={**arguments, **near}, variables=claude)
        run = Run(t, tmp_path, **options)
        run.journal = lambda: json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/__aimock/journal"))
        return run

    yield start
    for process in processes:
        process.kill()
        process.wait()


def _await(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("agentloop_nb._internal.backoff.CHANCE.uniform", lambda low, high: 0.0)


async def test_a_run_streams_and_is_metered(aimock):
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "total_tokens": 1100,
        "prompt_tokens_details": {"cached_tokens": 600},
        "completion_tokens_details": {"reasoning_tokens": 12},
    }
    run = aimock({**STEP, "usage": usage, "reasoning": "hidden"}, {**DONE, "usage": usage}, path="api/v1")
    state = await run.go()
    assert (state.status, state.summary) == ("finished", "survived")
    assert state.usage == Usage(input=2000, cached=1200, output=200, reasoning=24)
    assert state.total_cost == 2 * Decimal("0.000165")
    assert run.workspace.ran == ["print(1)"]


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_survived(aimock, fault, times):
    run = aimock(STEP, *[FAULTS[fault]] * times, DONE)
    state = await run.go()
    assert (state.status, state.summary, state.current_step) == ("finished", "survived", 2), state.reason
    assert run.waits() == [True] * times
    assert run.workspace.ran == ["print(1)"]


@pytest.mark.parametrize("fault", FAULTS.keys() - {"429"})  # which is waited for by time
async def test_a_fault_for_good_ends_with_a_reason_and_can_be_resumed(aimock, fault):
    run = aimock(STEP, *[FAULTS[fault]] * 4, DONE)
    state = await run.go()
    assert state.status == "failed"
    assert "no reply from the model in 4 attempts" in state.reason
    assert (await run.resume()).summary == "survived"


@pytest.mark.parametrize(
    "reply",
    [
        {"content": '{"reasoning": "oops'},
        {"content": '{"reasoning": "oops', "finishReason": "length"},
        {"content": "No."},
    ],
)
async def test_a_malformed_decision_is_repaired(aimock, reply):
    run = aimock(STEP, reply, reply, reply, DONE)
    state = await run.go()
    assert (state.status, state.summary) == ("finished", "survived")


async def test_the_ladder_steps_down(aimock):
    run = aimock(refusal(NO_SCHEMA), refusal(NO_SCHEMA), DONE)
    assert (await run.go()).summary == "survived"
    asked = [entry["body"]["response_format"]["type"] for entry in run.journal() if entry["body"]]
    assert asked == ["json_schema", "json_schema", "json_object"]


async def test_an_overflow_is_compacted(aimock):
    steps = [{"content": decision("run_code", code=f"print({n})")} for n in range(12)]
    overflow = refusal("This model's maximum context length is 8192 tokens.", code="context_length_exceeded")
    run = aimock(*steps, overflow, DONE)
    assert (await run.go()).summary == "survived"
    assert "transcript_compacted" in [event.kind for event in run.events]


async def test_no_credit_ends_at_once_and_says_what_to_do(aimock):
    response = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}, "status": 429}
    state = await aimock({"response": response}).go()
    assert state.status == "failed"
    assert "no credit left" in state.reason


CLAUDE = "anthropic:claude-sonnet-4-5"
CALL = {"toolCalls": [{"name": "decide", "arguments": decision("run_code", code="print(1)")}]}
END = {"toolCalls": [{"name": "decide", "arguments": finish("survived")}]}


@pytest.mark.parametrize(("step", "done"), [(CALL, END), (STEP, DONE)])
async def test_claude_decides_by_a_call_or_in_words(aimock, step, done):
    run = aimock(step, done, model=CLAUDE)
    state = await run.go()
    assert (state.status, state.summary) == ("finished", "survived"), state.reason
    assert run.workspace.ran == ["print(1)"]
    assert not any(entry["path"] != "/v1/messages" for entry in run.journal())


async def test_claude_thinks_and_is_metered(aimock):
    usage = {"input_tokens": 1000, "output_tokens": 100, "cache_read_input_tokens": 600}
    thinking = {**STEP, "reasoning": "Let me think.", "usage": usage}
    run = aimock(thinking, {**DONE, "usage": usage}, model=CLAUDE, arguments={"effort": "low"})
    state = await run.go()
    assert (state.status, state.steps[0].thoughts) == ("finished", "Let me think."), state.reason
    assert state.usage.cached in (1200, 0), "which not every version tells"
    assert state.usage.output == 200


@pytest.mark.parametrize("fault", FAULTS)
async def test_claude_survives_a_fault(aimock, fault):
    run = aimock(CALL, FAULTS[fault], END, model=CLAUDE)
    state = await run.go()
    assert (state.status, state.current_step) == ("finished", 2), state.reason
    assert run.waits() == [True]


async def test_a_model_of_the_responses_api_alone(aimock):
    only = refusal("This model is only supported in v1/responses and not in v1/chat/completions.")
    run = aimock(only, STEP, DONE, model="gpt-5-codex")
    state = await run.go()
    assert (state.status, state.summary) == ("finished", "survived"), state.reason
    paths = [entry["path"] for entry in run.journal()]
    assert paths.count("/v1/responses") == 2


async def test_a_server_that_has_tools_alone(aimock):
    run = aimock(*[refusal(NO_SCHEMA)] * 4, CALL, END)
    state = await run.go()
    assert (state.status, state.summary) == ("finished", "survived"), state.reason
