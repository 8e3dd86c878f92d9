"""Whole sessions, made in real kernels, exported from them: sound at the first try, or red and in words."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.record.kernels import kernel, script
from tests.record.sessions import SESSIONS, Session

pytestmark = pytest.mark.kernel

ALL = bool(os.environ.get("CORPUS_SESSIONS"))
"""With `CORPUS_SESSIONS=1` all sessions; else each sixth: minutes less."""


@pytest.mark.parametrize("session", SESSIONS if ALL else SESSIONS[::6], ids=lambda each: each.name)
def test_the_last_goal_of_a_session_exports_sound_or_says_why_not(session: Session, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for name, text in session.files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    with kernel(work) as live:
        live.run("%load_ext agentloop_nb")
        for number, typed in enumerate(session.typed):
            if isinstance(typed, str):
                live.run(typed)
            else:
                decisions = script(tmp_path / f"decisions-{number}.jsonl", typed)
                live.run(f"%%agent -m replay:{decisions} Goal {number}")
        said = live.text(f"%agent export {tmp_path / 'out' / 'run.ipynb'}")
    notebook = json.loads((tmp_path / "out" / "run.ipynb").read_text())
    verdict = notebook["metadata"]["agentloop"]["verdict"]
    code = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    if session.red:
        assert not verdict["ok"], said
        assert session.red in verdict["cause"], said
        return
    assert verdict["ok"], said
    assert len([name for name in verdict["unchecked"] if name.startswith("step-")]) == session.unchecked, verdict
    assert all(piece in code for piece in session.holds), code
    assert not any(piece in code for piece in session.lacks), code
