"""From a name to a model: the address, the key that may go there, and one clear line where something is missing."""

from __future__ import annotations

import json
import re
import time

import pytest
from pydantic import SecretStr

from agentloop_nb.errors import UserError
from agentloop_nb.models import keys, providers, registry
from agentloop_nb.models.dialect import dialect_of
from agentloop_nb.settings import Settings, resolve
from tests.wire import Answer, Wire, finish, html_page

SECRET = "sk-canary-0123456789"
ALL_KEYS = {
    name: f"{SECRET}-{name}" for name in ("OPENAI_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_API_KEY")
}


def made(model, variables=None, **arguments):
    variables = variables or {}
    return registry.create(resolve({"model": model, **arguments}, {}, variables), variables)


@pytest.fixture
def nobody_listens(monkeypatch):
    monkeypatch.setattr(registry, "listening", list)


@pytest.mark.parametrize(
    ("name", "variables", "base_url", "asked", "key"),
    [
        ("gpt-5.5", ALL_KEYS, "https://api.openai.com/v1", "gpt-5.5", "OPENAI_API_KEY"),
        ("openai:gpt-5.5", ALL_KEYS, "https://api.openai.com/v1", "gpt-5.5", "OPENAI_API_KEY"),
        ("openai", ALL_KEYS, "https://api.openai.com/v1", "gpt-4o-mini", "OPENAI_API_KEY"),
        (
            "openrouter:qwen/qwen3:free",
            ALL_KEYS,
            "https://openrouter.ai/api/v1",
            "qwen/qwen3:free",
            "OPENROUTER_API_KEY",
        ),
        (
            "anthropic:claude-sonnet-4-5",
            ALL_KEYS,
            "https://api.anthropic.com/v1",
            "claude-sonnet-4-5",
            "ANTHROPIC_API_KEY",
        ),
        (
            "gemini:gemini-2.5-pro",
            ALL_KEYS,
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "gemini-2.5-pro",
            "GEMINI_API_KEY",
        ),
        ("ollama:qwen3:8b", ALL_KEYS, "http://127.0.0.1:11434/v1", "qwen3:8b", None),
        ("ollama:qwen3", {"OLLAMA_HOST": "0.0.0.0:5000"}, "http://127.0.0.1:5000/v1", "qwen3", None),
        ("lmstudio:phi", ALL_KEYS, "http://127.0.0.1:1234/v1", "phi", None),
        ("vllm:Qwen/Qwen3", ALL_KEYS, "http://127.0.0.1:8000/v1", "Qwen/Qwen3", None),
        (
            "qwen3:8b",
            {**ALL_KEYS, "OPENAI_BASE_URL": "http://gpu.lan:9000/v1/"},
            "http://gpu.lan:9000/v1",
            "qwen3:8b",
            "OPENAI_API_KEY",
        ),
        (
            "openrouter:x",
            {**ALL_KEYS, "OPENAI_BASE_URL": "http://gpu.lan:9000/v1"},
            "https://openrouter.ai/api/v1",
            "x",
            "OPENROUTER_API_KEY",
        ),
    ],
)
def test_a_name_leads_to_an_address_a_model_and_a_key(name, variables, base_url, asked, key):
    model = made(name, variables)
    assert (model.server.base_url, model.server.model) == (base_url, asked)
    assert (model.key.get_secret_value() if model.key else None) == (variables[key] if key else None)
    assert model.name == name or name == "openai"


@pytest.mark.parametrize("name", ["m", "openai:m", "openrouter:m", "gemini:m", "anthropic:m", "ollama:m"])
def test_no_key_goes_to_an_address_named_by_hand(name):
    model = made(name, ALL_KEYS, base_url="http://stranger.example/v1")
    assert model.server.base_url == "http://stranger.example/v1"
    assert model.key is None


