"""The code of a step trusts no stranger's record or folder, whichever way it asks: only what a person types does."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentloop_nb.notebook.kernel.private_shell import private_shell
from agentloop_nb.record import locating, trust
from tests.record.made import counting
from tests.safety.deceptions import code
from tests.safety.scene import Scene, carry_out

LOAD = "%load_ext agentloop_nb\n"
WAYS = {
    "the magic": [code(f"{LOAD}%agent trust")],
    "the magic with a folder": [code(f"{LOAD}%agent trust bundle")],
    "the magic with a record": [code(f"{LOAD}%agent trust bundle/.agentloop/runs/r1.jsonl")],
    "the magic by its function": [code(f"{LOAD}get_ipython().run_line_magic('agent', 'trust bundle')")],
    "the magic in a cell": [code(f"{LOAD}get_ipython().run_cell('%agent trust bundle')")],
    "the magic in a thread": [
        code(
            f"{LOAD}import threading\nsay = get_ipython().run_line_magic\n"
            "t = threading.Thread(target=say, args=('agent', 'trust bundle'))\nt.start()\nt.join()"
        )
    ],
    "the magic in a task": [
        code(
            f"{LOAD}import asyncio\nsay = get_ipython().run_line_magic\n"
            "await asyncio.gather(asyncio.to_thread(say, 'agent', 'trust bundle'), return_exceptions=True)"
        )
    ],
    "the magic in built text": [code(LOAD + "exec(\"get_ipython().run_line_magic('ag' 'ent', 'tr' 'ust bundle')\")")],
    "the magic in a file": [code("%%writefile t.ipy\n%agent trust bundle"), code(f"{LOAD}%run t.ipy")],
    "the command line": [code("!agentloop trust bundle")],
    "the command line as a module": [
        code("import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'agentloop_nb', 'trust', 'bundle'])")
    ],
    "our own function": [
        code("from agentloop_nb.record import trust\nfrom pathlib import Path\ntrust.vouch(Path('bundle'))")
    ],
    "our own command": [code("from agentloop_nb.cli import main\nmain(['trust', 'bundle'])")],
    "a line signed by hand": [
        code(
            "from agentloop_nb.record.trust import begin\nfrom pathlib import Path\nchain = begin('vouched')\n"
            "path = Path('bundle/.agentloop/runs/r1.jsonl')\nout = b''\n"
            "for line in path.read_bytes().splitlines():\n    signed, chain = chain.sign(line)\n"
            "    out += signed + b'\\n'\n"
            "path.write_bytes(out)"
        )
    ],
}


@pytest.fixture
def records(scene: Scene) -> list[Path]:
    """Records that a stranger left in the working folder and in one below it."""
    made = []
    for folder in (scene.folder, scene.folder / "bundle"):
        path = locating.runs_folder(folder) / "r1.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(event.model_dump_json() + "\n" for event in counting()))
        made.append(path)
    return made


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("gate", [True, False], ids=["asked early", "judged when it happens"])
@pytest.mark.parametrize("way", WAYS)
async def test_no_step_trusts_what_a_stranger_left(scene: Scene, records: list[Path], way: str, gate: bool) -> None:
    state = await carry_out(scene, WAYS[way], gate=gate)
    assert [trust.standing(each) for each in records] == ["foreign", "foreign"], state.steps[-2].result
    told = str([step.result for step in state.steps])
    assert "efused" in told or "for the person at the keyboard" in told or "thread" in way, told


def test_what_the_person_types_does(scene: Scene, records: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(scene.folder)
    shell = private_shell()
    shell.run_cell(f"{LOAD}%agent trust bundle")
    assert [trust.standing(each) for each in records] == ["foreign", "vouched"]
