"""Approval on a terminal, through a real pseudo-terminal."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

ASK = """
import asyncio
from agentloop_nb.decision import parse
from agentloop_nb.events import ApprovalAsked
from agentloop_nb.terminal.terminal_view import TerminalView

decision = parse('{"action": "run_code", "reasoning": "because", "input": {"code": "print(1)"}}')
answer = asyncio.run(TerminalView().approver(ApprovalAsked(step=1), decision))
edited = answer.edited and answer.edited.action.code
print(f"<{answer.approved}|{answer.reason}|{answer.by}|{answer.rest}|{edited!r}>")
"""


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        (["y"], "True||user|False|None"),
        (["YES"], "True||user|False|None"),
        (["a"], "True||user|True|None"),
        (["n"], "False||user|False|None"),
        (["no, use the other file"], "False|use the other file|user|False|None"),
        (["use the other file"], "False|use the other file|user|False|None"),
        (["", "y"], "True||user|False|None"),
    ],
)
def test_answers(tmp_path: Path, answers: list[str], verdict: str) -> None:
    assert verdict in spoken(tmp_path, answers)


def test_editing_replaces_the_code_and_asks_again(tmp_path: Path) -> None:
    assert r"True||user|False|'print(1)\nprint(2)'" in spoken(tmp_path, ["e", "y"], editor=editor(tmp_path))


def test_an_editor_that_fails_changes_nothing(tmp_path: Path) -> None:
    text = spoken(tmp_path, ["e", "y"], editor="false")
    assert "That could not be used: the editor false failed" in text
    assert "True||user|False|None" in text


def test_without_a_terminal_it_is_refused_at_once_with_the_way_out(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert (
        "<False|nobody is there to approve it (no terminal); run it from a terminal, or with --approve auto|policy"
        in (done.stdout)
    )


def editor(folder: Path) -> str:
    script = folder / "editor.sh"
    script.write_text('#!/bin/sh\nprintf "\\nprint(2)" >> "$1"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def spoken(folder: Path, answers: list[str], editor: str = "") -> str:
    """What stands on the terminal when these answers are typed."""
    environment = {"EDITOR": editor, "TERM": "xterm", "PATH": "/usr/bin:/bin"}
    child = pexpect.spawn(sys.executable, ["-c", ASK], cwd=folder, encoding="utf-8", timeout=30, env=environment)
    said = ""
    for answer in answers:
        child.expect_exact("a reason: ")
        said += child.before
        child.sendline(answer)
    child.expect(pexpect.EOF)
    return said + child.before
