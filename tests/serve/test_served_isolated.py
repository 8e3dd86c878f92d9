"""An outside agent works in a kernel of its own, behind the same tools."""

from __future__ import annotations

import asyncio
import os
import signal

import nbformat
import pytest

from tests.serve.conftest import SERVES, said

pytestmark = [pytest.mark.kernel, pytest.mark.skipif(not SERVES, reason="serving needs ipykernel 7")]

FIGURE = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"


@pytest.fixture
def apart(notebook, served):
    """Serves the kernel with a process of its own for the code."""
    return lambda options="": served(f"--isolated --approve auto {options}")


async def test_it_gets_copies_and_the_person_takes_what_they_want(notebook, apart):
    notebook.cell("mine = [1, 2]\nunasked = 3")
    assert "process and folder of its own" in apart("sum up mine")
    async with notebook.agent() as agent:
        told = await agent.text("describe_namespace")
        assert "mine: list len 2" in told
        assert "unasked" not in told
        assert "isolated" in told
        assert "[1, 2]" in await agent.text("get_variable", name="mine")
        assert "no variable 'unasked'" in await agent.text("get_variable", name="unasked")
        first = await agent.run("mine.append(3); total = sum(mine)\nprint(total)")
        assert said(first).startswith("6\n")
        assert "added total: int" in first.structured_content["changes"]
        assert "image" in [each.type for each in (await agent.run(FIGURE)).content]
        assert (await agent.run("1 / 0")).structured_content["error"] == "ZeroDivisionError: division by zero"
        assert "step 1" in await agent.text("why", name="total")
        await agent.call("write_file", filename="out.txt", content="6", why="to keep it")
        await agent.call("finish", summary="It is 6.", artifacts=["out.txt"], why="done")
        assert "Reproduced" in await agent.text("export", path="apart.ipynb")
    assert notebook.cell("mine, 'total' in globals()") == "([1, 2], False)"
    assert not (notebook.folder / "out.txt").exists()
    shown = notebook.cell("%agent serve --stop")
    assert "nothing here has changed" in shown
    assert "%agent adopt" in shown
    notebook.cell("%agent adopt total out.txt")
    assert notebook.cell("total") == "6"
    assert (notebook.folder / "out.txt").read_text() == "6"
    exported = nbformat.read(notebook.folder / "apart.ipynb", as_version=4)
    assert "through MCP" in exported.cells[0].source
    notebook.cell("del mine, total")


async def test_undo_and_restore_by_either_side(notebook, apart):
    notebook.cell("mine = 1")
    apart("--with mine")
    async with notebook.agent() as agent:
        await agent.run("mine = 2")
        await agent.run("theirs = 3")
        assert "Step 2 is taken back" in await agent.text("undo")
        assert "mine is as it was" in await agent.text("restore", name="mine")
        assert said(await agent.run("print(mine, 'theirs' in globals())")).startswith("1 False")
        assert "is taken back" in notebook.cell("%agent undo")
        await agent.run("mine = 5")
        assert "mine is as it was" in notebook.cell("%agent restore mine")
        answer = said(await agent.run("print(mine)"))
        assert answer.startswith("1\n")
        assert "I have given mine back" in answer
    assert notebook.cell("mine") == "1"


async def test_a_cancelled_call_ends_its_step_and_not_the_run(notebook, apart):
    apart()
    async with notebook.agent() as agent:
        await agent.run("import time")
        running = asyncio.ensure_future(agent.run("begun = True; time.sleep(60)"))
        await asyncio.sleep(0.7)
        assert "busy" in await agent.text("status")
        running.cancel()
        assert said(await agent.run("print(begun)")).startswith("True")
    assert "running" not in notebook.state().steps[1].result.output


async def test_it_waits_for_no_cell_and_looks_never_meet_a_step(notebook, apart):
    apart()
    async with notebook.agent() as agent:
        cell = notebook.begin("import time; time.sleep(3); 'over'")
        step = await agent.run("print('meanwhile')")
        assert said(step).startswith("meanwhile")
        assert step.structured_content["waited"] == 0
        slow = asyncio.ensure_future(agent.run("import time; time.sleep(0.5); held = 1"))
        looks = await asyncio.gather(*(agent.text("describe_namespace") for _ in range(6)))
        assert not (await slow).is_error
        assert all("Variables" in each or "empty" in each for each in looks)
        await asyncio.to_thread(notebook.collect, cell)


async def test_a_process_that_dies_is_brought_back_with_its_variables(notebook, apart):
    apart()
    async with notebook.agent() as agent:
        pid = int(said(await agent.run("import os; kept = 7; print(os.getpid())")).split()[0])
        assert pid != int(notebook.cell("import os; os.getpid()"))
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.5)
        assert said(await agent.run("print(kept)")).startswith("7")


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("--with mine", "add --isolated"),
        ("--isolated --with nix", "--with names 'nix'"),
        ("--isolated --limits memory=x", "memory"),
    ],
)
def test_what_cannot_be_isolated_is_told_in_a_line(notebook, typed, told):
    shown = notebook.cell(f"%agent serve {typed}")
    assert shown.startswith("UserError: ")
    assert told in shown
