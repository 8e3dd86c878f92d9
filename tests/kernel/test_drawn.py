"""Figures told in words to a model that cannot see them."""

from __future__ import annotations

import asyncio

import matplotlib.pyplot as plt
import pytest
from IPython.core.interactiveshell import InteractiveShell

from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace
from agentloop_nb.notebook.kernel.private_shell import private_shell
from agentloop_nb.testing import FakeWeb

DRAW = """%matplotlib inline
import matplotlib.pyplot as plt
figure, axes = plt.subplots()
axes.plot([1, 2, 3], label="trend")
axes.bar([1, 2], [3, 4])
axes.set(title="Sales", xlabel="month", ylabel="amount")
plt.show()"""


@pytest.fixture
def workspace(tmp_path):
    plt.close("all")  # what other tests left open would be shown, too
    InteractiveShell.clear_instance()
    return KernelWorkspace(private_shell(), web=FakeWeb(), folder=tmp_path)


def run(workspace, code):
    return asyncio.run(workspace.run_code(code, step=1, timeout=60, on_output=lambda output: None))


def test_a_figure_is_described_and_shown(workspace):
    outcome = run(workspace, DRAW)
    assert outcome.ending == "ok", outcome
    assert outcome.drawn == (
        "figure with 1 axes: 'Sales' (x: month, y: amount) with a line of 3 points (trend), 2 bars or patches",
    )
    [shown] = [output for output in outcome.outputs if "image/png" in output.get("data", {})]
    assert set(shown["data"]) == {"image/png", "text/plain"}, "the description is no part of the output"
    printers = workspace.shell.display_formatter.mimebundle_formatter
    assert not printers.type_printers
    assert not printers.deferred_printers


def test_a_second_run_of_a_script_shows_its_figures_too(workspace, tmp_path):
    run(workspace, DRAW.removeprefix("%matplotlib inline\n"))
    second = KernelWorkspace(private_shell(), web=FakeWeb(), folder=tmp_path)
    outcome = run(second, DRAW.removeprefix("%matplotlib inline\n"))
    assert [set(output["data"]) for output in outcome.outputs] == [{"image/png", "text/plain"}]


def test_a_step_without_figures_tells_none(workspace):
    assert run(workspace, "1 + 1").drawn == ()