def test_a_key_goes_to_openai_base_url_even_when_named_by_hand():
    variables = {"OPENAI_API_KEY": SECRET, "OPENAI_BASE_URL": "http://gpu.lan/v1"}
    assert made("m", variables, base_url="http://gpu.lan:80/v1/").key.get_secret_value() == SECRET


def test_malformed_addresses_in_the_environment_are_told_or_passed_over():
    with pytest.raises(UserError, match="OLLAMA_HOST is malformed: 'here:abc'"):
        made("ollama:m", {"OLLAMA_HOST": "here:abc"})
    variables = {"OPENAI_API_KEY": SECRET, "OPENAI_BASE_URL": "http://gpu.lan:abc/v1"}
    assert made("m", variables, base_url="http://stranger.example/v1").key is None


def test_without_a_key_one_line_names_the_ways_forward(nobody_listens):
    with pytest.raises(UserError) as caught:
        made("gpt-4o-mini")
    line = str(caught.value)
    assert "\n" not in line
    for way in ("OPENAI_API_KEY", "%agent login", "-m ollama", "none was found listening", "-m demo"):
        assert way in line


def test_it_names_a_local_server_that_is_listening(monkeypatch):
    with Wire([]) as wire:
        ollama = providers.Provider("ollama", "Ollama", wire.base_url)
        monkeypatch.setattr(providers, "PROVIDERS", {"openai": providers.OPENAI, "ollama": ollama})
        began = time.monotonic()
        with pytest.raises(UserError, match=re.escape("use the local server that was found (-m ollama)")):
            made("gpt-4o-mini")
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("name", ["openrouter:m", "gemini:m", "anthropic:m"])
def test_each_provider_asks_for_its_own_key(name, nobody_listens):
    with pytest.raises(UserError, match=f"set {name[:-2].upper()}_API_KEY"):
        made(name, {"OPENAI_API_KEY": SECRET})


def test_a_login_is_remembered_for_the_process():
    keys.remember("openai", f" {SECRET} ")
    assert made("m").key.get_secret_value() == SECRET
    assert keys.key_for("gemini", {}) is None
    for unknown in ("ollama", "opnai"):
        with pytest.raises(UserError, match="takes no key; %agent login takes one for openai, openrouter"):
            keys.remember(unknown, SECRET)
    assert [key.get_secret_value() for key in keys.known_keys({"GEMINI_API_KEY": "g"})] == [SECRET, "g"]


def test_a_hosted_provider_alone_asks_which_model():
    with pytest.raises(UserError, match=r"which model.*-m gemini:MODEL"):
        made("gemini", ALL_KEYS)


def test_a_local_provider_alone_picks_an_installed_model():
    with Wire(models=["nomic-embed-text", "qwen3:8b", "phi"]) as wire:
        model = made("ollama", {"OLLAMA_HOST": wire.base_url.removesuffix("/v1")})
        assert model.name == "ollama:qwen3:8b"
    with Wire(models=["nomic-embed-text"]) as wire, pytest.raises(UserError, match="ollama pull"):
        made("ollama", base_url=wire.base_url)
    with pytest.raises(UserError, match=r"nothing answers at .*: start it"):
        made("lmstudio", base_url="http://127.0.0.1:9/v1")


