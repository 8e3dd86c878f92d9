"""What is left of a run: after a reload in the middle, after the kernel is gone, in the dark, on a narrow page."""

from __future__ import annotations

import json
import time

import nbformat
from playwright.sync_api import expect

from tests.browser.conftest import IPYKERNEL, Page, Server
from tests.browser.test_live import LOAD, goal
from tests.wire import Wire, decision, finish

PANEL = "application/vnd.jupyter.widget-view+json"
WAIT = """
import asyncio, time
from pathlib import Path
print("waiting")
while not Path("go.txt").exists():
    time.sleep(0.1)
"""
FIGURE = """
import struct, zlib
from IPython.display import Image, display
rows = b"".join(b"\\0" + bytes((31, 119, 180)) * 60 for _ in range(30))
part = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
head = part(b"IHDR", struct.pack(">IIBBBBB", 60, 30, 8, 2, 0, 0, 0))
display(Image(b"\\x89PNG\\r\\n\\x1a\\n" + head + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")))
print("\\x1b[31mred\\x1b[0m costs $5 and $6")
"""


def test_a_page_reloaded_in_the_middle_finds_the_whole_run_again(page: Page, server: Server) -> None:
    replies = [
        decision("run_code", "Before.", code="print('before')"),
        decision("run_code", "Meanwhile.", code=WAIT, timeout=300),
        decision(
            "run_code",
            "Afterwards.",
            code=WAIT.replace("go.txt", "on.txt").replace("time.sleep", "await asyncio.sleep"),
            timeout=300,
        ),
        finish("After all."),
    ]
    with Wire(replies) as wire:
        for name in ("go.txt", "on.txt"):
            (server.folder / name).unlink(missing_ok=True)
        name = server.notebook(f"reload-{page.front}.ipynb", LOAD, goal(wire, "Survive a reload"))
        page.open(name)
        page.run_all()
        expect(page.card(2)).to_have_attribute("data-state", "running")
        page.save()
        page.page.wait_for_timeout(500)
        page.page.reload()
        page.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        (server.folder / "go.txt").touch()  # a busy kernel answers a new page only after the step
        if IPYKERNEL >= (7, 4):  # older ones answer a new page only after the cell
            expect(page.card(3)).to_have_attribute("data-state", "running")
        else:
            (server.folder / "on.txt").touch()
        expect(page.card(1)).to_have_attribute("data-state", "done")
        expect(page.card(2)).to_have_attribute("data-state", "done")
        page.card(1, "summary").click()
        expect(page.card(1, ".agl-out")).to_contain_text("before")
        (server.folder / "on.txt").touch()
        expect(page.static("summary b")).to_have_count(4)
        expect(page.panel()).to_have_count(0)
        expect(page.static()).to_contain_text("After all.")
        page.picture(f"{page.front}-reloaded")
        page.save()
        _wait_until_saved(server, name)
    assert page.problems == []


def test_reopened_without_a_kernel_every_step_is_there(page: Page, server: Server) -> None:
    replies = [
        decision("run_code", "Draw it.", code=FIGURE),
        decision("run_code", "Fail.", code="def f():\n    return 1 / 0\n\nf()"),
        finish("It is **blue**."),
    ]
    name = f"lasting-{page.front}.ipynb"
    with Wire(replies) as wire:
        page.open(server.notebook(name, LOAD, goal(wire, "Draw something blue")))
        page.run_all()
        expect(page.static("summary b")).to_have_count(3)
        page.wait_for_kernel()
        page.save()
        _wait_until_saved(server, name)
    page.close()
    _distrust(server, name)
    page.open(name)
    expect(page.static("summary b")).to_have_count(3)
    for number in range(3):
        summary = page.static("details:has(> summary b)").nth(number)
        if summary.get_attribute("open") is None:
            summary.locator("summary").first.click()
    expect(page.static("img")).to_be_visible()
    expect(page.static()).to_contain_text("red costs $5 and $6")
    expect(page.static()).to_contain_text("ZeroDivisionError: division by zero")
    expect(page.static("strong")).to_have_text("blue")
    expect(page.page.locator("body")).not_to_contain_text("Error displaying widget")
    expect(page.page.locator("body")).not_to_contain_text("Loading widget")
    page.picture(f"{page.front}-reopened")
    page.theme("JupyterLab Dark")
    page.page.wait_for_timeout(1500)
    page.picture(f"{page.front}-reopened-dark")
    page.theme("JupyterLab Light")


