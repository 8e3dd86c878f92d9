"""The wire schema stays inside the subset all servers accept, and says what the actions say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentloop_nb.actions import ACTIONS
from agentloop_nb.decision import parse
from agentloop_nb.models.schema import decision_schema

PORTABLE = {"type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "description"} | {
    "maxItems"  # given up where a server refuses it
}


def lint(schema: dict[str, Any], path: str = "#") -> list[str]:
    """Name what some server refuses: foreign keywords, open objects, optional properties, references."""
    bad = [f"{path}: {key}" for key in schema.keys() - PORTABLE]
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            bad.append(f"{path}: open object")
        if schema["required"] != list(schema["properties"]):
            bad.append(f"{path}: optional property")
        for name, field in schema["properties"].items():
            bad += lint(field, f"{path}/{name}")
    for number, variant in enumerate(schema.get("anyOf", ())):
        bad += lint(variant, f"{path}/{number}")
    return bad + (lint(schema["items"], f"{path}/items") if "items" in schema else [])


@pytest.mark.parametrize("final", [False, True])
def test_it_is_portable(final):
    schema = decision_schema(final=final)
    assert lint(schema) == []
    assert schema["type"] == "object"
    assert list(schema["properties"]) == ["reasoning", "action"]


def test_the_lint_finds_what_servers_refuse():
    assert lint({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": []}) == [
        "#: open object",
        "#: optional property",
        "#/a: minimum",
    ]


def test_every_action_is_offered_by_its_name_first():
    variants = decision_schema()["properties"]["action"]["anyOf"]
    assert [variant["properties"]["name"]["enum"] for variant in variants] == [[action.name] for action in ACTIONS]
    assert {next(iter(variant["properties"])) for variant in variants} == {"name"}
    assert "description" not in json.dumps(decision_schema()), "the prompt says it, and twice costs twice"
    for variant, action in zip(variants, ACTIONS, strict=True):
        assert list(variant["properties"])[1:] == list(action.model_fields)


def test_the_last_step_offers_only_finish():
    action = decision_schema(final=True)["properties"]["action"]
    assert action["properties"]["name"]["enum"] == ["finish"]


def test_null_stands_for_every_default():
    for action in ACTIONS:
        filled = {name: None if not field.is_required() else "x" for name, field in action.model_fields.items()}
        record = {"reasoning": "why", "action": {"name": action.name, **filled}}
        assert parse(json.dumps(record)).action == action.model_validate(
            {name: value for name, value in filled.items() if value is not None}, context={}
        )
