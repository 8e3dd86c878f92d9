"""What a step through MCP costs beside a cell, that a thousand leave nothing behind, and what large outputs take.

Measured in one run by turns, so that other work on the machine slows both. `JUPYTER_MCP_PYTHON`, an interpreter with
jupyter-mcp-server and ipykernel, adds that server's way of running code to the comparison.
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pytest_benchmark")

from tests.serve.conftest import Notebook, file_of, said
from tests.serve.direct import Direct

CODE = "print(1)"
TURNS = 60
CALLS = 1000
RESIDENT = "int(open('/proc/self/statm').read().split()[1]) * 4096"

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(900)]


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Notebook]:
    started = Notebook(tmp_path)
    yield started
    started.close()


async def timed(work: Callable[[], Awaitable[Any]]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1000


def told(name: str, times: list[float]) -> str:
    ordered = sorted(times)
    late = ordered[len(ordered) * 19 // 20]
    return f"{name}: least {ordered[0]:.1f}, median {statistics.median(ordered):.1f}, p95 {late:.1f} ms"


async def by_turns(ways: dict[str, Callable[[], Awaitable[Any]]]) -> dict[str, list[float]]:
    """Take each way in turn, so that all meet the same machine."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(TURNS + 5):
        for name, way in ways.items():
            spent = await timed(way)
            if turn >= 5:
                took[name].append(spent)
    return took


def test_a_step_beside_a_cell(notebook: Notebook, benchmark: Any) -> None:
    async def measure() -> None:
        async with Direct(file_of(notebook)) as socket, notebook.agent() as agent:
            ways: dict[str, Callable[[], Awaitable[Any]]] = {
                "cell, jupyter_client": lambda: asyncio.to_thread(notebook.cell, CODE),
                "step, SDK client and bridge": lambda: agent.run(CODE),
                "step, socket": lambda: socket.run(CODE),
                "status, SDK client and bridge": lambda: agent.call("status"),
            }
            took = await by_turns(ways)
        cell = statistics.median(took["cell, jupyter_client"])
        print(*(f"\n{told(name, times)}, {statistics.median(times) / cell:.1f} x" for name, times in took.items()))

    notebook.cell("%agent serve --approve auto --max-steps 100000")
    benchmark.pedantic(lambda: asyncio.run(measure()), rounds=1)


def test_a_thousand_calls_leave_nothing_behind(notebook: Notebook, benchmark: Any) -> None:
    async def measure() -> None:
        async with Direct(file_of(notebook)) as socket:
            for lap in range(5):
                times = [await timed(lambda: socket.run(CODE)) for _ in range(CALLS // 5)]
                size = int(notebook.cell(RESIDENT)) / 2**20
                print(f"\n{told(f'calls to {(lap + 1) * CALLS // 5}', times)}, {size:.0f} MB")
        (record,) = notebook.folder.glob(".agentloop/runs/*.jsonl")
        print(f"\nrecord {record.stat().st_size / 2**20:.1f} MB")

    notebook.cell("%agent serve --approve auto --max-steps 100000")
    benchmark.pedantic(lambda: asyncio.run(measure()), rounds=1)


def test_large_outputs(notebook: Notebook, benchmark: Any) -> None:
    async def measure() -> None:
        async with Direct(file_of(notebook)) as socket:
            before = int(notebook.cell(RESIDENT))
            times = []
            for _ in range(10):
                began = time.perf_counter()
                text = await socket.run("print('x' * 5_000_000)")
                times.append((time.perf_counter() - began) * 1000)
                assert len(text) < 30_000
            grown = (int(notebook.cell(RESIDENT)) - before) / 2**20
            print(f"\n{told('5 MB of output', times)}, {len(text):,} characters told, {grown:+.0f} MB after ten")

    notebook.cell("%agent serve --approve auto --max-steps 100000")
    benchmark.pedantic(lambda: asyncio.run(measure()), rounds=1)


@pytest.mark.skipif("JUPYTER_MCP_PYTHON" not in os.environ, reason="set JUPYTER_MCP_PYTHON")
def test_beside_jupyter_mcp_server(notebook: Notebook, benchmark: Any) -> None:
    """Both run `print(1)` for the SDK's client over stdio; the other one without approval, record or undo."""
    from tests.serve.jupyter_mcp import jupyter_mcp_server

    async def measure() -> None:
        async with (
            jupyter_mcp_server(os.environ["JUPYTER_MCP_PYTHON"], notebook.folder) as other,
            notebook.agent() as agent,
        ):
            assert re.search(r"\b1\b", said(await other.execute(CODE)))
            took = await by_turns({"agentloop": lambda: agent.run(CODE), "other": lambda: other.execute(CODE)})
        print(*(f"\n{told(name, times)}" for name, times in took.items()))

    notebook.cell("%agent serve --approve auto --max-steps 100000")
    benchmark.pedantic(lambda: asyncio.run(measure()), rounds=1)
