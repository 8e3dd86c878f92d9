"""What a piece of code touches: the values that its reading brings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from agentloop_nb.safety.code_risks import call_tables
from agentloop_nb.safety.code_risks.command_lines import Command
from agentloop_nb.safety.code_risks.constant_values import Values
from agentloop_nb.safety.code_risks.places import hosts, outside

Kind = Literal["host", "command", "package", "path"]


class Target(NamedTuple):
    """Something outside the namespace that code names."""

    kind: Kind
    name: str


@dataclass(frozen=True)
class Sending:
    """A call that talks to the network."""

    hosts: frozenset[str]
    """Where to, as far as it is spelled out."""
    payload: tuple[ast.expr, ...]
    """What goes along: everything the call is given."""
    sends: bool
    """It hands something over (a POST, an upload), rather than only asking for something."""


@dataclass
class Reading:
    """What a piece of code touches."""

    risks: set[str] = field(default_factory=set)
    targets: set[Target] = field(default_factory=set)
    commands: list[Command] = field(default_factory=list)
    templates: list[Command] = field(default_factory=list)
    """Commands with `HOLE` where IPython puts in values."""
    lines: set[str] = field(default_factory=set)
    """Command lines as they stand in the code."""
    bodies: list[str] = field(default_factory=list)
    """What `%%writefile` writes."""
    unread: list[str] = field(default_factory=list)
    """Command lines that run what only comes up while they run."""
    sendings: list[Sending] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    """Paths it deletes; `HOLE` for one that is not known."""
    written: list[str] = field(default_factory=list)
    steered: list[str] = field(default_factory=list)
    """Paths that Python code writes, or moves something from or to."""
    outputs: list[str] = field(default_factory=list)
    """The files among `written` that a shell or a magic writes."""
    unknown_deletes: list[ast.expr] = field(default_factory=list)
    """What it deletes where no path is spelled out."""
    built: list[ast.expr] = field(default_factory=list)
    """What it executes although it is no code yet: the arguments of exec, eval, os.system and their like."""
    runs: set[str] = field(default_factory=set)
    """Scripts it runs."""
    values: Values = field(default_factory=Values)
    past_python: bool = False
    """It starts processes or native code where no audit event tells of it."""
    entangled: bool = False
    """It is too long or too entangled to be read whole."""

    def mentions(self, text: str) -> None:
        """Note the hosts and paths a string names."""
        self.targets |= {Target("host", host) for host in hosts(text)}
        if 1 < len(text) < 1000 and "\n" not in text and re.match(r"(/|~|\.\.?/|[A-Za-z]:[\\/])\S", text):
            self.targets.add(Target("path", text))
        if call_tables.SECRET_FILE.search(text) and "\n" not in text and len(text) < 300:
            self.risks.add("reads the environment")

    def deletes(self, paths: Iterable[str]) -> None:
        """Note paths that are deleted."""
        found = list(paths)
        self.risks.add("deletes files")
        self.deleted += found
        if any(map(outside, found)):
            self.risks.add("deletes outside the folder")

    def writes(self, paths: Iterable[str], *, steering: bool = True) -> None:
        """Note paths that are written; `steering`: by Python code, which may steer an agent or an editor."""
        found = list(paths)
        self.steered += found if steering else []
        self.risks.add("writes files")
        self.written += found
        if any(outside(path) and not re.match(r"(/tmp/|/var/tmp/|/dev/(null|stdout|stderr))", path) for path in found):
            self.risks.add("writes outside the folder")
