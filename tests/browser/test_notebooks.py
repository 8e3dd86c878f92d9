"""The notebooks we ship, opened and run as a new user would, and what they export opened in turn."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PICTURES, REPOSITORY, Page, Server

EVERYWHERE = os.environ.get("EVERY_FRONT_END")
"""Without it only JupyterLab opens them: a front end shows the same outputs as the other."""
SHIPPED = {
    "02-data-analysis": 2,
    "03-research": 1,
    "04-search": 1,
    "05-undo-and-why": 1,
    "06-contract": 1,
    "07-fork-and-compare": 3,
    "08-isolated": 1,
    "09-own-actions-and-sql": 1,
}
"""Notebooks, with how many runs each shows; a comparison has steps to open, too."""
IDLE = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = panel.content.widgets.filter(cell => cell.model.type === 'code');
  const kernel = panel.sessionContext.session?.kernel;
  return cells.every(c => c.model.executionCount) && kernel?.status === 'idle';
}"""


@pytest.fixture(autouse=True)
def shipped(server: Server, front: str) -> None:
    """The notebooks lie in the server's folder, and are opened here."""
    if front != "lab" and not EVERYWHERE:
        pytest.skip("EVERY_FRONT_END is not set")
    shutil.copytree(REPOSITORY / "notebooks", server.folder / front, dirs_exist_ok=True)


def run_through(page: Page, path: str, panels: int, *, repaired: str = "\0") -> None:
    """Open a notebook and run all of it; every cell does well, and the runs are shown."""
    page.open(path)
    page.run_all()
    page.page.wait_for_function(IDLE, polling=300, timeout=120_000)
    expect(page.page.locator(".jp-RenderedHTML:has(summary b)")).to_have_count(panels)
    for kind in ("error", "stderr"):
        told = page.page.locator(f"[data-mime-type='application/vnd.jupyter.{kind}']").all_inner_texts()
        assert [text for text in told if repaired not in text] == []
    expect(page.page.locator("body")).not_to_contain_text("Error displaying widget")
    assert page.problems == []
    page.picture(path.replace("/", "-").removesuffix(".ipynb"))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_notebook_we_ship_runs_from_top_to_bottom(page: Page, server: Server, name: str) -> None:
    run_through(page, f"{page.front}/{name}.ipynb", SHIPPED[name])
    page.save()


def test_an_export_opens_and_runs_like_any_notebook(page: Page, server: Server) -> None:
    run_through(page, f"{page.front}/01-quickstart.ipynb", 1)
    exported = server.folder / page.front / "cafe-run.ipynb"
    assert "agentloop" in nbformat.read(exported, 4).metadata
    page.close()
    run_through(page, f"{page.front}/{exported.name}", 0, repaired="'closed'")
    subprocess.run([sys.executable, "-m", "nbconvert", "--to", "html", str(exported)], check=True, capture_output=True)
    page.close()
    page.page.goto(exported.with_suffix(".html").as_uri())
    expect(page.page.locator("body")).to_contain_text("cafe.svg")
    if PICTURES:
        page.page.screenshot(path=f"{PICTURES}/{page.front}-export-page.png", full_page=True)
    page.open(f"{page.front}/{exported.name}")


@pytest.mark.skipif(not EVERYWHERE, reason="EVERY_FRONT_END is not set, and Voila shows the app to the tests anyway")
def test_the_app_works_in_a_cell_too(page: Page, server: Server) -> None:
    page.open(f"{page.front}/app.ipynb")
    page.run_all()
    page.page.get_by_label("Model", exact=True).fill("demo")
    page.page.get_by_role("button", name="Which day of the week").click()
    page.page.get_by_role("button", name="Run", exact=True).last.click()
    expect(page.page.locator("[role=status]", has_text="reports the goal met")).to_be_visible()
    expect(page.page.locator("div:has(> a[download='cafe.svg'])")).to_be_visible()
    page.picture(f"{page.front}-app")
