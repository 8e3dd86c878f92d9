"""A real Jupyter server on loopback and a real Chromium, started by the tests."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

pytest.importorskip("playwright")
pytest.importorskip("jupyterlab")

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
REPOSITORY = Path(__file__).parents[2]
KERNEL_PYTHON = os.environ.get("KERNEL_PYTHON", sys.executable)
"""The interpreter kernels run in; another one brings another ipykernel."""
_VERSION = "from importlib.metadata import version; print(version('ipykernel'))"
IPYKERNEL = tuple(map(int, subprocess.check_output([KERNEL_PYTHON, "-c", _VERSION], text=True).split(".")[:2]))
SERVES_WHILE_BUSY = IPYKERNEL >= (7, 0)
"""Messages of the page reach the kernel while a cell runs: on subshells, or beside a cell that awaits."""
PICTURES = os.environ.get("PICTURES")
"""A folder for screenshots, kept by CI."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skip(reason="no chromium: set CHROMIUM")
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(400))
            if not Path(CHROMIUM).exists():
                item.add_marker(missing)


class Server:
    """A Jupyter server with JupyterLab and Notebook 7, serving one folder."""

    def __init__(self, folder: Path, *, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.token = secrets.token_hex(16)
        self.port = _free_port()
        home = folder / ".home"
        variables = {
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
            "IPYTHONDIR": str(home / "ipython"),
            "PYTHONPATH": str(REPOSITORY),
            "OPENAI_API_KEY": "sk-test-0123456789abcdef0123456789",
            **(environment or {}),
        }
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={self.port}"]
        command += [f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={folder}", "--allow-root"]
        command += ["--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True"]
        command += ["--ServerApp.port_retries=0"]
        _install_kernel(home / "data" / "kernels" / "tested")
        quiet = home / "settings" / "@jupyterlab" / "apputils-extension"
        quiet.mkdir(parents=True)
        (quiet / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
        pages = home / "config" / "labconfig"
        pages.mkdir(parents=True)
        (pages / "page_config.json").write_text('{"disabledExtensions": {"ipyparallel-labextension": true}}')  # it asks
        self.log = (folder / "server.log").open("w")
        self.process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=self.log, stderr=self.log)
        self._wait()

    def _wait(self) -> None:
        for _ in range(1000):
            try:
                urllib.request.urlopen(f"{self.address}/api?token={self.token}", timeout=2).close()
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise RuntimeError((self.folder / "server.log").read_text())

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.log.close()

    def notebook(self, name: str, *cells: str) -> str:
        """Write a notebook of code cells; returns its path in the server."""
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        made.metadata["kernelspec"] = {"name": "tested", "display_name": "Tested", "language": "python"}
        nbformat.write(made, self.folder / name)
        return name


class Page:
    """A notebook open in a front end, and what a person does there."""

    def __init__(self, page: Any, server: Server, front: str) -> None:
        self.page = page
        self.server = server
        self.front = front
        self.problems: list[str] = []
        page.on("dialog", self._answer)
        page.on("pageerror", lambda error: self.problems.append(str(error)) if "blob:" in str(error.stack) else None)

    def _answer(self, dialog: Any) -> None:
        """Leave pages that would rather be saved; any other dialog is a script that ran."""
        if dialog.type != "beforeunload":
            self.problems.append(f"dialog {dialog.message}")
        dialog.accept()

    def open(self, name: str) -> None:
        path = f"lab/tree/{name}?reset" if self.front == "lab" else f"notebooks/{name}"
        joint = "&" if "?" in path else "?"
        self.page.goto(f"{self.server.address}/{path}{joint}token={self.server.token}")
        self.page.wait_for_function("() => window.jupyterapp && document.querySelector('.jp-NotebookPanel')")
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        if self.front == "lab":
            self.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")

    def wait_for_kernel(self) -> None:
        self.page.wait_for_function(
            "() => { const w = window.jupyterapp.shell.currentWidget; const k = w?.sessionContext?.session?.kernel;"
            " return k && k.connectionStatus === 'connected' && k.status === 'idle'; }",
            timeout=60_000,
        )

    def command(self, name: str) -> None:
        self.page.evaluate("name => window.jupyterapp.commands.execute(name)", name)

    def run_all(self) -> None:
        self.wait_for_kernel()
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")

    def panel(self, inner: str = "") -> Any:
        """What is inside the live panel."""
        return self.page.locator(f".agentloop {inner}")

    def card(self, number: int, inner: str = "") -> Any:
        """What is inside a card of the live panel."""
        return self.page.locator(f".agentloop .agl-card[data-n='{number}'] {inner}")

    def static(self, inner: str = "") -> Any:
        """What is inside the page a finished run leaves behind."""
        return self.page.locator(f".jp-RenderedHTML:has(details) {inner}")

    def save(self) -> None:
        self.command("docmanager:save")

    def close(self) -> None:
        """Shut the kernel down and leave."""
        self.page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")

    def theme(self, name: str) -> None:
        self.page.evaluate("name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name)
        self.page.wait_for_function("name => document.body.dataset.jpThemeName === name", arg=name)

    def picture(self, name: str, selector: str | None = None) -> None:
        """Keep a screenshot, if somebody wants them."""
        if PICTURES:
            Path(PICTURES).mkdir(parents=True, exist_ok=True)
            target = self.page.locator(selector).first if selector else self.page
            target.screenshot(path=f"{PICTURES}/{name}.png")


def _install_kernel(folder: Path) -> None:
    command = [KERNEL_PYTHON, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "Tested", "language": "python"}))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("jupyter"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)
    with sync_playwright() as player:
        started = player.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(params=["lab", "notebook"])
def front(request: pytest.FixtureRequest) -> str:
    """JupyterLab or Notebook 7."""
    return str(request.param)


@pytest.fixture
def page(server: Server, browser: Any, front: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1100, "height": 900})
    context.set_default_timeout(60_000)
    opened = Page(context.new_page(), server, front)
    yield opened
    opened.picture(f"{request.node.name}-end")
    opened.close()
    context.close()
