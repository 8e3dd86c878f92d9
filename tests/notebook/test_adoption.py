"""Taking back what was adopted: the user's own work on it since is never thrown away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agentloop_nb.notebook.adoption import Adoption
from agentloop_nb.notebook.changes import appearance

CHANGES = [
    "lst.append('mine')",
    "nested['k'][0].append('mine')",
    "arr[1] = 7",
    "df.loc[0, 'a'] = 7",
    "df['mine'] = 1",
    "st.add('mine')",
    "pair[1].clear()",
]
READS = ["len(lst)", "df.a.sum()", "df['a'].max()", "arr.sum()", "sorted(st)", "repr(df)", "df.sort_values('a')"]


def brought(folder: Path) -> tuple[Adoption, dict[str, object]]:
    values = {
        "lst": [1, 2],
        "nested": {"k": [[1]]},
        "arr": np.zeros(3),
        "df": pd.DataFrame({"a": [1, 2]}),
        "st": {"x"},
        "pair": (1, [2]),
    }
    names: dict[str, object] = {"lst": "before"}
    adoption = Adoption("run", folder)
    for name, value in values.items():
        adoption.bind(names, name, value)
    return adoption, names


@pytest.mark.parametrize(
    ("change", "room"),
    [*((change, 2**20) for change in CHANGES), ("arr[1] = 7", 0), ("df.loc[0, 'a'] = 7", 0), ("lst.append('mine')", 0)],
)
def test_what_the_user_changed_in_place_stays_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, room: int
) -> None:
    monkeypatch.setattr(appearance, "ROOM", room)
    adoption, names = brought(tmp_path)
    exec(change, {}, names)
    told = adoption.undo(names)
    name = change.partition(".")[0].partition("[")[0]
    assert f"NOT taken back: {name} (you have changed it since, and that stays)" in told
    assert names.keys() == {name, "lst"}
    assert names["lst"] == ([1, 2, "mine"] if name == "lst" else "before")


@pytest.mark.parametrize("read", READS)
def test_reading_a_value_is_no_change(tmp_path: Path, read: str) -> None:
    adoption, names = brought(tmp_path)
    eval(read, {}, names)
    assert "NOT" not in adoption.undo(names)
    assert names == {"lst": "before"}
