"""The bill of long runs at servers that bill as Anthropic, OpenAI and OpenRouter do: what the prefix allows, not more.

What it allows: of each request, the beginning that an earlier one had is read for a tenth, and what a later one will
have, too, is written once, at the price of writing.
"""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest

from agentloop_nb.models.registry import create
from agentloop_nb.protocols import CodeOutcome
from agentloop_nb.settings import resolve
from agentloop_nb.testing import FakeWorkspace
from tests.messages_wire import MessagesWire, PromptCache, blocks_of
from tests.models.conftest import PATIENT, Talk
from tests.models.test_matrix import Run
from tests.wire import Reply, Request, Wire, decision, finish, tokens

LOUD = CodeOutcome(ending="ok", outputs=({"output_type": "stream", "name": "stdout", "text": "x y " * 256},))
KEY = "sk-ant-0123456789"
LEAST = 1024
"""Tokens below which nothing is kept."""


class OpenAIBilling(Wire):
    """Keeps prompts by itself, for nothing, in steps of 128 tokens; where a request goes depends on its cache key."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.machines: dict[str, set[str]] = {}

    def usage(self, reply: Reply, request: Request) -> dict[str, Any]:
        machine = request.body.get("prompt_cache_key") or f"some machine {len(self.requests)}"
        sizes, digests = prefixes(request.body)
        kept = self.machines.setdefault(machine, set())
        read = max((size for size, digest in zip(sizes, digests, strict=True) if digest in kept), default=0)
        kept.update(digests)
        return {
            "prompt_tokens": sizes[-1],
            "completion_tokens": tokens(reply.text),
            "prompt_tokens_details": {"cached_tokens": read // 128 * 128 if read >= LEAST else 0},
        }


class OpenRouterBilling(Wire):
    """Keeps a prompt up to its end where the request says so, at Anthropic's prices, and tells what it charged."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.cache = PromptCache()

    def usage(self, reply: Reply, request: Request) -> dict[str, Any]:
        body = json.loads(json.dumps(request.body))
        if body.get("cache_control"):
            last = body["messages"][-1]
            if isinstance(last["content"], str):
                last["content"] = [{"type": "text", "text": last["content"], "cache_control": body["cache_control"]}]
        counted = self.cache.count(body)
        read, written = counted["cache_read_input_tokens"], counted["cache_creation_input_tokens"]
        charged = 3 * counted["input_tokens"] + 0.3 * read + 3.75 * written + 15 * tokens(reply.text)
        return {
            "prompt_tokens": sum(counted.values()),
            "completion_tokens": tokens(reply.text),
            "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
            "cost": charged / 1_000_000,
        }


def prefixes(body: dict[str, Any]) -> tuple[list[int], list[str]]:
    """The size in tokens of every beginning of a request, and its digest."""
    digest, sizes, digests = hashlib.sha256(), [], []
    for text, _ in blocks_of(body):
        digest.update(text.encode())
        sizes.append((sizes[-1] if sizes else 0) + tokens(text))
        digests.append(digest.hexdigest())
    return sizes, digests


def allowed(bodies: list[dict[str, Any]], *, writing: float) -> float:
    """Tokens of input, weighted by price, that the prefixes of these requests allow."""
    seen: set[str] = set()
    told = [prefixes(body) for body in bodies]
    total = 0.0
    for at, (sizes, digests) in enumerate(told):
        read = _longest(sizes, digests, seen)
        later = _longest(sizes, digests, set(told[at + 1][1])) if at + 1 < len(told) else 0
        written = max(later - read, 0)
        total += 0.1 * read + writing * written + (sizes[-1] - read - written)
        seen.update(digests)
    return total


def _longest(sizes: list[int], digests: list[str], among: set[str]) -> int:
    found = max((size for size, digest in zip(sizes, digests, strict=True) if digest in among), default=0)
    return found if found >= LEAST else 0


SERVERS = {
    "anthropic": (MessagesWire, "anthropic:claude-sonnet-4-5", 3, 15, 1.25),
    "openai": (OpenAIBilling, "gpt-5", Decimal("1.25"), 10, 1.0),
    "openrouter": (OpenRouterBilling, "openrouter:anthropic/claude-sonnet-4.5", 3, 15, 1.25),
}


@pytest.mark.parametrize("steps", [20, 50, 100])
@pytest.mark.parametrize("server", SERVERS)
async def test_the_bill_is_what_the_prefix_allows(server, steps, tmp_path, record_property):
    kind, name, price, out, writing = SERVERS[server]
    sources = [f"do_something({index})\nprint(result)" for index in range(steps - 1)]
    script = [decision("run_code", "I take the next step of the plan.", code=source) for source in sources]
    with kind([*script, finish()]) as wire:
        given = {"OPENAI_BASE_URL": wire.base_url, "OPENAI_API_KEY": "sk-0123456789"}
        given |= {"ANTHROPIC_BASE_URL": wire.base_url, "ANTHROPIC_API_KEY": KEY}
        address = {"base_url": wire.base_url.replace("127.0.0.1", "localhost")} if server == "openrouter" else {}
        model = create(resolve({"model": name, **address}, {}, given), given)
        model.patience = PATIENT
        run = Run(Talk(wire, model), tmp_path, max_steps=steps)
        run.workspace = FakeWorkspace(tmp_path, outcomes=dict.fromkeys(sources, LOUD))
        state = await run.go()
        await model.close()
        bodies = wire.bodies
    assert len(bodies) == state.current_step == steps, state.reason
    spent = float(state.total_cost) * 1_000_000 - state.usage.output * out
    least = allowed(bodies, writing=writing) * float(price)
    record_property("bill", f"{server} {steps}: {spent / least:.3f} of what is allowed, {spent / 1e6:.4f} dollars")
    print(
        server,
        steps,
        f"{spent / least:.3f} of what is allowed; ${spent / 1e6:.4f};",
        f"without a cache ${state.usage.input * float(price) / 1e6:.4f}",
    )
    assert spent <= 1.1 * least
