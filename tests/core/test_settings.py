from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from agentloop_nb.errors import UserError
from agentloop_nb.settings import KEPT, Settings, dotenv, environment, resolve
from agentloop_nb.settings.table import TABLE


def test_the_first_layer_that_has_a_value_wins():
    variables = {"MAX_STEPS": "10", "OPENAI_MODEL": "from-env", "MAX_RETRIES": "1"}
    settings = resolve({"max_steps": "30"}, {"max_steps": 20, "model": "from-config"}, variables)
    assert (settings.max_steps, settings.model, settings.max_retries) == (30, "from-config", 1)
    assert resolve({}, {}, {}) == Settings()


def test_dotenv_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / ".env").write_text("OPENAI_MODEL=from-file\nMAX_STEPS=9\n")
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.setenv("MAX_STEPS", "8")
    monkeypatch.delenv("OPENAI_MODEL", raising=False)
    assert dotenv(below) == {"OPENAI_MODEL": "from-file", "MAX_STEPS": "9"}
    settings = resolve({}, {}, environment(below))
    assert (settings.model, settings.max_steps) == ("from-file", 8)
    assert "from-file" not in __import__("os").environ.values()


def test_a_variable_left_empty_in_dotenv_is_not_set(tmp_path: Path):
    (tmp_path / ".env").write_text("OPENAI_API_KEY=\nMAX_STEPS=\nOPENAI_BASE_URL=\n")
    assert dotenv(tmp_path) == {}


def test_a_dotenv_that_cannot_be_read_is_named(tmp_path: Path):
    (tmp_path / ".env").write_bytes("# Schlüssel\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"\.env cannot be read: it is not UTF-8 text"):
        dotenv(tmp_path)


WRONG = [
    ({"budget": "abc"}, {}, "--budget must be a positive amount in US dollars (--budget 0.50), not 'abc'"),
    ({"budget": "-1"}, {}, "--budget must be"),
    ({"budget": "nan"}, {}, "--budget must be"),
    ({"max_steps": "0"}, {}, "--max-steps must be a whole number"),
    ({"max_steps": "2.5"}, {}, "--max-steps must be a whole number"),
    ({"max_steps": "inf"}, {}, "--max-steps must be a whole number"),
    ({"timeout": "soon"}, {}, "--timeout must be a whole number of seconds"),
    ({"approve": "maybe"}, {}, "--approve must be auto, code or all"),
    ({"privacy": "some"}, {}, "--privacy must be full, schema or none"),
    ({"undo_memory": "-1"}, {}, "--undo-memory must be a whole number of megabytes, 0 or more"),
    ({}, {"AGENTLOOP_UNDO_MEMORY": "1 GB"}, "AGENTLOOP_UNDO_MEMORY must be a whole number of megabytes"),
    ({}, {"MAX_STEPS": "many"}, "MAX_STEPS must be a whole number"),
    ({}, {"AGENTLOOP_TEMPERATURE": "9"}, "AGENTLOOP_TEMPERATURE must be a number from 0 to 2"),
    ({}, {"AGENTLOOP_IMAGES": "perhaps"}, "AGENTLOOP_IMAGES must be 1 or 0"),
]


@pytest.mark.parametrize(("arguments", "variables", "message"), WRONG)
def test_a_wrong_value_names_its_source_and_what_is_expected(arguments, variables, message):
    with pytest.raises(UserError) as caught:
        resolve(arguments, {}, variables)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_values_are_converted():
    variables = {
        "AGENTLOOP_ALLOW_HOSTS": "a.example.org, b.example.org",
        "AGENTLOOP_CACHE": "1",
        "AGENTLOOP_IMAGES": "0",
    }
    settings = resolve({"budget": "$0.50", "strict": True}, {}, variables)
    assert settings.budget == Decimal("0.50")
    assert settings.allow_hosts == ("a.example.org", "b.example.org")
    assert settings.cache == str(Path(".agentloop/cache.sqlite"))
    assert not settings.images
    assert settings.strict
    assert settings.record()["budget"] == "0.50"


SWITCHES = [name for name, row in TABLE.items() if row.kind.name == "switch"]


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("off", ["false", "False", "0", "no", "off", " FALSE ", False, 0])
def test_a_switch_that_is_switched_off_is_off(name, off):
    assert getattr(resolve({name: off}, {}, {}), name) is False
    assert getattr(resolve({}, {name: off}, {}), name) is False
    if variable := TABLE[name].environment:
        assert getattr(resolve({}, {}, {variable: str(off)}), name) is False


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("on", ["true", "1", "yes", "on", True, 1])
def test_a_switch_that_is_switched_on_is_on(name, on):
    assert getattr(resolve({name: on}, {}, {}), name) is True


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("wrong", ["perhaps", "", "2", "none", "falsch"])
def test_a_switch_takes_nothing_else(name, wrong):
    with pytest.raises(UserError, match="must be 1 or 0"):
        resolve({name: wrong}, {}, {})


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.kind.name != "text"])
def test_what_is_wrong_in_any_layer_names_that_layer_with_an_example_that_is_accepted(name):
    row = TABLE[name]
    layers = [({name: "wrong!"}, {}, {}, f"{row.flags[-1]} " if row.flags else f"{name} ")]
    layers.append(({}, {name: "wrong!"}, {}, f"%config AgentMagics.{name} "))
    layers.append(({}, {}, {row.environment: "wrong!"}, f"{row.environment} "))
    for arguments, config, variables, begins in layers[: 3 if row.environment else 2]:
        with pytest.raises(UserError) as caught:
            resolve(arguments, config, variables)
        assert str(caught.value).startswith(f"{begins}must be {row.kind.expected} (")
    resolve({name: row.example or "1"}, {}, {})


def test_nothing_is_said_of_settings_in_two_places():
    """Fields, rows, flags and variables are the same set; what a resume keeps is in the record."""
    assert list(TABLE) == list(Settings.__dataclass_fields__)
    for kind in ("flags", "environment"):
        said = [
            each for row in TABLE.values() for each in (row.flags if kind == "flags" else [row.environment]) if each
        ]
        assert len(said) == len(set(said))
    assert set(KEPT) <= set(Settings().record())
    assert {"trust_web", "base_url", "allow_hosts", "instructions", "approve", "privacy"} <= {
        name for name, row in TABLE.items() if row.safety
    }


def test_a_list_of_names_may_be_given_as_a_list():
    assert resolve({"allow_changes": ["a", "b"], "bring": ("x",)}, {}, {}).allow_changes == "a,b"
    assert resolve({"allow_hosts": ["a.example.org"]}, {}, {}).allow_hosts == ("a.example.org",)
    assert resolve({"output_dir": Path("made")}, {}, {}).output_dir == "made"


def test_an_expression_that_is_none_is_told_as_it_was_typed():
    with pytest.raises(UserError, match=r"not 'total =='$"):
        resolve({"until": ["total =="]}, {}, {})
