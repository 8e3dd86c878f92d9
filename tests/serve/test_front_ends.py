"""Where a kernel can be served and where not: a notebook run by nbconvert, a terminal, older kernels, no extra."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.serve.conftest import SERVES, Agent, Notebook, until

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


@pytest.mark.skipif(not SERVES, reason="serving needs ipykernel 7")
async def test_nbconvert_lets_a_step_in_between_two_cells(notebook: Notebook, tmp_path: Path):
    environment = notebook.environment | {"JUPYTER_RUNTIME_DIR": str(tmp_path / "rt")}
    sources = ["%load_ext agentloop_nb\nmine = 6", "%agent serve --approve auto --name converted", WAITS, "answer"]
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbformat.write(made, tmp_path / "in.ipynb")
    convert = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "in.ipynb", "--output", "out.ipynb"]
    work = asyncio.ensure_future(asyncio.to_thread(ended, convert, tmp_path, environment))
    await until(lambda: work.done() or bool(list((tmp_path / "rt").glob("agentloop-*.json"))))
    here = Notebook.__new__(Notebook)  # its kernel is nbconvert's
    here.folder, here.environment = tmp_path, environment
    async with here.agent("--kernel", "converted") as agent:
        await _step(agent, tmp_path)
        done = await work
    assert done.returncode == 0, done.stderr
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert cells[3].outputs[0]["data"]["text/plain"] == "42"
    assert "Served as 'converted'" in str(cells[1].outputs)


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
