"""The seams of the loop: the `Model` and `Workspace` protocols, and the values that cross them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

Output = dict[str, Any]
"""One output of a cell, as nbformat 4 writes it: `output_type` is stream, display_data, execute_result or error."""

OnOutput = Callable[[Output], None]
"""Told each output as it appears. A stream output carries only the new text; `update_display_data` may appear too."""


Privacy = Literal["full", "schema", "none"]
"""What a model may see of the user's data: all; names, types, shapes and columns but no value; names only."""


class Value(BaseModel):
    """A frozen value that crosses a seam or lies in the record; fields of newer versions are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Usage(Value):
    """Tokens of one or more model calls. `cached` and `cache_write` lie inside `input`, `reasoning` inside `output`."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: bool = False
    """True when any part was estimated because the server did not report it."""

    @property
    def total(self) -> int:
        """Input plus output tokens."""
        return self.input + self.output

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input=self.input + other.input,
            cached=self.cached + other.cached,
            cache_write=self.cache_write + other.cache_write,
            output=self.output + other.output,
            reasoning=self.reasoning + other.reasoning,
            estimated=self.estimated or other.estimated,
        )


class Image(Value):
    """A picture for a model that can see."""

    media_type: str
    base64: str


class Message(Value):
    """One message of the transcript."""

    role: Literal["system", "user", "assistant"]
    content: str
    images: tuple[Image, ...] = ()

    @cached_property
    def measured(self) -> tuple[int, int]:
        """Bytes of the text, and how many of them are digits: counted once, however often it is sent."""
        data = self.content.encode(errors="replace")
        return len(data), len(data) - len(data.translate(None, b"0123456789"))


class ModelRequest(Value):
    """What a model is asked: the transcript, and how it may answer."""

    messages: tuple[Message, ...]
    final: bool = False
    """Only `finish` is allowed: the last step of a run."""
    actions: tuple[type[Any], ...] = Field((), exclude=True)
    """The schemas of the actions that may be chosen; empty: the five of the original."""
    only: tuple[str, ...] = ()
    """The actions to offer, by name; empty: all. Another one is no mistake, so this is for the wire schema alone."""
    repairs: int = 0
    """How many replies in a row were no valid decision; an adapter may try another wire format."""
    max_tokens: int | None = None
    """Upper bound of the reply, reasoning included; None leaves it to the server."""


class Delta(Value):
    """A piece of a reply as it streams in. A new attempt begins with its `ModelCalled` event."""

    text: str = ""
    reasoning: str = ""
    status: str = ""
    """What the server does before it answers: `reading the prompt, 2,048 of 2,436`."""


class ModelReply(Value):
    """A whole reply. `cost` is in US dollars; None means unknown, never zero."""

    text: str
    usage: Usage
    cost: Decimal | None
    finish_reason: str = "stop"
    reasoning: str = ""
    model: str = ""
    """The model that answered, as the server names it."""
    saved: Decimal | None = None
    """Dollars not spent because the reply came from the decision cache."""


class Model(Protocol):
    """Something that answers a transcript with text. One `reply` is one attempt: it never retries by itself."""

    @property
    def name(self) -> str:
        """As the user would type it, `provider:model`."""

    @property
    def context_window(self) -> int | None:
        """In tokens, if known."""

    @property
    def local(self) -> bool:
        """True when calls cost nothing and nothing leaves the machine (replay, a local server)."""

    def quote(self, usage: Usage) -> Decimal | None:
        """Price a usage in US dollars; None when the price is unknown."""

    async def reply(self, request: ModelRequest, on_delta: Callable[[Delta], None]) -> ModelReply:
        """Answer, telling `on_delta` each piece. Raises a `ModelFault`."""

    async def close(self) -> None:
        """Release connections."""


@runtime_checkable
class Sized(Protocol):
    """A model that can tell whether it is a small one."""

    @property
    def is_small(self) -> bool:
        """Whether it has few parameters, as far as is known, and runs on this machine."""


@runtime_checkable
class Unprompted(Protocol):
    """A model that decides without a prompt: none is composed for it."""

    @property
    def knows_the_run(self) -> bool:
        """Whether it follows the run by itself."""


@runtime_checkable
class Measurable(Protocol):
    """A model whose server can be asked for its context window."""

    @property
    def is_measured(self) -> bool:
        """Whether there is nothing left to ask."""

    def measure(self) -> None:
        """Learn the window, if the server tells. Blocks for a few seconds at most; never raises."""


class Change(Value):
    """What one step did to one name of the namespace."""

    name: str
    how: Literal["added", "changed", "deleted"]
    type: str = ""
    detail: str = ""
    """Shape, dtype, length: `60 x 3`, `float64[10]`, `len 4`."""
    sampled: bool = False
    """The value was only sampled, so other names may have changed unseen in the same way."""
    previous: bool = False
    """The name existed before the run began."""
    restorable: bool = False
    """A copy of the former value is kept and can be restored."""


