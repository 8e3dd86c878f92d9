"""Two notebooks of one folder whose runs go on at the same time: nothing of one gets into the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kernel.conftest import PYTHONS, Kernel
from tests.wire import Wire, decision, finish

pytestmark = pytest.mark.kernel

MEET = """
from pathlib import Path
import time
Path("{me}.there").touch()
mine = ["{me}"]
print("{me} waits")
while len(list(Path().glob("*.there"))) < 2: time.sleep(0.01)
print("{me} goes on")
"""


@pytest.fixture(params=PYTHONS, ids=lambda path: Path(path).parent.parent.name or "python")
def notebooks(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Kernel]]:
    """Two kernels in the same folder."""
    with ExitStack() as stack:
        started = {}
        for name in ("quokka", "wombat"):
            started[name] = Kernel(request.param, tmp_path)
            stack.callback(started[name].close)
        yield started


def script(me: str) -> list[object]:
    """Steps that end only if the other run is at work as well."""
    return [
        decision("run_code", code=MEET.format(me=me), timeout=60),
        decision("write_file", filename=f"{me}.txt", content=me),
        decision("run_code", code=f"mine.append(open('{me}.txt').read()); made_by_{me} = mine"),
        finish(f"{me} is done"),
    ]


def test_two_runs_at_once_keep_apart(notebooks: dict[str, Kernel], tmp_path: Path) -> None:
    others = {"quokka": "wombat", "wombat": "quokka"}
    with ExitStack() as stack:
        wires = {me: stack.enter_context(Wire(script(me))) for me in others}
        for kernel in notebooks.values():
            kernel.run("%load_ext agentloop_nb\nmine = 'the user\\'s'")
        goals = {me: f"%%agent -m scripted --base-url {wires[me].base_url}\ngoal of {me}" for me in others}
        requests = {me: kernel.send(goals[me]) for me, kernel in notebooks.items()}
        shown = {me: str(kernel.collect(requests[me])) for me, kernel in notebooks.items()}

    ids = {me: kernel.evaluate("_agent.id") for me, kernel in notebooks.items()}
    assert len(set(ids.values())) == 2
    assert sorted(path.stem for path in (tmp_path / ".agentloop" / "runs").glob("*.jsonl")) == sorted(ids.values())
    for me, other in others.items():
        kernel = notebooks[me]
        assert kernel.evaluate("[_agent.status, _agent.goal, _agent.summary]") == [
            "finished",
            f"goal of {me}",
            f"{me} is done",
        ]
        assert kernel.evaluate("mine") == [me, me]
        assert kernel.evaluate("[step.result.output for step in _agent.steps][0]").startswith(f"{me} waits\n{me} goes")
        assert kernel.evaluate("sorted(name for name in globals() if name.startswith('made_by'))") == [f"made_by_{me}"]
        assert kernel.evaluate("_agent.steps[0].result.metadata.get('files')") == [f"{me}.there"]
        assert other not in shown[me].replace(str(tmp_path), "")
        told = re.sub(rf"{other}\.(there|txt)", "", str(wires[me].bodies))  # files of the folder that they share
        assert other not in told, "the model of one heard of the other"
        record = (tmp_path / ".agentloop" / "runs" / f"{ids[me]}.jsonl").read_text()
        assert f"goal of {other}" not in record

    kernel = notebooks["quokka"]
    listed = str(kernel.run("%agent runs"))
    assert all(each in listed for each in ids.values()), "both are runs of this folder"
    kernel.run("%agent undo 4")
    assert kernel.evaluate("mine") == "the user's"
    assert notebooks["wombat"].evaluate("mine") == ["wombat", "wombat"]
    assert not (tmp_path / "quokka.txt").exists()
    assert (tmp_path / "wombat.txt").read_text() == "wombat"
