"""Reading code before it runs: what it touches beyond the namespace.

A guard rail for people and models that mean well, and for injected text that is obeyed word by word; not a sandbox.
Code that hides what it does can do it unseen.
"""

from __future__ import annotations

from collections.abc import Collection

from agentloop_nb.safety.code_risks.cell_reader import learned, read
from agentloop_nb.safety.code_risks.code_reading import Kind, Reading, Target
from agentloop_nb.safety.code_risks.ipython_cells import as_cell
from agentloop_nb.safety.code_risks.places import hosts, outside

ORDER = (
    "deletes outside the folder",
    "deletes files",
    "writes outside the folder",
    "controls the kernel",
    "installs packages",
    "shell",
    "network",
    "reads the environment",
    "runs built code",
    "cannot be read",
    "writes files",
)
"""Every phrase, the gravest first."""
UNREMARKABLE = frozenset({"writes files"})
"""Not worth a line of its own: a step names the files it wrote."""

__all__ = [
    "ORDER",
    "UNREMARKABLE",
    "Kind",
    "Reading",
    "Target",
    "as_cell",
    "hosts",
    "learned",
    "ordered",
    "outside",
    "read",
    "read_risks",
    "targets",
]


def read_risks(code: str) -> tuple[str, ...]:
    """Say in short phrases what code touches, the gravest first. Never raises, whatever the text."""
    return ordered(read(code).risks)


def ordered(risks: Collection[str]) -> tuple[str, ...]:
    """Return the phrases of a reading, the gravest first."""
    return tuple(phrase for phrase in ORDER if phrase in risks)


def targets(code: str) -> frozenset[Target]:
    """Return the hosts, commands, packages and paths code names. Never raises."""
    return frozenset(read(code).targets)
