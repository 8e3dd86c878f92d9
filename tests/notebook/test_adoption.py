"""Taking back what was adopted: the user's own work on it since is never thrown away."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from agentloop_nb._internal import safe_files
from agentloop_nb.errors import UserError
from agentloop_nb.notebook.isolation.adopt import adopt
from agentloop_nb.notebook.isolation.adoption import Adoption
from agentloop_nb.notebook.kernel.private_shell import private_shell
from agentloop_nb.notebook.run_manager import RunManager
from agentloop_nb.notebook.snapshots import fingerprint_tree
from agentloop_nb.record import locating
from agentloop_nb.run import Run
from tests.wire import Wire, decision, finish

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
    monkeypatch.setattr(fingerprint_tree, "ROOM", room)
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


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunManager:
    """A manager in an empty folder; every run asks the scripted model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef0123456789")
    return RunManager(private_shell())


def isolated(manager: RunManager, source: str) -> Run:
    with Wire([decision("run_code", code=source), finish("done")]) as wire:
        arguments = {"model": "scripted", "base_url": wire.base_url, "quiet": True, "isolated": True}
        return manager.begin("make", manager.settings(arguments)).drive()


@pytest.mark.kernel
def test_half_of_an_adoption_that_broke_off_is_taken_back_and_records_are_read_once(
    manager: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolated(manager, "x = [1]\nfor name in ('a', 'b', 'c'):\n    open(name + '.txt', 'w').write(name)")
    for name in "ab":
        Path(f"{name}.txt").write_text("mine")
    looks: list[Path] = []
    monkeypatch.setattr(locating, "written", lambda folder, read=locating.written: looks.append(folder) or read(folder))

    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(safe_files, "place", pressed)
    with pytest.raises(KeyboardInterrupt):
        adopt(manager, [])
    assert len(looks) == 1, "not once for every file that is here already"
    assert manager.shell.user_ns["x"] == [1]
    assert "is taken back: x" in adopt(manager, ["--undo"])
    assert "x" not in manager.shell.user_ns


@pytest.mark.kernel
def test_adopting_from_a_run_whose_process_is_gone_is_interrupted_as_a_run_is(manager: RunManager) -> None:
    again = manager.folder / "again"
    source = "import pathlib, time\nopen('begun.txt', 'w').close()\n"
    run = isolated(manager, f"{source}time.sleep(60 if pathlib.Path({str(again)!r}).exists() else 0)\nx = 1")
    assert run.workspace is not None
    run.workspace.close()
    again.touch()
    begun = run.workspace.folder / "begun.txt"
    begun.unlink()

    def press() -> None:
        while not begun.exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    children = psutil.Process().children()
    threading.Thread(target=press, daemon=True).start()
    with pytest.raises(UserError, match="adopting was interrupted; nothing was brought here"):
        adopt(manager, [])
    assert "x" not in manager.shell.user_ns
    assert psutil.Process().children() == children, "its new process is gone"
