"""What the README shows is run as it stands there, it stays short, and its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from agentloop_nb.settings import ENVIRONMENT, dotenv

ROOT = Path(__file__).parents[2]
README = ROOT.joinpath("README.md").read_text(encoding="utf-8")


def blocks(language: str, section: str) -> list[str]:
    text = README.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.kernel
def test_the_tour_runs_in_a_fresh_kernel(tmp_path, environment, monkeypatch):
    cells = [nbformat.v4.new_code_cell(source) for source in blocks("python", "60 seconds")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=environment)
    shown = [
        "".join(each.get("text", "") or each.data.get("text/plain", "") for each in cell.outputs) for cell in cells
    ]
    assert shown[2] == "(171.25, 134.5)"
    assert "finished" in shown[3]
    assert "Reproduced" in shown[4]
    assert "The demo knows one goal only" in shown[5]
    assert "finished 5 $0.0000 ['cafe.svg']" in shown[5]


def test_the_shell_commands_of_the_tour_run(tmp_path, environment):
    (script,) = blocks("bash", "60 seconds")
    path = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=environment | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "run.ipynb").is_file()
    assert "Reproduced" in done.stdout.splitlines()[-1]


def test_there_are_exactly_two_commands_to_set_up():
    first, second = blocks("bash", "Set up")
    assert len(first.splitlines()) == len(second.splitlines()) == 1
    assert "agentloop demo" in first
    assert "pytest" in second


def test_it_can_be_read_in_one_sitting():
    assert len(README.splitlines()) < 150


def test_every_setting_is_in_the_example_file(tmp_path):
    example = ROOT.joinpath(".env.example").read_text(encoding="utf-8")
    for variable in (*ENVIRONMENT.values(), "OPENAI_API_KEY"):
        assert re.search(rf"^#?{variable}=", example, re.MULTILINE)
    known = {*ENVIRONMENT.values(), "OPENAI_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_API_KEY"}
    assert set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)) == known
    (tmp_path / ".env").write_text(example, encoding="utf-8")
    assert dotenv(tmp_path)["MAX_STEPS"] == "50"