class CodeError(Value):
    """Why code ended early, told in terms of the code that was run."""

    type: str = ""
    message: str = ""
    traceback: str = ""
    """Plain text, clean frames only; lines of the step read `step 3, line 7`."""
    line: int | None = None
    """The line of the step's code (1-based) where it happened, or through which it passed last."""


class CodeOutcome(Value):
    """What running code brought."""

    ending: Literal["ok", "error", "timeout", "stopped"]
    outputs: tuple[Output, ...] = ()
    """In order, stream texts merged, display updates applied: what a cell would have kept."""
    error: CodeError | None = None
    changes: tuple[Change, ...] = ()
    drawn: tuple[str, ...] = ()
    """What each figure shows, in words."""
    files: tuple[str, ...] = ()
    """Files of the working folder that the code made or changed, relative to it."""
    read: tuple[str, ...] = ()
    """Files of the working folder that the code opened for reading, relative to it."""
    beyond: tuple[str, ...] = ()
    """What it was seen to do that nothing can take back: `started git push`, `connected to example.org:443`."""
    replaced: dict[str, dict[str, str]] = {}
    """Files of the folder that it overwrote or deleted, as they were before: `text`, or `base64` of what is none."""
    notes: tuple[str, ...] = ()
    """Quiet remarks for the model and the card: `exit() was ignored`, `the working folder was changed back`."""


class Check(Value):
    """What evaluating one expression of a contract brought."""

    expression: str
    outcome: Literal["held", "false", "no_bool", "error", "timeout", "stopped", "void"]
    value: str = ""
    """What it yielded, as text: `False`, `DataFrame 3 x 2`, `NameError: ...`, or why it is void."""
    parts: tuple[tuple[str, str], ...] = ()
    """The parts of the expression with their values as text, the outer ones first."""
    left: tuple[str, ...] = ()
    """What evaluating it changed and could not be put back."""

    @property
    def held(self) -> bool:
        """Whether it yielded True."""
        return self.outcome == "held"

    @property
    def told(self) -> str:
        """What became of it, as the end of a sentence: `is False`, `raises NameError: ...`."""
        words = {
            "no_bool": "is neither True nor False, but {}",
            "error": "raises {}",
            "timeout": "takes longer than {}",
            "void": "is void: {}",
            "stopped": "was stopped",
        }
        return words.get(self.outcome, "is {}").format(self.value)

    @property
    def line(self) -> str:
        """The expression and what became of it, in a line."""
        if self.held:
            return f"holds: {self.expression}"
        told = " ".join(self.told.split())
        return f"does not hold: {self.expression} ({told if len(told) <= 200 else told[:199] + '…'})"


class CodeRan(Value):
    """What was seen of code that ran before a run, beside its source."""

    index: int = 0
    """Its place in `RunStarted.cells`."""
    step: int = 0
    """The step of an earlier run that it was; 0 for a cell of the user's."""
    failed: bool = False
    """It ended with an error."""
    changed: tuple[str, ...] = ()
    """Names that appeared or changed."""
    reads: tuple[str, ...] = ()
    """Files of the folder that it read."""
    writes: tuple[str, ...] = ()
    """Files of the folder that it wrote."""


class WrittenFile(Value):
    """A file that `write_file` wrote, relative to the working folder."""

    path: str
    size: int = 0
    """Bytes."""
    replaced: bool = False
    sha256: str = ""
    """Of the content, in hexadecimal."""
    previous: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the version it replaced, which is kept for undo under this name."""


class Undone(Value):
    """What taking steps back did, or would do, to variables."""

    steps: tuple[int, ...]
    """The steps taken back, latest first."""
    names: tuple[str, ...]
    """Variables put back."""
    lost: dict[str, str]
    """Variables that cannot be put back, with the reason."""


class SearchHit(Value):
    """One search result."""

    title: str
    url: str
    snippet: str = ""


class Page(Value):
    """A page as text."""

    url: str
    """The address after redirects."""
    title: str = ""
    text: str = ""
    media_type: str = "text/html"
    truncated: bool = False


class Document(Value):
    """A file as text."""

    path: str
    """As it was asked for."""
    inside: str = ""
    """Its path in the working folder; empty for one outside."""
    part: str = ""
    """Which parts `text` holds; empty: the outline."""
    kind: str
    """`csv`, `pdf` and so on, told from its bytes."""
    facts: str = ""
    """Its structure without values, a line each."""
    text: str = ""


class ToolAnswer(Value):
    """What a tool of a server answered; all of it is a stranger's."""

    text: str = ""
    structured: Any = None
    """Its value, where the text alone does not say it."""
    images: tuple[Image, ...] = ()
    failed: bool = False
    """The tool itself says that it failed."""


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
