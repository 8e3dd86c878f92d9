"""A JupyterLite site on loopback and a Chromium that can reach nothing else; `lite/build.py` makes the site."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SITE = os.environ.get("LITE_SITE", "")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skip(reason="no site: python lite/build.py SITE, then LITE_SITE=SITE")
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(300))
            if not SITE:
                item.add_marker(missing)


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".wasm": "application/wasm", ".mjs": "text/javascript"}

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class Lite:
    """A page of the site, and what a person does there."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.address = address
        self.model = ""
        """Address of a model server that is to answer under the site's own /v1."""
        self.refused: list[str] = []
        """Addresses elsewhere that the page asked for in vain."""
        page.context.route("**/*", self._route)

    def _route(self, route: Any) -> None:
        address = route.request.url
        if self.model and address.startswith(f"{self.address}/v1/"):
            route.fulfill(response=route.fetch(url=address.replace(f"{self.address}/v1", self.model)))
        elif not address.startswith((self.address, "data:", "blob:")):
            self.refused.append(address)
            route.abort()
        elif address.partition("?")[0] == f"{self.address}/jupyter-lite.json":
            config = route.fetch().json()
            config["jupyter-config-data"]["exposeAppInBrowser"] = True
            route.fulfill(json=config)
        else:
            route.continue_()

    def open(self, notebook: str) -> None:
        """Open a notebook of the site, with a kernel of its own."""
        self.page.goto(f"{self.address}/notebooks/index.html?path={notebook}")
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        )

    def run_all(self) -> list[dict[str, Any]]:
        """Run every cell; returns the code cells with their outputs."""
        return [
            cell
            for cell in self.page.evaluate(
                """async () => {
                    await window.jupyterapp.commands.execute('notebook:run-all-cells');
                    return window.jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON().cells;
                }"""
            )
            if cell["cell_type"] == "code"
        ]

    def content(self, path: str) -> str:
        """What a file of the page's own holds, as text."""
        return self.page.evaluate(
            """async path => (await window.jupyterapp.serviceManager.contents.get(
                path, {content: true, format: 'text'})).content""",
            path,
        )

    def run(self, *cells: str) -> list[dict[str, Any]]:
        """Run cells in a new notebook."""
        made = [{"cell_type": "code", "source": cell, "metadata": {}, "outputs": []} for cell in cells]
        self.page.goto(f"{self.address}/tree/index.html")
        self.page.wait_for_function("() => window.jupyterapp?.serviceManager?.isReady")
        self.page.evaluate(
            """async content => window.jupyterapp.serviceManager.contents.save(
                'made.ipynb', {type: 'notebook', format: 'json', content})""",
            {"cells": made, "metadata": {"kernelspec": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5},
        )
        self.open("made.ipynb")
        return self.run_all()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        started = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def lite(browser: Any) -> Iterator[Lite]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    context = browser.new_context(viewport={"width": 1000, "height": 1400})
    context.set_default_timeout(120_000)
    yield Lite(context.new_page(), f"http://127.0.0.1:{server.server_port}")
    context.close()
    server.shutdown()


def told(cell: dict[str, Any]) -> str:
    """What a cell shows, as text."""
    return "\n".join(_text(output) for output in cell["outputs"])


def _text(output: dict[str, Any]) -> str:
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    text = output["text"] if output["output_type"] == "stream" else output["data"].get("text/plain", json.dumps(output))
    return "".join(text)
