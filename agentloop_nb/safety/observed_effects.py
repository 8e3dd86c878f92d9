"""What code does beyond its namespace, judged when it happens: which effects are covered, and by whose words.

Reading code can be deceived; what is judged here is the effect as it is: the real host, the real command line, the real
path. An effect is covered by what the user said, by an earlier answer, or by what stood in the code in plain words
when it was read. Everything here is pure; who hears of effects is elsewhere.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from agentloop_nb._internal.paths import TEMPORARY
from agentloop_nb.safety.code_risks.places import host_of, hosts

EffectKind = Literal[
    "host", "process", "delete", "rename", "write", "library", "unpickle", "environment", "signal", "limit", "object"
]


class Effect(NamedTuple):
    """One thing that code is about to do."""

    kind: EffectKind
    target: str
    """The host, command line, path, library, global, variable or process id, as it is."""
    other: str = ""
    """Where a file is renamed to; the signal; the folder that a process starts in; the event an object is for."""

    def __str__(self) -> str:
        target = f"{self.target!r}" if len(self.target) <= MAX_TOLD else f"{self.target[:MAX_TOLD]!r}..."
        return _TOLD[self.kind].format(target, repr(self.other))


MAX_TOLD = 300
"""Characters of a target that a person and the model are told."""
_TOLD = {
    "host": "it connects to {}",
    "process": "it starts {}",
    "delete": "it deletes {}",
    "rename": "it moves {} to {}",
    "write": "it writes {}",
    "library": "it loads the native library {}",
    "unpickle": "it unpickles something that calls {}",
    "environment": "it changes the environment variable {}",
    "signal": "it sends a signal to the process {}",
    "limit": "it sets limits of the process {}",
    "object": "it hands an object of its own class {} to {}, which can change after it was looked at",
}
_LIBRARY_HOSTS = {
    "seaborn": "raw.githubusercontent.com github.com",
    "sklearn": "openml.org ndownloader.figshare.com figshare.com",
    "nltk": "raw.githubusercontent.com",
    "yfinance": "yahoo.com",
    "wikipedia": "wikipedia.org",
    "huggingface_hub": "huggingface.co hf.co",
    "datasets": "huggingface.co hf.co",
    "transformers": "huggingface.co hf.co",
    "torch": "pytorch.org github.com",
    "torchvision": "pytorch.org",
    "tensorflow": "storage.googleapis.com",
    "keras": "storage.googleapis.com",
    "vega_datasets": "cdn.jsdelivr.net raw.githubusercontent.com",
    "geopandas": "naturalearth.s3.amazonaws.com",
    "plotly": "raw.githubusercontent.com",
    "statsmodels": "raw.githubusercontent.com vincentarelbundock.github.io",
}
"""Whom installed libraries ask of their own accord."""


class Mandate(BaseModel):
    """What covers the effects of one step."""

    model_config = ConfigDict(frozen=True)

    user: str = ""
    """What the user said, in plain words."""
    strangers: bool = True
    """Whether the run has seen text that the user did not write."""
    trusting: bool = False
    """Strangers' text is trusted (`--trust-web`)."""
    anybody: bool = False
    """Somebody can be asked."""
    hosts: frozenset[str] = frozenset()
    """Hosts that stood in code in plain words."""
    commands: tuple[tuple[str, ...], ...] = ()
    """Commands that stood in the code, `HOLE` for words not known then."""
    lines: frozenset[str] = frozenset()
    """Command lines that stood in the code as they are."""
    vetted: frozenset[str] = frozenset()
    """SHA-256 of code that was read and raised no question: what a run may execute in a child process."""
    paths: frozenset[str] = frozenset()
    """Paths that stood in the code in plain words."""
    modules: frozenset[str] = frozenset()
    """What the code imports."""

    @cached_property
    def named_hosts(self) -> frozenset[str]:
        """Hosts that the user, the code or its libraries name."""
        words = {name for line in self.user.split() for name in hosts(line, bare=True)}
        own = {name for module in self.modules for name in _LIBRARY_HOSTS.get(module, "").split()}
        return frozenset(host_of(name).removeprefix("www.") for name in hosts(self.user) | words | self.hosts | own)

    def says(self, text: str) -> bool:
        """Whether the user named something."""
        return len(text) > 1 and re.search(rf"(?<![\w-]){re.escape(text.lower())}(?![\w-])", self.user) is not None


@runtime_checkable
class Supervised(Protocol):
    """A workspace whose steps are judged by their effects."""

    mandate: Mandate | None
    """Of the next step; None judges nothing."""


class Place(Protocol):
    """Where a step works, and what its run made there."""

    folder: Path

    def made(self, path: str) -> bool:
        """Whether the run made a path."""

    def unread(self, mandate: Mandate, named: Sequence[str]) -> str:
        """Return a file that the run made, that a child may execute, and that was not read; empty for none.

        `named` are the files that the command names.
        """


_TEMPORARY = {os.path.realpath(tempfile.gettempdir()), *TEMPORARY}
"""Where temporary files lie, whatever a step says about that later."""


def is_temporary(path: str) -> bool:
    """Whether a path lies where temporary files do."""
    return any(path.startswith(f"{place}{os.sep}") for place in _TEMPORARY)


def told_line(words: Sequence[str]) -> str:
    """Return an argument list as one command line."""
    if (
        len(words) == 3
        and re.fullmatch(r"((/usr)?(/local)?/bin/)?(ba|da|z|k)?sh", words[0])
        and re.fullmatch(r"-\w*c", words[1])
    ):
        return words[2]
    return shlex.join(words)
