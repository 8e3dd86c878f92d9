"""A run whose kernel is gone goes on: what a tool had answered is bound again, and no server is called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentloop_nb import run_agent
from agentloop_nb.api import resume_run
from agentloop_nb.notebook.kernel.private_shell import private_shell
from agentloop_nb.record import reading
from tests.mcp_tools.allowing import allow, configure
from tests.wire import Wire, decision, finish

pytestmark = pytest.mark.timeout(180)


def test_a_rebuilt_run_has_what_its_tools_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    configure(tmp_path, "good")
    allow(tmp_path, "good")
    steps = [
        decision("use_tool", tool="good.rows", arguments="{}", save_as="sales"),
        decision("use_tool", tool="good.echo", arguments=json.dumps({"text": "not bound"}), save_as=None),
        decision("run_code", code="total = sum(row['sales'] for row in sales['rows'])"),
        finish("done"),
        finish("done"),
    ]
    with Wire(steps) as wire:
        run = run_agent("add up", model="m", base_url=wire.base_url, output_dir=tmp_path, verbose=False)
    (tmp_path / ".mcp.json").unlink()
    for name in ("sales", "total"):
        private_shell().user_ns.pop(name, None)
    with Wire([decision("run_code", code="print(total + len(sales['rows']))"), finish("63")]) as wire:
        again = resume_run(str(run.journal), note="and the months", base_url=wire.base_url, verbose=False)
    assert again.action_results[-2].output.startswith("63"), again.action_results[-2].output
    assert "use_tool" not in [step.decision.action.name for step in reading.load(run.journal).steps[-2:]]
