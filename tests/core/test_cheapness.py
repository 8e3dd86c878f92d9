"""What a run makes the provider read: linear in its steps, with every output whole for the first dozen."""

from __future__ import annotations

import pytest

from agentloop_nb.agent.compaction import FREE_GROWTH, GROWTH, worth_resending
from agentloop_nb.protocols import CodeOutcome, ModelRequest, Usage
from agentloop_nb.testing import ScriptedModel, code, finish

CACHED_FROM = 4096
"""Characters a prefix must have before a provider keeps it."""
LOUD = CodeOutcome(ending="ok", outputs=({"output_type": "stream", "name": "stdout", "text": "x" * 1024},))


def billed(requests: list[ModelRequest]) -> float:
    """Characters of all requests: 1 for an uncached one, 0.1 for one inside a prefix shared with the request before."""
    total, before = 0.0, ""
    for request in requests:
        text = "".join(f"{message.role}: {message.content}\n" for message in request.messages)
        shared = next((at for at, (new, old) in enumerate(zip(text, before, strict=False)) if new != old), len(before))
        shared = shared if shared >= CACHED_FROM else 0
        total += len(text) - 0.9 * shared
        before = text
    return total


@pytest.mark.parametrize(("steps", "most"), [(20, 66_000), (50, 180_000), (100, 400_000), (200, 870_000)])
async def test_what_is_billed_grows_linearly_with_the_steps(scenario, steps, most):
    sources = [f"do_something({index})\nprint(result)" for index in range(steps - 1)]
    decisions = [code(source, reasoning="I take the next step of the plan now.") for source in sources]
    s = scenario([*decisions, finish()], outcomes=dict.fromkeys(sources, LOUD), prices=("1", "1"), max_steps=steps + 1)
    await s.run()
    assert billed(s.model.requests) <= most
    dozen = s.model.requests[12].messages
    assert sum("x" * 1024 in message.content for message in dozen) == 12, "the first dozen outputs are told whole"


@pytest.mark.parametrize(
    ("prices", "cached", "growth"),
    [
        (("1", "1"), 0.1, GROWTH),
        (("1", "1"), 0.5, GROWTH),
        (("1", "1"), 0.025, 2 * GROWTH),
        (("0", "0"), 0, FREE_GROWTH),
    ],
)
def test_the_cheaper_a_cached_token_the_more_may_gather(prices, cached, growth, monkeypatch):
    model = ScriptedModel([], prices=prices)
    plain = model.quote

    def quote(usage: Usage):
        return plain(Usage(input=usage.input)) * (1 if not usage.cached else type(plain(usage))(str(cached)))

    monkeypatch.setattr(model, "quote", quote)
    assert worth_resending(model) == pytest.approx(growth)


def test_without_a_price_a_dozen_outputs_gather():
    assert worth_resending(ScriptedModel([], prices=None)) == GROWTH
