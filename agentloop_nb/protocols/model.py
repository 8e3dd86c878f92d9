"""The `Model` protocol: what answers a transcript, what it is asked, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import Field

from agentloop_nb.protocols.tokens import IMAGE_TOKENS, MESSAGE_TOKENS, measure, tokens_of
from agentloop_nb.protocols.value import Value


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
        if not (other.total or other.estimated):
            return self
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
        return measure(self.content)

    @cached_property
    def tokens(self) -> int:
        """What it is estimated to count."""
        return tokens_of(*self.measured) + MESSAGE_TOKENS + IMAGE_TOKENS * len(self.images)


class ModelRequest(Value):
    """What a model is asked: the transcript, and how it may answer."""

    messages: tuple[Message, ...]
    final: bool = False
    """Only `finish` is allowed: the last step of a run."""
    actions: tuple[type[Any], ...] = Field((), exclude=True)
    """The schemas of the actions that may be chosen; empty: the five of the original."""
    only: tuple[str, ...] = ()
    """The actions to offer, by name; empty: all. Another one is no mistake, so this is for the wire schema alone."""
    cells: bool = False
    """The rules ask for the code of a cell, or FINISH and the answer, in place of JSON."""
    copied: bool = False
    """The last decision had failed before, or was a finish that was refused: it would come once more as before."""
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
class WritesCells(Protocol):
    """A model that may be asked for code as it is, in place of JSON."""

    @property
    def writes_cells(self) -> bool:
        """Whether its server keeps it to that form."""


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
