"""What a step, and the first request of a kernel, cost in two trees of this project, by turns.

    git worktree add /tmp/before v0.1.0
    python -m tests.benchmarks.paired /tmp/before .

Milliseconds of processor time, medians: of the client alone, and with the scripted server, which is a process of its
own and the same for both. Before a run is measured there was a short one.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SHORT, STEPS, REPEATS = 3, (20, 100), 8


def steps(count: int) -> None:
    """Print what a step of a run costs."""
    from agentloop_nb import run_agent

    def run() -> None:
        url = os.environ["OPENAI_BASE_URL"]
        run_agent("measure", model="scripted", base_url=url, max_steps=count + SHORT, verbose=False)

    run()
    gc.collect()
    began = time.process_time()
    run()
    print(json.dumps((time.process_time() - began) * 1000 / count))


def first() -> None:
    """Print what the first goal of a kernel costs until its request is sent, its imports done in the background."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.run_cell("%load_ext agentloop_nb")
    time.sleep(1)
    for thread in threading.enumerate():
        if thread.name.startswith("agentloop"):
            thread.join(60)
    sent: list[float] = []
    plain = socket.socket.send

    def send(self: socket.socket, data: Any, *flags: int) -> int:
        if bytes(data[:13]) == b"POST /v1/chat":
            sent.append(time.process_time())
        return plain(self, data, *flags)

    socket.socket.send = send  # type: ignore[method-assign]
    began = time.process_time()
    shell.run_cell_magic("agent", f"-m scripted --base-url {os.environ['OPENAI_BASE_URL']} --quiet", "say done")
    print(json.dumps((sent[0] - began) * 1000))


def script(count: int) -> list[dict[str, Any]]:
    """A short run, then one of so many steps."""
    from tests.wire import decision, finish

    def run(length: int) -> list[dict[str, Any]]:
        codes = [decision("run_code", code=f"x{number} = {number}\nprint(x{number})") for number in range(length - 1)]
        return [*codes, finish()]

    return [*run(SHORT), *run(count)] if count else [finish()] * 3


def measured(tree: Path, count: int) -> tuple[float, float]:
    """Run one measurement in a tree: the client's milliseconds, and with those of the server."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "script.json"
        written.write_text(json.dumps(script(count)))
        command = [sys.executable, "-m", "tests.wire", str(written)]
        server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert server.stdin
        assert server.stdout
        environment = os.environ | {"PYTHONPATH": str(tree), "OPENAI_BASE_URL": server.stdout.readline().strip()}
        before = busy(server.pid)
        child = [sys.executable, str(Path(__file__)), str(count)]
        done = subprocess.run(child, cwd=folder, env=environment, capture_output=True, text=True, check=True)
        served = (busy(server.pid) - before) / (count + SHORT)
        server.stdin.close()
        server.wait()
    client = float(json.loads(done.stdout.splitlines()[-1]))
    return client, client + served


def busy(process: int) -> float:
    """Milliseconds of processor time that a process has used (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def main(trees: list[Path]) -> None:
    """Measure all, by turns."""
    for count in (*STEPS, 0):
        found: dict[Path, list[tuple[float, float]]] = {tree: [] for tree in trees}
        for turn in range(REPEATS):
            for tree in trees if turn % 2 else reversed(trees):
                found[tree].append(measured(tree, count))
        for tree, each in found.items():
            client, both = (statistics.median(column) for column in zip(*each, strict=True))
            what = f"a step of {count}: {client:.2f}, with the server {both:.2f}" if count else f"first: {client:.0f}"
            print(f"{tree}: {what}", flush=True)


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[0].isdigit():
        steps(int(words[0])) if int(words[0]) else first()
    else:
        main([Path(word).resolve() for word in words])
