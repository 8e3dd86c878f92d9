"""Real kernels for the tests of the live workspace.

By default the kernel of the running interpreter is used. To run the same tests on other versions of ipykernel, give the
interpreters of environments that hold them, and this package with its test extra, in AGENTLOOP_TEST_PYTHONS, separated
like PATH:

    python -m venv k631 && k631/bin/pip install -e ".[test]" "ipykernel==6.31.*"
    AGENTLOOP_TEST_PYTHONS=k631/bin/python:k73/bin/python pytest tests/kernel -m kernel
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager

from agentloop_nb.agent.control import Control
from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace
from agentloop_nb.notebook.kernel.private_shell import private_shell
from agentloop_nb.protocols import CodeOutcome, Output
from agentloop_nb.testing import FakeWeb

PYTHONS = os.environ.get("AGENTLOOP_TEST_PYTHONS", sys.executable).split(os.pathsep)
ROOT = Path(__file__).parents[2]
MARK = "<end of what was written>"

PREPARE = """
import warnings as _warnings; _warnings.simplefilter("always")
import json as _json
from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace as _Workspace
from agentloop_nb.agent.control import Control as _Control
from agentloop_nb.testing import FakeWeb as _Web
_told = []
_workspace = _Workspace(get_ipython(), web=_Web(), control=_Control())
_number = 0
async def _step(_code, timeout=60):
    global _number, _outcome
    _number += 1
    _told.clear()
    _outcome = await _workspace.run_code(_code, step=_number, timeout=timeout, on_output=_told.append)
"""


class Kernel:
    """A kernel in a process of its own, spoken to as a front end does."""

    def __init__(self, python: str, folder: Path) -> None:
        self.folder = folder
        self.manager = KernelManager(kernel_name="python3")
        self.manager.kernel_spec.argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "IPYTHONDIR": str(folder / ".ipython"),
            "MPLCONFIGDIR": str(folder),
        }
        for name in ("MPLBACKEND", "PYTEST_CURRENT_TEST"):  # under pytest ipykernel does not watch descriptors
            environment.pop(name, None)
        self.manager.start_kernel(
            cwd=str(folder), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.run(PREPARE)

    def send(self, code: str) -> str:
        """Run a cell without waiting for it. Returns the id of the request."""
        return str(self.client.execute(code))

    def run(self, code: str) -> list[Output]:
        """Run a cell; returns the outputs a notebook would keep."""
        return self.collect(self.send(code))

    def collect(self, request: str) -> list[Output]:  # noqa: C901 - the message switch of a front end
        """Wait for a cell; returns the outputs a notebook would keep."""
        outputs: list[Output] = []
        ids: list[str | None] = []
        clearing = False
        while True:
            message = self.client.get_iopub_msg(timeout=90)
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            if kind == "clear_output":
                clearing = True
                if not content["wait"]:
                    outputs, ids, clearing = [], [], False
            elif kind == "update_display_data":
                for index, known in enumerate(ids):
                    if known == content["transient"]["display_id"]:
                        outputs[index] |= {"data": content["data"], "metadata": content["metadata"]}
            elif kind in ("stream", "display_data", "execute_result", "error"):
                if clearing:
                    outputs, ids, clearing = [], [], False
                outputs.append(dict(nbformat.v4.output_from_msg(message)))
                ids.append(content.get("transient", {}).get("display_id"))
        self.reply = self._reply(request)
        return outputs

    def late(self) -> list[Output]:
        """What child processes wrote that a cell did not wait for: what comes before a mark in the same two pipes."""
        request = self.send(f"import os; [os.write(pipe, {MARK.encode()!r}) for pipe in (1, 2)]; None")
        found: dict[str, str] = {"stdout": "", "stderr": ""}
        while not all(MARK in text for text in found.values()):
            message = self.client.get_iopub_msg(timeout=30)
            if message["msg_type"] == "stream":
                found[message["content"]["name"]] += message["content"]["text"]
        self._reply(request)
        early = {name: text.replace(MARK, "") for name, text in found.items()}
        return [{"output_type": "stream", "name": name, "text": text} for name, text in early.items() if text]

    def _reply(self, request: str) -> dict[str, Any]:
        while True:
            message = self.client.get_shell_msg(timeout=30)
            if message["parent_header"].get("msg_id") == request:
                return dict(message["content"])

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, by way of JSON."""
        request = self.client.execute("", user_expressions={"value": f"_json.dumps({expression}, default=str)"})
        self.collect(request)
        answer = self.reply["user_expressions"]["value"]
        assert answer["status"] == "ok", answer
        return json.loads(eval(answer["data"]["text/plain"]))

    def step(self, code: str, timeout: float = 60) -> CodeOutcome:
        """Run code as a step of an agent."""
        leaked = self.run(f"await _step({code!r}, {timeout})")
        assert leaked == [], f"the step showed something in the cell: {leaked}"
        return CodeOutcome.model_validate(self.evaluate("_outcome.model_dump(mode='json')"))

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module", params=PYTHONS, ids=lambda path: Path(path).parent.parent.name or "python")
def kernel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel for all tests of a module."""
    started = Kernel(request.param, tmp_path_factory.mktemp("kernel"))
    yield started
    started.close()


class Place:
    """A workspace on a private shell, with its steps counted."""

    def __init__(self, folder: Path, **names: Any) -> None:
        self.control = Control()
        self.shell = private_shell()
        self.names = self.shell.user_ns
        self.names.update(names)
        self.workspace = KernelWorkspace(self.shell, web=FakeWeb(), folder=folder, control=self.control)
        self.told: list[Output] = []
        self.steps = 0

    async def run(self, code: str, timeout: float = 30) -> CodeOutcome:
        """Run the next step."""
        self.steps += 1
        return await self.workspace.run_code(code, step=self.steps, timeout=timeout, on_output=self.told.append)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A workspace in this process."""
    return Place(tmp_path / "work")


def text(outcome: CodeOutcome) -> str:
    """What a step printed."""
    return "".join(output["text"] for output in outcome.outputs if output["output_type"] == "stream")