def test_a_drawing_of_the_answer_is_seen_once(page: Page, server: Server) -> None:
    page.open(server.notebook(f"drawn-{page.front}.ipynb", LOAD, "%%agent -m demo\ncafe"))
    page.run_all()
    expect(page.static("summary b")).to_have_count(5)
    expect(page.page.locator(".jp-Cell-outputArea img:visible")).to_have_count(1)


def test_dark_and_narrow(page: Page, server: Server) -> None:
    replies = [decision("run_code", "Wait.", code="import time\nx = 'text'  # why\ntime.sleep(5)"), finish("ok")]
    with Wire(replies) as wire:
        page.open(server.notebook("dark.ipynb", LOAD, goal(wire, "Look good in the dark, in few pixels too")))
        page.theme("JupyterLab Dark")
        page.run_all()
        expect(page.card(1)).to_have_attribute("data-state", "running")
        page.picture(f"{page.front}-dark")
        page.page.set_viewport_size({"width": 420, "height": 700})
        page.page.wait_for_timeout(300)
        page.picture(f"{page.front}-narrow")
        width, room = page.panel().first.evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert width <= room, "nothing sticks out"
        expect(page.panel(".agl-stop")).to_be_in_viewport()
        expect(page.static()).to_be_visible()
        page.theme("JupyterLab Light")


def _wait_until_saved(server: Server, name: str) -> None:
    for _ in range(100):
        shown = [output.get("data", {}) for output in nbformat.read(server.folder / name, 4).cells[1].outputs]
        if any("text/html" in data for data in shown) and not any(PANEL in data for data in shown):
            return
        time.sleep(0.1)
    raise AssertionError("the notebook was not saved")


def _distrust(server: Server, name: str) -> None:
    """Change the notebook, as if it came from somebody else: its signature no longer fits."""
    path = server.folder / name
    data = json.loads(path.read_text())
    data["metadata"]["sent_by"] = "somebody"
    path.write_text(json.dumps(data))


def test_a_killed_kernel_leaves_a_record_that_a_fresh_one_shows(page: Page, server: Server) -> None:
    replies = [
        decision("run_code", "Before.", code="print('before')"),
        decision("run_code", "Die.", code="import os, time\nprint('now')\ntime.sleep(1)\nos.kill(os.getpid(), 9)"),
        finish("never"),
    ]
    with Wire(replies) as wire:
        cells = (LOAD, goal(wire, "Survive a kill"), "%load_ext agentloop_nb\n%agent show")
        page.open(server.notebook(f"killed-{page.front}.ipynb", *cells))
        page.wait_for_kernel()
        page.command("notebook:run-cell-and-select-next")
        page.page.wait_for_timeout(1000)
        page.command("notebook:run-cell-and-select-next")
        expect(page.card(2, ".agl-out")).to_contain_text("now")
        page.page.locator(".jp-Dialog-button.jp-mod-accept").click()
        page.wait_for_kernel()
        expect(page.panel(".agl-status")).to_have_text("interrupted")
        expect(page.card(2)).to_have_attribute("data-state", "cut")
        expect(page.panel(".agl-stop")).to_be_hidden()
        expect(page.panel()).to_contain_text("%agent show brings back what was recorded")
        page.picture(f"{page.front}-killed")
        page.command("notebook:run-cell")
        expect(page.static()).to_contain_text("Interrupted")
        expect(page.static("summary b")).to_have_count(2)
        page.static("summary").first.click()
        expect(page.static("pre").nth(1)).to_contain_text("before")
        page.picture(f"{page.front}-shown-after-kill")
