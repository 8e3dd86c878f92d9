"""Where a kernel can be served and where not: a notebook run by nbconvert, a terminal, older kernels, no extra."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.serve.conftest import SERVES, Agent, Notebook, said, until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]

WAITS = "import pathlib, time\nwhile not pathlib.Path('queued').exists():\n    time.sleep(0.1)"


def ended(command: list[str], cwd: Path, environment: dict[str, str]) -> Any:
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
        stdin=subprocess.DEVNULL,
    )


class Converted(Notebook):
    """A notebook whose cells nbconvert runs."""

    def __init__(self, folder: Path, environment: dict[str, str], *sources: str) -> None:
        self.folder = folder
        self.environment = environment | {"JUPYTER_RUNTIME_DIR": str(folder / "rt")}
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        nbformat.write(made, folder / "in.ipynb")
        words = ["--to", "notebook", "--execute", "in.ipynb", "--output", "out.ipynb"]
        command = [sys.executable, "-m", "nbconvert", *words]
        self._work = asyncio.ensure_future(asyncio.to_thread(ended, command, folder, self.environment))

    async def is_served(self) -> None:
        """Wait until an agent can connect."""
        await until(lambda: self._work.done() or bool(list((self.folder / "rt").glob("agentloop-*.json"))))

    async def cells(self) -> list[Any]:
        """The cells of the notebook that it saves."""
        done = await self._work
        assert done.returncode == 0, done.stderr
        return list(nbformat.read(self.folder / "out.ipynb", as_version=4).cells)


@pytest.mark.skipif(not SERVES, reason="serving needs ipykernel 7")
async def test_nbconvert_lets_a_step_in_between_two_cells(notebook: Notebook, tmp_path: Path):
    sources = ["%load_ext agentloop_nb\nmine = 6", "%agent serve --approve auto --name converted", WAITS, "answer"]
    here = Converted(tmp_path, notebook.environment, *sources)
    await here.is_served()
    async with here.agent("--kernel", "converted") as agent:
        await _step(agent, tmp_path)
        cells = await here.cells()
    assert cells[3].outputs[0]["data"]["text/plain"] == "42"
    assert "Served as 'converted'" in str(cells[1].outputs)


@pytest.mark.skipif(not SERVES, reason="serving needs ipykernel 7")
async def test_a_cell_of_nbconvert_serves_for_a_while(notebook: Notebook, tmp_path: Path):
    serve = "%agent serve --approve auto --for 100 double mine"
    here = Converted(tmp_path, notebook.environment, "%load_ext agentloop_nb\nmine = 6", serve, "answer")
    await here.is_served()
    async with here.agent() as agent:
        assert "mine: int" in await agent.text("describe_namespace")
        assert (await agent.run("1 / 0")).is_error
        lost = asyncio.ensure_future(agent.run("import time; time.sleep(100)"))
        await asyncio.sleep(0.5)
        lost.cancel()
        code = "import asyncio\nawait asyncio.sleep(0.01)\nanswer = 2 * mine\nprint('twice is', answer)"
        assert said(await agent.run(code)).startswith("twice is 12")
        await agent.run("mine = 0")
        assert "put back: mine" in await agent.text("undo")
        await agent.call("finish", summary="It is 12.", why="done")
        assert "Reproduced" in await agent.text("export", path="steps.ipynb")
    cells = await here.cells()
    assert cells[2].outputs[0]["data"]["text/plain"] == "12"
    shown = str(cells[1].outputs)
    for each in ("Served as", "double mine", "to see what it does", "twice is 12", "It is 12.", "Served no longer"):
        assert each in shown


@pytest.mark.skipif(not SERVES, reason="serving needs ipykernel 7")
async def test_a_cell_of_nbconvert_ends_when_its_time_is_over(notebook: Notebook, tmp_path: Path):
    serve = "%agent serve --approve auto --for 0.01"
    here = Converted(tmp_path, notebook.environment, "%load_ext agentloop_nb\nmine = 6", serve, "mine")
    cells = await here.cells()
    assert "The 0.01 minutes it was served for are over" in str(cells[1].outputs)
    assert cells[2].outputs[0]["data"]["text/plain"] == "6"


async def _step(agent: Agent, folder: Path) -> None:
    """Have a step wait for the cell that runs, then let that cell end."""
    step = asyncio.ensure_future(agent.run("answer = mine * 7"))
    await until(lambda: "decision_made" in "".join(each.read_text() for each in folder.glob(".agentloop/runs/*.jsonl")))
    (folder / "queued").touch()
    assert not (await step).is_error


def test_a_terminal_is_told_what_to_type(notebook: Notebook, tmp_path: Path):
    code = "%load_ext agentloop_nb\nget_ipython().run_line_magic('agent', 'serve')"
    (tmp_path / "typed.ipy").write_text(code)
    done = ended([sys.executable, "-m", "IPython", "--colors=NoColor", "typed.ipy"], tmp_path, notebook.environment)
    assert "only a notebook's kernel can be served; in a terminal, type jupyter lab first" in done.stdout + done.stderr


@pytest.mark.skipif(SERVES, reason="ipykernel 7 can be served")
def test_an_older_kernel_is_told_what_to_install(notebook: Notebook):
    shown = notebook.cell("%agent serve")
    assert shown.strip().startswith(
        "UserError: serving a kernel needs ipykernel 7 or newer: pip install -U 'ipykernel>=7'"
    )
    assert notebook.cell("1 + 1") == "2"


@pytest.mark.parametrize("missing", ["mcp", "mcp_types", "anyio", "uvicorn"])
def test_a_missing_extra_is_one_line(notebook: Notebook, missing: str):
    notebook.cell(
        f"import sys; kept = {{k: sys.modules.pop(k) for k in list(sys.modules) if k.split('.')[0] == {missing!r}}}"
    )
    notebook.cell(f"sys.modules[{missing!r}] = None")
    shown = notebook.cell("%agent serve --http 0")
    notebook.cell(f"del sys.modules[{missing!r}]; sys.modules.update(kept)")
    assert shown.strip() == "UserError: serving needs the MCP SDK: %pip install 'agentloop-nb[mcp]'"
