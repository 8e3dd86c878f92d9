"""A namespace of hundreds of hostile objects: a run starts, and none of them is called, consumed or waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentloop_nb import run_agent
from agentloop_nb.notebook.kernel import value_facts
from agentloop_nb.safety.secrets import known_secrets
from tests.kernel import hostile
from tests.kernel.conftest import Place, text
from tests.kernel.hostile import NOTED, everything
from tests.wire import Wire, decision, finish


@pytest.fixture(autouse=True)
def nothing_noted() -> None:
    NOTED.clear()


def test_there_are_hundreds_of_them() -> None:
    assert len(everything()) >= 300


def test_each_is_told_by_its_type_and_none_is_called(place: Place) -> None:
    objects = everything()
    place.names.update(objects)

    told = place.workspace.describe(100_000)

    assert NOTED == []
    for name in objects:
        assert f"- {name}" in told or f"class {name}" in told


def test_none_is_called_when_there_is_room_for_few(place: Place) -> None:
    place.names.update(everything())

    told = place.workspace.describe(200)

    assert len(told) <= 800
    assert NOTED == []


@pytest.mark.parametrize("maker", [hostile.plain_objects, hostile.lazy_things, hostile.things_of_c])
def test_in_containers_and_attributes_none_is_called(
    place: Place, maker: Callable[[], Iterator[tuple[str, Any]]]
) -> None:
    held = [value for _, value in hostile._ready(maker())]
    NOTED.clear()
    for number, value in enumerate(held):
        box = type("Box", (), {"__module__": "__main__"})()
        box.content = value
        error = ValueError(value)
        place.names |= {f"list_{number}": [value], f"dict_{number}": {"key": value}, f"box_{number}": box}
        place.names |= {f"tuple_{number}": (value,), f"error_{number}": error, f"nested_{number}": [[{"a": (value,)}]]}

    place.workspace.describe(100_000)

    assert NOTED == []


def test_secrets_are_looked_for_without_calling_any(place: Place) -> None:
    known_secrets({}, {}, (), everything())

    assert NOTED == []


def test_sizes_and_details_are_told_without_calling_any() -> None:
    for value in everything().values():
        value_facts.detail(value)
        value_facts.size(value)
        list(value_facts.memory_roots(value))

    assert NOTED == []


async def test_a_step_that_touches_each_calls_none(place: Place) -> None:
    objects = everything()
    place.names.update(objects)

    outcome = await place.run(f"touched = [{', '.join(objects)}]; print(len(touched))")

    assert outcome.ending == "ok", outcome.error
    assert text(outcome) == f"{len(objects)}\n"
    assert [change.name for change in outcome.changes] == ["touched"]
    assert NOTED == []


async def test_a_step_that_can_reach_all_calls_none_and_is_taken_back(place: Place) -> None:
    place.names.update(everything())

    outcome = await place.run("globals()['made'] = 1")
    place.workspace.undo(1)

    assert outcome.ending == "ok"
    assert "made" not in place.names
    assert NOTED == []


def test_a_run_begins_and_ends_among_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make = "from tests.kernel.hostile import everything, NOTED; globals().update(everything())"
    decisions = [decision("run_code", code=make), decision("run_code", code="print(len(NOTED))"), finish("done")]
    with Wire(decisions) as wire:
        options = {"model": "some-model", "base_url": wire.base_url, "verbose": False, "output_dir": str(tmp_path)}
        run = run_agent("go", **options)

    assert run.status == "finished", run.reason
    assert run.action_results[1].output.startswith("0")
