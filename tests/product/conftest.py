"""The command line as people use it: another process, in a folder of its own, with nothing set from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Done = subprocess.CompletedProcess[str]


def bare_environment(home: Path) -> dict[str, str]:
    """This process's environment without keys and settings."""
    ours = ("OPENAI_", "AGENTLOOP_", "OPENROUTER_", "GEMINI_", "ANTHROPIC_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    for name in ("MAX_STEPS", "MAX_RETRIES", "NO_COLOR", "FORCE_COLOR", "PYTEST_ADDOPTS"):
        kept.pop(name, None)
    return kept | {"HOME": str(home), "IPYTHONDIR": str(home / ".ipython"), "TERM": "xterm"}


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment a command runs in; a test may add to it."""
    return bare_environment(tmp_path_factory.mktemp("home"))


@pytest.fixture
def agentloop(tmp_path: Path, environment: dict[str, str]) -> Callable[..., Done]:
    """Run `agentloop ...` in `tmp_path` to its end."""

    def run(*words: str, **variables: str) -> Done:
        return subprocess.run(
            [sys.executable, "-m", "agentloop_nb", *words],
            cwd=tmp_path,
            env=environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=100,
            check=False,
        )

    return run
