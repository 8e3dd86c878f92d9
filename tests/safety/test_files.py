"""`write_file` stays in its folder whatever it is asked, and loses nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from agentloop_nb._internal import safe_files
from agentloop_nb.errors import ActionFailed

CONTROL = [f"a{chr(code)}b.txt" for code in (0, 1, 7, 8, 9, 10, 13, 27, 31, 127, 133, 0x2028, 0x2029)]
UP = [
    "..", "../x", "../../x", "a/../x", "a/b/../../x", "a/..", "./..", "./../x", "..//x", "...", ". .", ".. /x", " ../x",
    "a/../../x", "....//x", "a/…/../x", "‥/x", "．．/x", "․․/x", ".\u200d./x", "\u2060../x", "a/.\u200b./x",
    "x/../..", "..\\x", "a\\..\\..\\x", "%2e%2e/../x",
]  # fmt: skip
ABSOLUTE = [
    "/x", "//x", "/etc/passwd", "/tmp/x", "///x", "~", "~/x", "~root/x", "C:/x", "C:\\x", "c:x", "\\\\host\\share\\x",
    "\\x", "//host/share/x", "file:///etc/passwd", "/dev/null", "/proc/self/mem", "/./x", "D:", "\\\\?\\C:\\x",
    "\\\\.\\PIPE\\x",
]  # fmt: skip
DEVICES = [
    "CON", "con", "Con.txt", "PRN", "AUX.log", "nul", "NUL.tar.gz", "COM1", "com9.txt", "LPT1", "lpt3.csv", "a/con",
    "con/a",
    "CONIN$", "COM¹", "ｃｏｎ", "n\u200dul",
]  # fmt: skip
TOOLS = [
    ".git/hooks/pre-commit", ".GIT/config", ".Git/x", ".g\u200cit/config", "sub/.git/config", ".agentloop/runs/x.jsonl",
    ".AgentLoop/x", ".ssh/authorized_keys", ".bashrc", ".BASHRC", ".profile", ".zshrc",
    ".ipython/profile_default/startup/a.py",
    ".jupyter/jupyter_server_config.py", ".config/autostart/x.desktop", ".local/bin/ls", ".aws/credentials",
    ".netrc", ".gitconfig",
    ".ｇit/config",
]  # fmt: skip
STEERING = [
    "AGENTS.md", "agents.MD", "sub/AGENTS.md", "CLAUDE.md", ".env", ".ENV", ".env.local", "a/.env_prod", ".envrc",
    ".mcp.json",
    ".vscode/settings.json", ".agentloop/steering", "sitecustomize.py", "SiteCustomize.py", "sitecustomize/__init__.py",
    "usercustomize.py", "evil.pth", "lib/site-packages/a.py", "tests/conftest.py", "Conftest.PY", "ipython_config.py",
    "jupyter_server_config.json", "pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "pytest.ini",
    ".github/workflows/a.yml",
    "\u0410GENTS.md", "AGEN\u0422S.md", "\uff21GENTS.md", "A\u0301GENTS.md", "conftest\u200b.py", "c\u043enftest.py",
    ".cursor/rules", ".pre-commit-config.yaml",
]  # fmt: skip
SHAPES = [
    "", " ", "\t", ".", "./", "/", "a/", "a//", "name.", "a./b", " lead", "trail ", "a/ b", "a:b", "a:$DATA",
    "a.txt::$DATA",
    "a|b", "a?b", "a*b", 'a"b', "<a", "a>", "x" * 256, "é" * 128, "a/" * 600 + "b", "\ud800.txt", "a/\udfff",
]  # fmt: skip
REFUSED = [*CONTROL, *UP, *ABSOLUTE, *DEVICES, *TOOLS, *STEERING, *SHAPES]


def test_the_corpus_is_large_enough() -> None:
    assert len(REFUSED) >= 100
    assert len(set(REFUSED)) == len(REFUSED)


@pytest.mark.parametrize("name", REFUSED, ids=lambda name: ascii(name)[:40])
def test_a_name_that_leads_anywhere_else_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with pytest.raises(ActionFailed) as refusal:
        safe_files.write(folder, name, "text")
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.rglob("*")) == [folder]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a.txt", "a.txt"),
        ("./a.txt", "a.txt"),
        ("a/b/c.txt", "a/b/c.txt"),
        ("a//b.txt", "a/b.txt"),
        ("a/./b.txt", "a/b.txt"),
        ("Ünïcode 名前 😀.txt", "Ünïcode 名前 😀.txt"),
        ("نمونه\u200cها.txt", "نمونه\u200cها.txt"),
        (".gitignore", ".gitignore"),
        (".env.example", ".env.example"),
        ("a..b", "a..b"),
        ("..a", "..a"),
        ("constant.py", "constant.py"),
        ("setup.md", "setup.md"),
        ("env.py", "env.py"),
        ("agents.csv", "agents.csv"),
        ("test_config.py", "test_config.py"),
        ("a b.txt", "a b.txt"),
        ("x" * 255, "x" * 255),
        ("%2e%2e", "%2e%2e"),
        ("..;/x", "..;/x"),
    ],
)
def test_an_ordinary_name_is_written_where_it_says(tmp_path: Path, name: str, path: str) -> None:
    written = safe_files.write(tmp_path, name, "größe\r\n")
    assert written.path == path
    assert (tmp_path / path).read_bytes() == "größe\r\n".encode()
    assert (written.size, written.replaced, written.previous) == (9, False, None)


def link(folder: Path, name: str, target: str | Path, *, directory: bool = False) -> None:
    (folder / name).symlink_to(target, target_is_directory=directory)


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "theirs.txt").write_text("theirs")
    link(folder, "out", elsewhere, directory=True)
    link(folder, "file", elsewhere / "theirs.txt")
    link(folder, "dangling", elsewhere / "new.txt")
    link(folder, "up", "..", directory=True)
    link(folder, "self", "self")
    link(folder, "chain", "out/theirs.txt")
    (folder / "sub").mkdir()
    link(folder / "sub", "deep", elsewhere, directory=True)
    link(folder, "dot", ".", directory=True)
    link(folder, "tools", ".git", directory=True)
    names = [
        "out/x",
        "file",
        "dangling",
        "up/x",
        "up/elsewhere/theirs.txt",
        "self",
        "chain",
        "sub/deep/x",
        "dot",
        "tools/config",
    ]
    for name in names:
        with pytest.raises(ActionFailed):
            safe_files.write(folder, name, "text")
    assert [path.name for path in elsewhere.iterdir()] == ["theirs.txt"]
    assert (elsewhere / "theirs.txt").read_text() == "theirs"


def test_a_link_that_stays_inside_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link(tmp_path, "alias", "real", directory=True)
    safe_files.write(tmp_path, "alias/a.txt", "text")
    assert (tmp_path / "real" / "a.txt").read_text() == "text"


def test_a_second_name_of_a_file_elsewhere_is_not_written_through(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "theirs.txt").write_text("theirs")
    os.link(tmp_path / "theirs.txt", folder / "a.txt")
    safe_files.write(folder, "a.txt", "ours")
    assert (tmp_path / "theirs.txt").read_text() == "theirs"


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("a file")
    locked = tmp_path / "locked"
    locked.write_text("locked")
    locked.chmod(0o444)
    for name, reason in [
        ("folder", "is a folder"),
        ("pipe", "a device or a pipe"),
        ("file/below", "is a file"),
        ("locked", "write-protected"),
    ]:
        with pytest.raises(ActionFailed, match=reason):
            safe_files.write(tmp_path, name, "text")
    assert locked.read_text() == "locked"


def test_the_previous_version_is_kept_and_comes_back(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("first")
    (tmp_path / "a.txt").chmod(0o640)
    written = safe_files.write(tmp_path, "a.txt", "second")
    assert written.replaced
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640
    safe_files.restore(tmp_path, written)
    assert (tmp_path / "a.txt").read_text() == "first"


def test_undo_removes_a_new_file_but_never_what_someone_changed(tmp_path: Path) -> None:
    new = safe_files.write(tmp_path, "new.txt", "ours")
    safe_files.restore(tmp_path, new)
    assert not (tmp_path / "new.txt").exists()
    new = safe_files.write(tmp_path, "new.txt", "ours")
    (tmp_path / "new.txt").write_text("theirs")
    with pytest.raises(ActionFailed, match="changed"):
        safe_files.restore(tmp_path, new)
    assert (tmp_path / "new.txt").read_text() == "theirs"


def test_a_file_is_foreign_unless_a_run_wrote_it_and_nobody_changed_it_since(tmp_path: Path) -> None:
    written = safe_files.write(tmp_path, "ours.txt", "ours")
    (tmp_path / "theirs.txt").write_text("theirs")
    known = {written.sha256}
    assert not safe_files.foreign(tmp_path, "ours.txt", known)
    assert not safe_files.foreign(tmp_path, "missing.txt", known)
    assert not safe_files.foreign(tmp_path, "../x", known)
    assert safe_files.foreign(tmp_path, "theirs.txt", known)
    (tmp_path / "ours.txt").write_text("changed by hand")
    assert safe_files.foreign(tmp_path, "ours.txt", known)


def test_large_and_broken_content_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ActionFailed, match="at most"):
        safe_files.write(tmp_path, "a.txt", "x" * (safe_files.MAX_BYTES + 1))
    with pytest.raises(ActionFailed, match="Unicode"):
        safe_files.write(tmp_path, "a.txt", "\ud800")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits file sizes by setrlimit")
def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """A real failing write: the child process may not make files larger than 4 KB."""
    (tmp_path / "a.txt").write_text("before")
    program = textwrap.dedent("""
        import resource, signal, sys
        from pathlib import Path
        from agentloop_nb._internal import safe_files as files
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            files.write(Path(sys.argv[1]), "a.txt", "x" * 100_000)
        except files.ActionFailed as refusal:
            print(refusal)
    """)
    child = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert "the disk is full" in child.stdout
    assert (tmp_path / "a.txt").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if path.name != ".agentloop"] == ["a.txt"]


def test_a_reader_sees_the_old_or_the_new_file_and_nothing_between(tmp_path: Path) -> None:
    import threading

    old, new = "a" * 200_000, "b" * 200_000
    safe_files.write(tmp_path, "a.txt", old)
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.add((tmp_path / "a.txt").read_text())

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in range(60):
        safe_files.write(tmp_path, "a.txt", new if number % 2 else old)
    done.set()
    watcher.join()
    assert seen <= {old, new}
