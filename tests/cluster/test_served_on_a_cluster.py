"""`%agent serve --on`: the code of an outside agent runs on an engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("mcp", reason="needs the mcp extra")

from agentloop_nb.record import locating
from tests.serve.conftest import SERVES, Notebook, said

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not SERVES, reason="serving needs ipykernel 7"),
]


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Notebook]:
    """A kernel that can be served."""
    with closing(Notebook(tmp_path)) as started:
        yield started


async def test_an_outside_agent_works_on_an_engine_and_the_person_adopts(lab, notebook):
    file = Path(os.environ["IPYTHONDIR"]) / "profile_default" / "security" / f"ipcontroller-{lab.name}-client.json"
    notebook.cell("mine = [1, 2]")
    assert f"runs on an engine of cluster {file}" in notebook.cell(
        f"%agent serve --on {file} --approve auto sum up mine"
    )
    async with notebook.agent() as agent:
        first = await agent.run("total = sum(mine)\nopen('out.txt', 'w').write('3')\nprint(total)")
        assert said(first).startswith("3\n")
        assert any("python" in each.name() for each in lab.kernels())
        await agent.call("finish", summary="It is 3.", artifacts=["out.txt"], why="done")
    assert notebook.cell("'total' in globals()") == "False"
    notebook.cell("%agent serve --stop")
    notebook.cell("%agent adopt total out.txt")
    assert notebook.cell("total") == "3"
    assert (notebook.folder / "out.txt").read_text() == "3"
    (record,) = locating.runs_folder(notebook.folder).glob("*.jsonl")
    assert f"of cluster {file}" in record.read_text()


async def test_a_cluster_that_is_not_there_is_told_in_a_line(notebook):
    told = notebook.cell("%agent serve --on nosuch")
    assert "no cluster of profile 'nosuch' runs here" in told
    assert len(told.strip().splitlines()) == 1
