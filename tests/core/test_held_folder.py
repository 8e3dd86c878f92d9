"""A temporary folder goes with its process, however that ends, and never while it lives."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentloop_nb._internal import held_folder
from agentloop_nb._internal.held_folder import HeldFolder

pytestmark = pytest.mark.skipif(held_folder.flock is None, reason="needs locks that end with their process")

_HOLDER = """
import sys
from agentloop_nb._internal.held_folder import HeldFolder
held = HeldFolder("kept")
print(held.name, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture
def holder(place: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process, and the folder it has."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def made() -> None:
    """Make and remove a folder, as the first one of a process."""
    held_folder._remove_left.cache_clear()
    HeldFolder("other").cleanup()


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_stays(
    place: Path, holder: tuple[subprocess.Popen[str], Path]
):
    process, folder = holder
    folder.joinpath("value.bin").write_bytes(b"1")
    made()
    assert folder.joinpath("value.bin").exists()
    process.kill()
    process.wait()
    assert folder.exists()
    made()
    assert not folder.exists()


def test_what_is_not_known_to_be_left_stays(place: Path):
    for name in ("agentloop-unmarked", "other-marked", "elsewhere"):
        place.joinpath(name).mkdir()
    place.joinpath("other-marked", ".held").touch()
    place.joinpath("elsewhere", ".held").touch()
    place.joinpath("agentloop-link").symlink_to(place / "elsewhere")
    place.joinpath("agentloop-file").touch()
    made()
    assert sorted(path.name for path in place.iterdir()) == sorted(
        ["elsewhere", "agentloop-file", "agentloop-link", "agentloop-unmarked", "other-marked"]
    )
    assert place.joinpath("elsewhere", ".held").exists()


def test_a_folder_is_removed_with_all_that_is_in_it_and_once_more_does_nothing(place: Path):
    held = HeldFolder("kept")
    Path(held.name, "sub").mkdir()
    Path(held.name, "sub", "file").touch()
    held.cleanup()
    held.cleanup()
    assert list(place.iterdir()) == []
