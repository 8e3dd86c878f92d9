"""The `Workspace` protocol: where actions take place; its web, its tools, and what some of them can do besides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from agentloop_nb.protocols.outcomes import (
    Check,
    CodeOutcome,
    CodeRan,
    Document,
    Page,
    SearchHit,
    ToolAnswer,
    Undone,
    WrittenFile,
)
from agentloop_nb.protocols.value import OnOutput, Privacy


class Tools(Protocol):
    """Where tools of servers are called: the servers, or a record."""

    def describe(self, room: int) -> str:
        """Tell a model of the tools, a line each, in so many characters; empty where there is none to tell."""

    @property
    def offered(self) -> bool:
        """Whether there is any tool."""

    async def call(self, tool: str, arguments: str, timeout: float) -> ToolAnswer:
        """Call a tool with a JSON object, or `?` for its schema, within seconds. Raises `ActionFailed`, one line."""

    async def close(self) -> None:
        """End what was started."""


class Web(Protocol):
    """Where searches and pages come from: the web, or a record. Both methods raise `ActionFailed` with a reason."""

    async def search(self, query: str, num_results: int) -> Sequence[SearchHit]:
        """Return at most `num_results` hits; an empty sequence means nothing was found."""

    async def read(self, url: str, max_length: int) -> Page:
        """Return a page's text, at most `max_length` characters."""


class Workspace(Protocol):
    """Where actions take place: a namespace, a folder, and the web."""

    goal: str
    """What the user asked for; files that it names may be read."""

    @property
    def folder(self) -> Path:
        """The working folder shared by `run_code` and `write_file`."""

    @property
    def web(self) -> Web:
        """Searches and pages."""

    @property
    def privacy(self) -> Privacy:
        """What a model may see of the user's data."""

    def describe(self, tokens: int) -> str:
        """Tell a model about the namespace, recent cells and earlier runs within a budget of tokens."""

    def history(self) -> tuple[str, ...]:
        """Return the sources of the user's cells that ran so far, oldest first, without our own magics."""

    async def run_code(self, code: str, *, step: int, timeout: float, on_output: OnOutput) -> CodeOutcome:
        """Run code once. Never raises for what the code does; `timeout` is in seconds."""

    async def check(self, expression: str, *, timeout: float, made: Sequence[str] = ()) -> Check:
        """Evaluate an expression of a contract, and put back what that changed. Never raises for what it does.

        `made` are names that the run itself added: what is bound to them is no function of the user's.
        """

    def write_file(self, filename: str, content: str) -> WrittenFile:
        """Write UTF-8 text inside the folder. Raises `ActionFailed` for a name outside it."""

    async def read_document(self, path: str, part: str) -> Document:
        """Read a document of the folder, or one that the goal names. Raises `ActionFailed` with a reason."""

    def variables(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the present values of those names that exist."""


@runtime_checkable
class Undoing(Protocol):
    """A workspace that can take steps back."""

    @property
    def folder(self) -> Path:
        """The working folder."""

    def plan(self, first: int) -> Undone:
        """Say what taking back step `first` and all later ones would do to variables."""

    def undo(self, first: int) -> Undone:
        """Take back what step `first` and all later ones did to variables, latest first."""

    def restore(self, name: str) -> bool:
        """Give a name back the value it had before the run; False when no copy is kept."""

    def variables(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the present values of those names that exist."""


@runtime_checkable
class Remembering(Protocol):
    """A workspace that knows more of what ran before than its source."""

    def code_ran(self) -> tuple[CodeRan, ...]:
        """Return what is known of some of the sources in `history`, each with its index there."""


@runtime_checkable
class Equipped(Protocol):
    """A workspace that may have tools of servers."""

    tools: Tools | None
