"""Rebuilding: what ran runs again and must do the same; what cannot be repeated is asked about; files stay."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from agentloop_nb.actions import ActionResult
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.loop import Loop
from agentloop_nb.errors import ActionFailed
from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace
from agentloop_nb.notebook.kernel.private_shell import private_shell
from agentloop_nb.rebuild import loose_ends, rebuild
from agentloop_nb.settings import Settings
from agentloop_nb.state import State, fold
from agentloop_nb.testing import ScriptedModel, code, decide, finish
from tests.record.made import finished, printed, started, step


class NoWeb:
    """Fails the test if anything is asked of the web."""

    async def search(self, query: str, num_results: int) -> Any:
        raise ActionFailed("nothing is there")

    read = search


def workspace(folder: Path) -> KernelWorkspace:
    return KernelWorkspace(private_shell(), web=NoWeb(), folder=folder)


async def ran(folder: Path, *decisions, **fields) -> list:
    """The events of a run that took place in a shell of its own."""
    events: list = []
    state = State()
    stream = Stream(state, events.append)
    stream.emit(started(**fields))
    model = ScriptedModel([code(each) if isinstance(each, str) else each for each in decisions] + [finish()])
    await Loop(stream, model, workspace(folder), Settings()).run()
    assert state.status == "finished", state.reason
    return events


def test_a_file_that_was_written_as_the_kernel_died_is_known_for_the_runs_own():
    begun = [started(), *step(1, "write_file", printed(""), filename="a.txt", content="ä")[:-1]]
    known = hashlib.sha256("ä".encode()).hexdigest()
    assert fold(begun).written == {known}
    assert fold([*begun, *loose_ends(fold(begun))]).written == {known}
    assert fold(begun[:-1]).written == frozenset(), "decided, and never begun"


async def test_variables_come_back_and_the_web_is_not_asked_again(tmp_path):
    events = await ran(tmp_path, "x = 20", decide("search_web", query="q"), "y = x + 1\ny")
    place = workspace(tmp_path)
    place.web.search = place.web.read = None
    rebuilt = await rebuild(events, place)
    assert (rebuilt.steps, rebuilt.divergence) == ((1, 3), None)
    assert place.variables(["x", "y"]) == {"x": 20, "y": 21}


async def test_cells_from_before_the_run_that_it_needs_run_first(tmp_path):
    needed, other = "base = 5", "raise SystemError('not needed')"
    events = [
        started(cells=(needed, other)),
        *step(1, "run_code", printed("6\n"), code="print(base + 1)"),
        *finished(2),
    ]
    place = workspace(tmp_path)
    rebuilt = await rebuild(events, place)
    assert (rebuilt.cells, rebuilt.steps, rebuilt.divergence) == (1, (1,), None)


async def test_the_first_divergence_stops_it_and_is_shown(tmp_path):
    (tmp_path / "n.txt").write_text("1")
    events = await ran(tmp_path, "n = int(open('n.txt').read())", "print('n is', n)", "n += 1")
    (tmp_path / "n.txt").write_text("7")
    place = workspace(tmp_path)
    rebuilt = await rebuild(events, place)
    assert rebuilt.steps == (1,)
    assert rebuilt.divergence.text == "step 2 came out differently: it was 'n is 1', now it is 'n is 7'"
    assert place.variables(["n"]) == {"n": 7}
    assert (await rebuild(events, workspace(tmp_path), anyway=True)).steps == (1, 2, 3)


async def test_code_that_cannot_be_repeated_is_asked_about(tmp_path):
    events = await ran(tmp_path, "!echo once >> marks.txt", "x = 1")
    asked: list[str] = []

    async def ask(source: str, risks: tuple[str, ...]) -> bool:
        asked.append(source)
        assert "shell" in risks
        return len(asked) > 1

    rebuilt = await rebuild(events, workspace(tmp_path), ask=ask)
    assert (rebuilt.skipped, rebuilt.steps) == ((1,), (2,))
    assert (await rebuild(events, workspace(tmp_path))).skipped == (1,)
    assert (tmp_path / "marks.txt").read_text() == "once\n"
    assert (await rebuild(events, workspace(tmp_path), ask=ask)).steps == (1, 2)


async def test_files_end_as_they_were_found(tmp_path):
    (tmp_path / "kept.txt").write_text("from before\n")
    events = await ran(
        tmp_path,
        "with open('log.txt', 'a') as f:\n    f.write('line\\n')",
        decide("write_file", filename="a.txt", content="first"),
        "open('a.txt').read()",
        "text = open('kept.txt').read()\nwith open('kept.txt', 'w') as f:\n    f.write(text + 'more\\n')",
    )
    found = {name: (tmp_path / name).read_text() for name in ("log.txt", "a.txt", "kept.txt")}
    (tmp_path / "a.txt").write_text("edited by the user since")
    rebuilt = await rebuild(events, workspace(tmp_path))
    assert rebuilt.steps == (1, 2, 3), rebuilt.divergence
    assert rebuilt.divergence.step == 4, "what it read is gone: it wrote over it"
    now = {name: (tmp_path / name).read_text() for name in found}
    assert now == found | {"a.txt": "edited by the user since"}
    assert not any((tmp_path / ".agentloop" / "aside").iterdir())


async def test_a_rebuilding_that_was_killed_leaves_the_files_to_the_next(tmp_path):
    events = await ran(tmp_path, "open('a.txt', 'w').write('made')", "open('a.txt').read()")
    aside = tmp_path / ".agentloop" / "aside" / fold(events).run
    aside.mkdir(parents=True)
    (tmp_path / "a.txt").rename(aside / "a.txt")
    (tmp_path / "a.txt").write_text("half written")
    assert (await rebuild(events, workspace(tmp_path))).divergence is None
    assert (tmp_path / "a.txt").read_text() == "made"


@pytest.mark.parametrize("stopped", [True, False])
async def test_a_step_that_never_ended_by_itself_is_not_repeated(tmp_path, stopped):
    cut = ActionResult(success=False, output="", error="TimeoutError: stopped after 30 s", stopped=stopped)
    events = [started(), *step(1, "run_code", cut, code="while True: pass"), *finished(2)]
    assert (await rebuild(events, workspace(tmp_path))).steps == ()


def test_what_a_killed_kernel_could_not_write_is_added():
    begun = [started(), *step(1, "run_code", printed(""), code="x")[:-1]]
    (ending,) = loose_ends(fold(begun))
    assert ending.result.error == "the kernel died while this ran"
    assert loose_ends(fold([*begun, ending])) == []
    (end,) = loose_ends(fold([started(), *finished(1, "All done.")[:-1]]))
    assert (end.status, end.summary) == ("finished", "All done.")
    assert loose_ends(fold([started(), *finished(1)])) == []


async def test_files_kept_aside_are_never_fetched_through_a_link_that_leads_out(tmp_path):
    work, outside = tmp_path / "work", tmp_path / "outside"
    for folder in (work / ".agentloop" / "aside", outside):
        folder.mkdir(parents=True)
    (outside / "mine.txt").write_text("mine")
    events = await ran(work, "x = 1")
    (work / ".agentloop" / "aside" / fold(events).run).symlink_to(outside)
    with pytest.raises(OSError, match="is a link"):
        await rebuild(events, workspace(work))
    assert (outside / "mine.txt").read_text() == "mine"
