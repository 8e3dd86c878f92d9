"""Reading code before it runs: what it touches beyond the namespace.

A guard rail for people and models that mean well, and for injected text that is obeyed word by word; not a sandbox.
Code that hides what it does can do it unseen.
"""

from __future__ import annotations

from agentloop_nb.safety.risks.places import hosts, outside
from agentloop_nb.safety.risks.reading import Kind, Reading, Target, learned, read

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

__all__ = ["ORDER", "Kind", "Reading", "Target", "hosts", "learned", "outside", "read", "read_risks", "targets"]


def read_risks(code: str) -> tuple[str, ...]:
    """Say in short phrases what code touches, the gravest first. Never raises, whatever the text."""
    found = read(code).risks
    return tuple(phrase for phrase in ORDER if phrase in found)


def targets(code: str) -> frozenset[Target]:
    """Return the hosts, commands, packages and paths code names. Never raises."""
    return frozenset(read(code).targets)
