"""What lies outside a notebook's folder: read by whatever road, it is a listed input, or the notebook is not green."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import venv
from pathlib import Path

import psutil
import pytest

from agentloop_nb.export import export
from agentloop_nb.verify import place
from agentloop_nb.verify.certify import Certifier
from tests.processes import is_gone, wait_for
from tests.record.kernels import kernel
from tests.record.made import finished, printed, started, step
from tests.record.ways_out import LEFT, WAYS, lay_out

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]

ROADS = [("namespaces", "landlock"), ("landlock",), ()]
"""What of the system may be used: all of it, what there is without namespaces, and nothing."""


@pytest.fixture(params=ROADS, ids=lambda road: "+".join(road) or "watched")
def road(request, monkeypatch):
    monkeypatch.setattr(place, "MEANS", request.param)
    return request.param


@pytest.fixture
def left():
    path = Path(tempfile.gettempdir()) / LEFT
    path.write_text("left behind\n")
    yield path
    path.unlink()


@contextlib.contextmanager
def servers():
    """Ports of a server that speaks first, and of one that speaks HTTP."""
    talker = socket.create_server(("127.0.0.1", 0))

    def talk():
        with contextlib.suppress(OSError):
            while True:
                with talker.accept()[0] as peer:
                    peer.sendall(b"hello")

    page = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    for work in (talk, page.serve_forever):
        threading.Thread(target=work, daemon=True).start()
    yield talker.getsockname()[1], page.server_port
    page.shutdown()
    talker.close()


def recorded(folder: Path, cells: list[str]) -> Path:
    """A notebook of what the cells show in an ordinary kernel, where everything is there to be read."""
    events, silent = [started()], []
    with kernel(folder) as live:
        for number, cell in enumerate(cells, 1):
            outputs = live.run(cell)
            shown = "".join(str(out.get("text", "")) for out in outputs)
            if not shown:
                silent.append((cell, outputs))
            events += step(number, "run_code", printed(shown), code=cell)
    assert not silent, silent
    for made in list(folder.iterdir()):  # copies and links that the cells made
        made.unlink() if made.is_symlink() or made.is_file() else shutil.rmtree(made)
    return export([*events, *finished(len(cells) + 1)], folder / "run.ipynb", folder=folder)


def test_no_way_out_is_plainly_green(tmp_path, monkeypatch, left, road):
    base = tmp_path / "base"
    work = lay_out(base)
    monkeypatch.setenv("HOME", str(base / "home"))
    with servers() as (port, page):
        names = {"LEFT_FOLDER": repr(str(left.parent)), "'LEFT'": repr(LEFT), "PORT2": str(page), "PORT": str(port)}
        cells = [with_names(way, names) for way in WAYS]
        notebook = recorded(work, cells)
        certifier = Certifier(notebook, 60)
        run = certifier._perform(0)
    outside = certifier._outside(run)
    assert not run.died, run.died
    green = [
        cell["source"]
        for cell in certifier._cells
        if not certifier._reason(cell) and certifier._same(cell, run) and not outside.unseen(cell["id"])
    ]
    assert len(WAYS) >= 60
    assert green == []
    if road:
        assert run.how == road[0], "this machine has it"


def with_names(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(name, value)
    return text


def test_python_may_be_installed_below_the_folder_for_temporary_files(tmp_path):
    """A clone that lies there is tried with its own environment, which the notebook has to see."""
    home = tmp_path / "environment"
    venv.create(home, symlinks=True)
    (library,) = home.glob("lib/python*/site-packages")
    library.joinpath("all.pth").write_text("\n".join(each for each in sys.path if each))
    done = subprocess.run(
        [home / "bin" / "python", "-m", "agentloop_nb", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Reproduced" in done.stdout, done.stdout + done.stderr


VERIFIER = """
import json, sys
from pathlib import Path
from agentloop_nb.verify import kernel_run, place
place.MEANS = tuple(json.loads(sys.argv[1]))
cell = dict(id="long", cell_type="code", metadata={}, execution_count=None, outputs=[], source=sys.argv[2])
notebook = dict(nbformat=4, nbformat_minor=5, metadata={}, cells=[cell])
kernel_run.perform(notebook, {}, origin=Path.cwd(), timeout=600, hash_seed=0)
"""
NEXT = "from agentloop_nb._internal.held_folder import HeldFolder\nHeldFolder('next').cleanup()"


def test_nothing_is_left_of_a_verification_whose_process_is_killed(road, tmp_path):
    code = "import pathlib, time\npathlib.Path('begun').touch()\ntime.sleep(600)"
    arguments = [sys.executable, "-c", VERIFIER, json.dumps(road), code]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    verifier = subprocess.Popen(arguments, cwd=tmp_path, env=environment)
    wait_for(lambda: any(tmp_path.glob("agentloop-verify-*/**/begun")), "the notebook was not run")
    processes = psutil.Process(verifier.pid).children(recursive=True)
    assert processes
    verifier.kill()
    verifier.wait()
    wait_for(lambda: all(map(is_gone, processes)), "processes were left")
    subprocess.run([sys.executable, "-c", NEXT], env=environment, check=True)
    assert not list(tmp_path.glob("agentloop-*")), "the next folder of any kind takes it away"
