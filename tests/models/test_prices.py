"""Prices in the contract's order, and nothing unknown is ever free."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from agentloop_nb.errors import UserError
from agentloop_nb.models.prices import Pricing, read_price
from agentloop_nb.models.registry import create, pricing
from agentloop_nb.models.usage import estimate, read_cost, read_usage
from agentloop_nb.protocols import Message, Usage
from agentloop_nb.protocols.tokens import tokens_in
from agentloop_nb.settings import resolve

LOOPBACK = "http://127.0.0.1:1234/v1"
USAGE = Usage(input=1000, cached=600, output=100)


@pytest.mark.parametrize(
    ("model", "base_url", "price", "dollars"),
    [
        ("gpt-4o-mini", "https://api.openai.com/v1", None, "0.000165"),
        ("gpt-4o-mini", "https://api.openai.com/v1", "1,2", "0.0012"),
        ("gpt-4o-mini", "https://api.openai.com/v1", "1,2,0.5", "0.0009"),
        ("openai/gpt-4o-mini", "https://openrouter.ai/api/v1", None, "0.000165"),
        ("claude-sonnet-4-5", "https://api.anthropic.com/v1", None, "0.00288"),
        ("gemini-2.5-pro", "https://generativelanguage.googleapis.com/v1beta/openai", None, "0.001575"),
        ("gpt-4o-mini", LOOPBACK, None, "0.000165"),
        ("gpt-4o-mini-2024-07-18", "http://localhost:1/v1", None, "0.000165"),
        ("gpt-4o-mini-of-mine", LOOPBACK, None, "0"),
        ("llama-3.2-3b-instruct", LOOPBACK, None, "0"),
        ("llama-3.2-3b-instruct", "http://[::1]:8080/v1", None, "0"),
        ("my-model", "https://models.example.org/v1", None, None),
        ("my-model", "http://192.168.1.7:8000/v1", None, None),
        ("gpt-4o-mini", "https://models.example.org/v1", None, "0.000165"),
    ],
)
def test_the_first_source_that_knows_answers(model, base_url, price, dollars):
    assert Pricing(model, base_url, price).quote(USAGE) == (dollars and Decimal(dollars))


@pytest.mark.parametrize("name", ["ollama:gpt-4o-mini", "lmstudio:x", "vllm:Qwen/Qwen3"])
def test_local_providers_are_free_unless_the_user_says_otherwise(name):
    assert pricing(name, resolve({}, {}, {}), {}).quote(USAGE) == 0
    assert pricing(name, resolve({"price": "1,2"}, {}, {}), {}).quote(USAGE) == Decimal("0.0012")


def test_local_means_free_and_on_this_machine():
    def local(model, base_url):
        return create(resolve({"model": model, "base_url": base_url}, {}, {}), {}).local

    assert local("llama", LOOPBACK)
    assert not local("gpt-4o-mini", LOOPBACK), "a proxy to a hosted model"
    assert not local("vllm:llama", "http://gpu.lan:8000/v1")


def test_long_prompts_cost_what_their_tier_costs():
    price = Pricing("gemini-2.5-pro", "https://generativelanguage.googleapis.com/v1beta/openai")
    assert price.quote(Usage(input=300_000)) > 2 * price.quote(Usage(input=150_000))


def test_cache_writes_cost_more_where_they_do():
    price = Pricing("claude-sonnet-4-5", "https://api.anthropic.com/v1")
    assert price.quote(Usage(input=1000, cache_write=1000)) > price.quote(Usage(input=1000))


def test_a_hosted_model_knows_its_context():
    assert Pricing("gpt-4o-mini", "https://api.openai.com/v1").context_window == 128_000
    assert Pricing("whatever", LOOPBACK).context_window is None


def test_another_models_price_needs_no_key():
    assert pricing("anthropic:claude-sonnet-4-5", resolve({}, {}, {}), {}).quote(USAGE) == Decimal("0.00288")
    assert pricing("gpt-4o-mini", resolve({"base_url": LOOPBACK}, {}, {}), {}).quote(USAGE) == Decimal("0.000165")
    assert pricing("openrouter:who/knows", resolve({}, {}, {}), {}).quote(USAGE) is None


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_a_table_prices_models_by_name(tmp_path, suffix):
    path = tmp_path / f"prices.{suffix}"
    toml = '[mine]\ninput = 1\noutput = 2\ncached = 0.1\n\n["*"]\ninput = 5\noutput = 5\n'
    rates = {"mine": {"input": 1, "output": 2, "cached": 0.1}, "*": {"input": 5, "output": 5}}
    path.write_text(toml if suffix == "toml" else json.dumps(rates))
    assert Pricing("mine", LOOPBACK, str(path)).quote(USAGE) == Decimal("0.00066")
    assert Pricing("other", LOOPBACK, str(path)).quote(USAGE) == Decimal("0.0055")


def test_a_table_that_does_not_list_a_model_leaves_it_to_the_next_source(tmp_path):
    (path := tmp_path / "prices.toml").write_text("[mine]\ninput = 1\noutput = 2\n")
    assert Pricing("gpt-4o-mini", "https://api.openai.com/v1", str(path)).quote(USAGE) == Decimal("0.000165")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[mine]\ninput = \n", "is malformed"),
        ("[mine]\ninput = 1\n", "needs input and output"),
        ('[mine]\ninput = "cheap"\noutput = 1\n', "needs input and output"),
        ("[mine]\ninput = -1\noutput = 1\n", "needs input and output"),
        ("[mine]\ninput = 1\noutput = 1\nper_token = 3\n", "needs input and output"),
        ("mine = 3\n", "needs input and output"),
    ],
)
def test_a_malformed_table_is_told_in_one_line(tmp_path, text, told):
    (path := tmp_path / "prices.toml").write_text(text)
    variables = {"AGENTLOOP_PRICE": str(path), "OPENAI_BASE_URL": LOOPBACK}
    with pytest.raises(UserError, match=told) as caught:
        create(resolve({"model": "mine"}, {}, variables), variables)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("setting", ["0.15", "0.15,", "a,b", "0.1,nan", "-1,2", "no/such/table.toml", "1,2,3,4,5"])
def test_a_malformed_price_is_told_in_one_line(setting):
    with pytest.raises(UserError) as caught:
        read_price(setting, "m")
    assert "0.15" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2}, Usage(input=5, output=2)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": None}, Usage(input=5, output=2)),
        (
            {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 9}},
            Usage(input=5, cached=5, output=2),
        ),
        (
            {"prompt_tokens": 5, "completion_tokens": 2, "prompt_cache_hit_tokens": 4},
            Usage(input=5, cached=4, output=2),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
            },
            Usage(input=9, cached=4, cache_write=3, output=2),
        ),
        ({"prompt_tokens": 5, "total_tokens": 9}, Usage(input=5, output=4)),
        ({"completion_tokens": 2}, None),
        ({"prompt_tokens": "5", "completion_tokens": 2}, None),
        ({}, None),
        (None, None),
        ([1], None),
    ],
)
def test_usage_is_read_as_servers_report_it(reported, usage):
    assert read_usage(reported) == usage


@pytest.mark.parametrize(
    ("cost", "dollars"), [(0.5, "0.5"), ("0.25", "0.25"), (0, "0"), (-1, None), ("x", None), (None, None), (True, None)]
)
def test_a_cost_is_taken_only_where_it_is_one(cost, dollars):
    assert read_cost({"cost": cost}) == (dollars and Decimal(dollars))


def test_estimates_follow_bytes_and_digits():
    assert tokens_in("x" * 400) == 100
    assert tokens_in("中" * 100) == 75
    assert tokens_in("1234567890" * 30) > 150
    assert estimate([Message(role="user", content="x" * 40)], "y" * 40) == Usage(input=14, output=10, estimated=True)
