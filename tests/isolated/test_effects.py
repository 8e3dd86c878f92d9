"""The effects of an isolated run are judged in its process, too."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.safety.observed_effects import Mandate
from agentloop_nb.testing import FakeWeb


def test_what_nobody_named_is_refused_in_the_process(tmp_path: Path) -> None:
    place = IsolatedWorkspace(tmp_path / "work", web=FakeWeb())
    canary, ordinary = tmp_path / "canary", tmp_path / "work" / "mine.txt"

    async def run(code: str) -> str:
        place.mandate = Mandate(anybody=True)
        outcome = await place.run_code(code, step=1, timeout=60, on_output=lambda _: None)
        return "\n".join(outcome.notes)

    try:
        told = asyncio.run(run(f"c = 'touch ' + {str(canary)!r}\n!{{c}}"))
        asyncio.run(run("open('mine.txt', 'w').close()"))
    finally:
        place.close()
    assert "Refused: it starts 'touch " in told
    assert "nobody is there to allow it" in told
    assert not canary.exists()
    assert ordinary.exists()
