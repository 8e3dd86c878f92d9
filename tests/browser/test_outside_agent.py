"""An agent that nobody here wrote does an analysis in JupyterLab while a person watches its panel, and decides.

Needs `PYDANTIC_AI_PYTHON`, an interpreter with `pydantic-ai-slim[mcp,openai]`, if this one has it not.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import REPOSITORY, SERVES_WHILE_BUSY, Page, Server
from tests.serve import analysis
from tests.tool_calls import last_word
from tests.wire import Wire

HERE = [sys.executable] if importlib.util.find_spec("pydantic_ai") else []
PYTHON = next(iter([*filter(None, [os.environ.get("PYDANTIC_AI_PYTHON")]), *HERE]), "")
SCRIPT = REPOSITORY / "tests" / "serve" / "outside" / "pydantic_agent.py"

pytestmark = [
    pytest.mark.skipif(not SERVES_WHILE_BUSY, reason="serving needs ipykernel 7"),
    pytest.mark.skipif(not PYTHON, reason="set PYDANTIC_AI_PYTHON"),
]


@pytest.mark.parametrize("front", ["lab", "notebook"], indirect=True)
def test_a_person_watches_an_analysis_of_eight_steps(page: Page, server: Server) -> None:
    serving = "%agent serve --name analysed Find out why sales fell in March."
    page.open(server.notebook("analysed.ipynb", "%load_ext agentloop_nb", analysis.SALES, serving, "sales"))
    page.run_all()
    expect(page.page.locator(".jp-OutputArea-output", has_text="Served as 'analysed'")).to_be_visible()
    page.wait_for_kernel()
    runtime = {"JUPYTER_RUNTIME_DIR": str(server.folder / ".home" / "runtime"), "PYTHONPATH": str(REPOSITORY)}
    with Wire([*analysis.analysis(), last_word("March has 7 of 40.")]) as wire:
        command = [PYTHON, str(SCRIPT), wire.base_url, analysis.TASK, sys.executable, "-m", "agentloop_nb", "mcp"]
        agent = subprocess.Popen(
            command, env=os.environ | runtime, cwd=server.folder, stdout=subprocess.PIPE, text=True
        )
        page.picture("outside-asks", ".jp-Notebook")
        expect(page.card(1, ".agl-default")).to_contain_text("this call is refused, and the agent is told")
        page.card(1, "button:text-is('Approve')").click()
        expect(page.card(1)).to_have_attribute("data-state", "done")
        expect(page.card(1)).to_contain_text("Count what is known")
        page.card(2, "button:text-is('Approve the rest')").click()
        expect(page.card(2)).to_have_attribute("data-state", "failed")
        page.picture("outside-works", ".jp-Notebook")
        assert "March has 7 of 40." in agent.communicate(timeout=120)[0]
        told = str(wire.bodies[-1]["messages"])
    assert "put back: sales" in told
    assert "Reproduced" in told
    expect(page.static()).to_contain_text("March has 7 of 40.")
    page.picture("outside-finished", ".jp-Notebook")
    exported = nbformat.read(server.folder / "analysis.ipynb", as_version=4)
    assert "through MCP" in exported.cells[0].source
    assert page.problems == []
