"""Restoring one variable: the value from before the run is back under its name, or nothing moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentloop_nb.notebook.snapshots.undo_history import History
from tests.kernel.conftest import Place


@pytest.mark.parametrize("since", ["del numbers", "numbers = 'mine again'"])
async def test_a_value_changed_in_place_comes_back_under_its_name(tmp_path: Path, since: str) -> None:
    place = Place(tmp_path, numbers=[1, 2])
    numbers = place.names["numbers"]
    await place.run("numbers.append(3)")
    exec(since, place.names)
    assert place.workspace.restore("numbers")
    assert place.names["numbers"] is numbers
    assert numbers == [1, 2]


async def test_nothing_moves_where_the_first_change_cannot_be_taken_back(tmp_path: Path) -> None:
    place = Place(tmp_path, numbers=[1, 2])
    place.workspace.past = History(10)
    await place.run("numbers.append(3)")
    await place.run("numbers = None")
    assert not place.workspace.restore("numbers")
    assert place.names["numbers"] is None
