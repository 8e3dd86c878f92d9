"""Isolated runs in real kernels, decided by a real HTTP server with a script."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentloop_nb.events import AnyEvent
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.isolated.resource_limits import Limits
from agentloop_nb.record import locating, reading
from agentloop_nb.testing import FakeWeb
from tests.product.conftest import agentloop as agentloop
from tests.product.conftest import environment as environment
from tests.record.kernels import Kernel, kernel
from tests.wire import Wire, decision, finish

CANARY = "sk-canary-5f3a9c1e7b2d4860"
"""A secret in the environment of the user's kernel."""


def code(*sources: str) -> list[dict[str, Any]]:
    """Decisions to run these sources, and to finish."""
    return [*(decision("run_code", code=source) for source in sources), finish("done")]


class Notebook:
    """A user's kernel in a folder of its own, with the extension loaded."""

    def __init__(self, live: Kernel) -> None:
        self.kernel = live
        self.folder = live.folder

    def agent(self, options: str, wire: Wire, goal: str = "do the work") -> str:
        """What a `%%agent` cell shows."""
        return self.text(f"%%agent -m scripted --base-url {wire.base_url} {options} {goal}")

    def text(self, source: str) -> str:
        """What a cell shows as text."""
        shown = []
        for output in self.kernel.run(source, timeout=90):
            data = output.get("data", {})
            shown.append(str(output.get("text", "")) + str(data.get("text/plain", "")) + str(output.get("evalue", "")))
        return "".join(shown)

    def value(self, expression: str) -> Any:
        """The value of an expression in the user's kernel, read back from its `repr`."""
        import ast

        return ast.literal_eval(self.text(f"print(repr(({expression})))"))

    @property
    def records(self) -> list[Path]:
        """The records of the folder, oldest first."""
        return sorted(locating.runs_folder(self.folder).glob("*.jsonl"))

    def events(self) -> list[AnyEvent]:
        """The events of the newest run."""
        return reading.read(self.records[-1])


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """One kernel for the tests of a module; each empties its namespace and moves to a folder of its own."""
    folder = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("OPENAI_", "AGENTLOOP_")):
                patch.delenv(name)
        patch.setenv("CANARY_TOKEN", CANARY)
        patch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef0123456789")
        patch.setenv("IPYTHONDIR", str(folder / ".ipython"))
        with kernel(folder) as live:
            yield Notebook(live)


@pytest.fixture
def user(notebook: Notebook, tmp_path: Path) -> Notebook:
    """The kernel, as if it had just begun in an empty folder."""
    live = notebook.kernel
    live.run("%reset -f", aside=True)
    live.run(f"%cd -q {tmp_path}", aside=True)
    live.run("%load_ext agentloop_nb", aside=True)
    live.run("get_ipython().magics_manager.registry['AgentMagics'].manager.runs.clear()", aside=True)
    notebook.folder = tmp_path
    return notebook


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[..., IsolatedWorkspace]]:
    """Makes isolated workspaces, and ends them."""
    made: list[IsolatedWorkspace] = []

    def make(**limits: int) -> IsolatedWorkspace:
        made.append(IsolatedWorkspace(tmp_path / "own", web=FakeWeb(), limits=Limits(**limits)))
        return made[-1]

    yield make
    for each in made:
        each.close()
