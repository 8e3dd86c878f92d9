"""The files of a run as rows of a page: bounded, nothing behind a link, and one bad file hides no other."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentloop_nb.notebook.app import file_list

ROOT = os.geteuid() == 0 if hasattr(os, "geteuid") else False


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another user could enter too."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def named(rows: list[str]) -> list[str]:
    return [row.split("<b>")[1].split("</b>")[0] for row in rows]


def test_results_come_first_and_each_file_can_be_taken_home(folder: Path) -> None:
    (folder / "a.txt").write_text("one & two")
    (folder / "deep").mkdir()
    (folder / "deep" / "z.png").write_bytes(b"\x89PNG")
    (folder / ".agentloop").mkdir()
    (folder / ".agentloop" / "run.jsonl").write_text("{}")
    rows = list(file_list.rows(folder, ("deep/z.png",)))
    assert named(rows) == ["deep/z.png", "a.txt"]
    assert base64.b64encode(b"one & two").decode() in rows[1]
    assert "one &amp; two" in rows[1]
    assert '<img alt="" style="max-width:100%" src="data:image/png;base64,' in rows[0]


def test_links_are_told_and_never_followed(folder: Path) -> None:
    secret = folder / "outside"
    shown = folder / "visit"
    secret.mkdir()
    shown.mkdir()
    (secret / "key.txt").write_text("do not show")
    (shown / "link.txt").symlink_to(secret / "key.txt")
    (shown / "loop").symlink_to(shown)
    (shown / "way").symlink_to(secret)
    rows = list(file_list.rows(shown))
    assert named(rows) == ["link.txt", "loop", "way"]
    assert all("a link, which is not followed" in row for row in rows)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files here")
def test_what_is_no_file_is_not_read(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert "not a regular file" in "".join(file_list.rows(folder))


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_an_unreadable_file_is_told_and_the_others_are_shown(folder: Path) -> None:
    (folder / "mine.txt").write_text("mine")
    (folder / "theirs.txt").write_text("theirs")
    (folder / "theirs.txt").chmod(0)
    if ROOT:
        os.seteuid(65534)
    try:
        rows = list(file_list.rows(folder))
    finally:
        if ROOT:
            os.seteuid(0)
    assert "Download" in rows[0]
    assert rows[1] == "<p><b>theirs.txt</b> (cannot be read: Permission denied)</p>"


def test_a_page_holds_so_much_and_names_the_rest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_list, "MAX_FILE", 3000)
    monkeypatch.setattr(file_list, "MAX_PAGE", 8_000)
    monkeypatch.setattr(file_list, "MAX_ROWS", 6)
    (folder / "0-large.bin").write_bytes(bytes(3001))
    for number in range(1, 9):
        (folder / f"{number}.bin").write_bytes(os.urandom(1500))
    (folder / "7.bin").write_bytes(b"small")
    rows = list(file_list.rows(folder, ("7.bin",)))
    assert len(rows) == 7
    assert sum(map(len, rows)) < 9_000
    assert "Download" in rows[0], "the named result first"
    assert "3,001 bytes, too large to download from here" in rows[1]
    assert "1,500 bytes, left out: this page holds no more" in rows[5]
    assert rows[6] == "<p><b>3 more files</b> (not listed; they lie in the folder of this visit)</p>"


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="names are Unicode there")
def test_a_name_is_shown_as_text_whatever_it_is(folder: Path) -> None:
    for name in (b"<img src=x onerror=alert(1)>.txt", b"broken \xff\xfe.txt", "gnp\u202egpj.exe".encode()):
        (folder / os.fsdecode(name)).write_text("x")
    told = "".join(file_list.rows(folder))
    assert "<img" not in told
    assert "\u202e" not in told
    told.encode("utf-8")


def test_a_file_that_holds_a_secret_of_the_machine_is_named_and_not_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a visitor's run wrote of the host's environment, in every form."""
    secret = "Tz9qLm4vXw8rKd2pYb6n"
    monkeypatch.setenv("SERVICE_API_KEY", secret)
    for number, form in enumerate(
        [secret, secret[::-1], secret.encode().hex(), base64.b64encode(secret.encode()).decode()]
    ):
        (folder / f"{number}.txt").write_text(f"it is {form}")
    (folder / "id_rsa").write_text("x")
    (folder / "n.csv").write_text("1,2")
    rows = list(file_list.rows(folder))
    assert ["left out" in row for row in rows] == [True] * 5 + [False]
    assert sum("download=" in row for row in rows) == 1


def test_a_button_gives_no_file_that_the_list_keeps_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_API_KEY", "Tz9qLm4vXw8rKd2pYb6n")
    (folder / "plain.html").write_text("nothing of the kind")
    (folder / "secret.html").write_text("it is Tz9qLm4vXw8rKd2pYb6n")
    (folder / "link.html").symlink_to(folder / "plain.html")
    given = [path.name for path in sorted(folder.iterdir()) if file_list.button(path, "Download")]
    assert given == ["plain.html"]
    assert not file_list.button(folder / "gone.html", "Download")
