"""The environment is decoded when it changes, and types are asked by identity."""

from __future__ import annotations

import os
import sys

from agentloop_nb._internal import environment
from agentloop_nb._internal.type_info import TypeSet


def test_what_is_set_changed_and_removed_is_seen(monkeypatch) -> None:
    monkeypatch.setenv("AGENTLOOP_TEST_ONE", "1")
    before = environment.variables()
    assert before == dict(os.environ)
    assert environment.variables() is before
    monkeypatch.setenv("AGENTLOOP_TEST_ONE", "2 ü")
    monkeypatch.setenv("AGENTLOOP_TEST_TWO", "")
    now = environment.variables()
    assert now == dict(os.environ)
    assert now["PATH"] is before["PATH"]
    monkeypatch.delenv("AGENTLOOP_TEST_ONE")
    assert environment.variables() == dict(os.environ)
    assert before["AGENTLOOP_TEST_ONE"] == "1", "what was handed out stays as it was"


class Bad(type):
    def __eq__(cls, other: object) -> bool:
        raise RuntimeError

    def __hash__(cls) -> int:
        raise RuntimeError


class One(metaclass=Bad):
    pass


class Two(metaclass=Bad):
    pass


def test_a_type_is_known_without_its_metaclass_being_asked() -> None:
    types = TypeSet(int, One)
    assert int in types
    assert One in types
    assert bool not in types
    assert Two not in types
    assert "int" not in types
    assert [] not in types


def test_asking_raises_no_audit_event() -> None:
    types, heard = TypeSet(int, One), []
    listening = [True]
    sys.addaudithook(lambda event, _: heard.append(event) if listening and listening[0] else None)
    found = (int in types, One in types, str in types)
    listening.clear()
    assert found == (True, True, False)
    assert "builtins.id" not in heard
