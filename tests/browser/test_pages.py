"""A finished run outside a notebook: converted pages without scripts, sanitised pages, slides, print, Voila."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import expect

from agentloop_nb.notebook.panel.html import plain_text, static_html
from agentloop_nb.notebook.panel.native_outputs import final_outputs
from agentloop_nb.state import fold
from tests.browser.conftest import PICTURES, _free_port
from tests.browser.test_live import LOAD, goal
from tests.panel import story
from tests.wire import Wire, decision, finish

SHOWN = "e => e.checkVisibility({contentVisibilityAuto: true}) && e.getBoundingClientRect().height > 0"


def stored(folder: Path) -> Path:
    """A notebook that holds a finished run, as it lies on disk."""
    state = fold(story.whole())
    panel = {"text/html": static_html(state), "text/plain": plain_text(state)}
    outputs = [nbformat.v4.new_output("display_data", data) for data in (panel, *final_outputs(state))]
    cell = nbformat.v4.new_code_cell(f"%%agent\n{story.GOAL}", outputs=outputs, execution_count=1)
    cell.metadata["slideshow"] = {"slide_type": "slide"}
    path = folder / "stored.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


@pytest.fixture
def bare(browser: Any) -> Any:
    """A browser page that runs no script."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1000, "height": 1200})
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain", ["--to", "html"]),
        ("sanitised", ["--to", "html", "--HTMLExporter.sanitize_html=True"]),
        ("slides", ["--to", "slides"]),
        ("basic", ["--to", "html", "--template", "classic"]),
    ],
)
def test_a_converted_page_reads_without_scripts(bare: Any, tmp_path: Path, name: str, options: list[str]) -> None:
    command = [sys.executable, "-m", "nbconvert", *options, "--output", "page", str(stored(tmp_path))]
    subprocess.run(command, check=True, capture_output=True)
    (page,) = tmp_path.glob("page*.html")
    bare.goto(page.as_uri())
    body = bare.locator("body")
    for words in (
        story.GOAL,
        "retail sales seasonality",
        "Find the best month.",
        "KeyError: 'Month'",
        "was the best month",
    ):
        expect(body).to_contain_text(words)
    assert "jupyter-widgets" not in body.inner_text()
    if name == "plain":
        expect(bare.locator("details")).to_have_count(8)
        for summary in bare.locator("details > summary").all():
            summary.click()
        expect(bare.locator("pre", has_text="pd.read_csv").last).to_be_visible()
    if PICTURES:
        bare.screenshot(path=f"{PICTURES}/page-{name}.png", full_page=name == "plain")


def test_it_prints(bare: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--output", "page", str(stored(tmp_path))]
    subprocess.run(command, check=True, capture_output=True)
    bare.goto((tmp_path / "page.html").as_uri())
    bare.emulate_media(media="print")
    for step in bare.locator("details > div").all():
        assert step.evaluate(SHOWN), "what is folded on the screen is open on paper"
    if PICTURES:
        bare.screenshot(path=f"{PICTURES}/page-paper.png", full_page=True)
        bare.pdf(path=f"{PICTURES}/page.pdf")
    assert bare.pdf().startswith(b"%PDF")


def test_voila_shows_the_cards_and_never_waits_for_an_approval(browser: Any, tmp_path: Path) -> None:
    replies = [decision("run_code", "Ask first.", code="x = 1"), finish("Done without it.")]
    port = _free_port()
    with Wire(replies) as wire:
        cells = [nbformat.v4.new_code_cell(source) for source in (LOAD, goal(wire, "Ask nobody", "--approve code"))]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "asks.ipynb")
        command = [
            sys.executable,
            "-m",
            "voila",
            "asks.ipynb",
            "--no-browser",
            f"--port={port}",
            "--Voila.ip=127.0.0.1",
        ]
        variables = {"OPENAI_API_KEY": "sk-test-0123456789abcdef0123456789", "IPYTHONDIR": str(tmp_path / "ipython")}
        with (tmp_path / "voila.log").open("w") as log:
            server = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **variables}, stdout=log, stderr=log)
        try:
            _wait_for(f"http://127.0.0.1:{port}/voila/static/voila.js", tmp_path / "voila.log")
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{port}/", timeout=90_000)
            expect(page.locator("body")).to_contain_text("Done without it.")
            expect(page.locator("summary b")).to_have_count(2)
            expect(page.locator("body")).to_contain_text("nobody is there to approve")
            if PICTURES:
                page.screenshot(path=f"{PICTURES}/voila.png")
            page.close()
        finally:
            server.terminate()
            server.wait(20)


def _wait_for(address: str, log: Path) -> None:
    for _ in range(150):
        try:
            urllib.request.urlopen(address, timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(log.read_text())
