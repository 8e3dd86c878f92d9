"""A shared folder: everything that is needed and nothing that is private."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentloop_nb.errors import UserError
from agentloop_nb.record import journal
from agentloop_nb.verify.certified_export import Published, publish
from tests.record.made import finished, printed, started, step


def shared(work: Path, destination: Path, **options: Any) -> Published:
    """Share a run that took place in `work` and read a file there."""
    result = printed("3\n").with_effects(files_read=("data/n.csv",))
    code = "import numpy as np\nprint(int(np.loadtxt('data/n.csv').sum()))"
    record = journal.Journal.create(work, "20261122-101500-3fa2")
    for event in [started(goal="Sum it up"), *step(1, "run_code", result, code=code), *finished(2)]:
        record.append(event)
    record.close()
    return publish(record.path, destination, shared=True, **options)


@pytest.mark.kernel
def test_a_shared_folder_is_whole_and_sound(tmp_path):
    work = tmp_path / "work"
    (work / "data").mkdir(parents=True)
    (work / "data" / "n.csv").write_text("1\n2\n")
    (work / "private.txt").write_text("mine")
    published = shared(work, tmp_path / "given", repository="ada/sums")
    files = {
        file.relative_to(tmp_path / "given").as_posix(): file
        for file in published.path.parent.rglob("*")
        if file.is_file()
    }
    assert sorted(files) == ["README.md", "binder/requirements.txt", "binder/runtime.txt", "data/n.csv", "run.ipynb"]
    assert "numpy==" in files["binder/requirements.txt"].read_text()
    assert "v2/gh/ada/sums/HEAD" in files["README.md"].read_text()
    assert str(tmp_path) not in "".join(file.read_text() for file in files.values())
    assert published.verdict.ok


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something already"):
        shared(tmp_path, tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [".agentloop", "mine.txt"]
