"""Endurance: runs in a real kernel against a scripted server, small by default.

`AGENTLOOP_SOAK=full pytest tests/soak -s` does the full sizes, which take minutes, and prints what it measured.
"""

from __future__ import annotations

import itertools
import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agentloop_nb.events import ActionFinished
from agentloop_nb.record import locating, reading
from agentloop_nb.state import State, fold
from tests.record.kernels import Kernel, kernel
from tests.wire import Request, Wire, finish

FULL = os.environ.get("AGENTLOOP_SOAK") == "full"
MEGABYTE = 2**20


def size(full: int, small: int) -> int:
    """How often something is done: as often as was promised, or fewer times in daily tests."""
    return full if FULL else small


class Server(Wire):
    """A scripted server that forgets what it was asked, so that only the kernel is measured."""

    def __init__(self, script: list[Any]) -> None:
        self.asked: list[int] = []
        """Characters of the messages of each request."""
        self._waiting = iter([*script, finish("All of it is done.")])
        super().__init__(self._answer)

    def _answer(self, request: Request) -> Any:
        self.requests.clear()
        self.asked.append(sum(len(str(message["content"])) for message in request.body["messages"]))
        return next(self._waiting)

    def usage(self, reply: Any, request: Request) -> dict[str, Any]:
        return {"prompt_tokens": self.asked[-1] // 4, "completion_tokens": 30, "total_tokens": self.asked[-1] // 4 + 30}


@dataclass
class Place:
    """A kernel that has loaded the extension, and what its runs left."""

    kernel: Kernel
    figures: dict[str, float] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    def run(self, script: list[Any]) -> State:
        """Take one run to its end, and read it back from its record."""
        with Server(script) as server:
            options = f"--base-url {server.base_url} -m scripted -n {len(script) + 2}"
            self.kernel.run(f"%%agent {options} go on until it is done", timeout=3600)
        self.asked = server.asked
        state = fold(reading.read(self.records[-1]))
        assert (state.status, state.current_step) == ("finished", len(script) + 1), state.reason
        return state

    @property
    def records(self) -> list[Path]:
        return sorted(locating.runs_folder(self.kernel.folder).glob("*.jsonl"))

    @property
    def bytes(self) -> int:
        """Bytes of all that lies beside the notebook."""
        return sum(path.stat().st_size for path in (self.kernel.folder / ".agentloop").rglob("*") if path.is_file())

    @property
    def memory(self) -> float:
        """Megabytes the kernel's process holds."""
        code = "import gc, psutil; gc.collect(); print(psutil.Process().memory_info().rss)"
        return int(self.kernel.text(code)) / MEGABYTE

    def seconds(self) -> list[float]:
        """How long each step of the last run took."""
        ends = [event.at for event in reading.read(self.records[-1]) if isinstance(event, ActionFinished)]
        return [later - earlier for earlier, later in itertools.pairwise(ends)]

    def responsive(self) -> bool:
        """Whether a cell of the user's works as before."""
        return self.kernel.text("print(6 * 7)") == "42\n"

    def note(self, **figures: float) -> None:
        """Keep figures for the end; they decide nothing where they are times."""
        self.figures |= figures


def early_and_late(values: list[float]) -> tuple[float, float]:
    """Medians of the second and of the last tenth: the first one warms up."""
    tenth = max(len(values) // 10, 1)
    return statistics.median(values[tenth : 2 * tenth]), statistics.median(values[-tenth:])


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel that has loaded the extension; one for all, because starting it takes longer than most of the tests."""
    folder = tmp_path_factory.mktemp("soak")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("OPENAI_", "AGENTLOOP_")) or name in ("MAX_STEPS", "MAX_RETRIES"):
                patch.delenv(name)
        patch.setenv("IPYTHONDIR", str(folder / ".ipython"))
        with kernel(folder) as started:
            started.run("%load_ext agentloop_nb")
            yield started


@pytest.fixture
def place(live: Kernel, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """The kernel in a folder of the test's own, after a first short run: what that imports is no growth."""
    live.run(f"import os; os.chdir({str(tmp_path)!r})")
    here = Place(Kernel(tmp_path, live.client, live.manager))
    here.run([])
    here.note(before_mb=round(here.memory, 1))
    yield here
    here.note(after_mb=round(here.memory, 1), record_mb=round(here.bytes / MEGABYTE, 2))
    assert here.responsive()
    print(f"\n{request.node.name}: {here.figures}")