@pytest.mark.parametrize(
    ("base_url", "told"),
    [
        ("localhost:11434/v1", "must start with http://"),
        ("ftp://host/v1", "must start with http://"),
        ("http://", "must start with http://"),
        ("http://host:port/v1", "malformed"),
        (f"https://me:{SECRET}@host/v1", "carries no key"),
        (f"https://host/v1?key={SECRET}", "carries no key"),
    ],
)
def test_a_wrong_base_url_is_told_in_one_line(base_url, told):
    with pytest.raises(UserError, match=told) as caught:
        made("m", base_url=base_url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("suffix", ["", "/", "/chat/completions"])
def test_a_base_url_is_cut_to_what_it_means(suffix):
    assert made("m", base_url=f"http://host/v1{suffix}").server.base_url == "http://host/v1"


async def test_models_are_listed_as_the_server_names_them():
    with Wire(models=["b", "models/a"]) as wire:
        assert await registry.list_models(resolve({"base_url": wire.base_url}, {}, {}), {}) == ["a", "b"]


@pytest.mark.parametrize(
    ("base_url", "told"),
    [("http://127.0.0.1:9/v1", "nothing answers at"), ("/elsewhere", "has no chat completions at")],
)
async def test_a_server_that_lists_nothing_is_told_in_one_line(base_url, told):
    with Wire() as wire:
        address = base_url if base_url.startswith("http") else wire.base_url.removesuffix("/v1") + base_url
        with pytest.raises(UserError, match=told):
            await registry.list_models(resolve({"base_url": address}, {}, {}), {})


def test_a_message_that_repeats_the_key_is_cut():
    assert keys.without(SecretStr(SECRET), f"bad key {SECRET}") == "bad key •••"
    assert keys.without(None, "bad key") == "bad key"


def test_openai_names_the_length_of_a_reply_its_own_way():
    assert dialect_of("https://api.openai.com/v1", "m").length == "max_completion_tokens"
    assert dialect_of("http://127.0.0.1:1/v1", "m").length == "max_tokens"


async def test_openrouter_is_asked_to_honour_the_format_and_to_tell_the_cost(talk, request_of):
    t = talk(finish())
    t.model.extra = made("openrouter:m", ALL_KEYS).extra
    await t.ask(request_of())
    assert t.wire.bodies[0]["provider"] == {"require_parameters": True}
    assert t.wire.bodies[0]["usage"] == {"include": True}


# -- secrets


async def test_no_secret_is_in_a_representation_or_a_fault(talk, request_of, caplog):
    caplog.set_level("DEBUG")
    echo = Answer(status=401, body={"error": {"message": f"Incorrect API key provided: {SECRET}"}})
    t = talk(echo, html_page(), finish(), key=SECRET)
    shown = [repr(t.model), str(t.model), repr(vars(t.model))]
    for _ in range(2):
        with pytest.raises(Exception) as caught:
            await t.ask(request_of())
        shown += [str(caught.value), repr(caught.value), str(caught.getrepr(style="short", chain=True))]
    await t.ask(request_of())
    assert t.wire.requests[-1].headers["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in "".join(shown) + caplog.text


async def test_what_belongs_to_openai_is_told_to_nobody_else(talk, request_of, monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-canary")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-canary")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Gateway: canary\nAuthorization: Bearer {SECRET}")
    t = talk(finish(), model="ollama:m", variables={"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    server = Wire([finish()]).start()
    other = talk(
        wire=server,
        model="ollama:m",
        variables={"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
        arguments={"base_url": server.base_url},
    )
    await other.ask(request_of())
    sent = json.dumps(server.requests[0].headers)
    assert "canary" not in sent
    assert "authorization" not in server.requests[0].headers
    assert t.wire.requests == []


def test_a_key_given_as_an_address_is_not_repeated():
    key = "sk-proj-0123456789abcdefghijklmn"
    for address in (
        key,
        f"https://host.example/v1#{key}",
        f"https://host.example/v1?key={key}",
        f"http://{key}@host/v1",
    ):
        with pytest.raises(UserError) as told:
            providers.clean_address(address)
        assert key not in str(told.value)


def test_an_address_that_the_provider_does_not_use_is_not_recorded():
    variables = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    for model, recorded in (("gemini:some-model", None), ("some-model", "http://127.0.0.1:9/v1")):
        settings = Settings(model=model, base_url=variables["OPENAI_BASE_URL"])
        assert registry.recorded_address(settings, variables) == recorded
    assert (
        registry.recorded_address(Settings(model="gemini:x", base_url="http://proxy/v1"), variables)
        == "http://proxy/v1"
    )
