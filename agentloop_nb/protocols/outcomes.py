"""What actions bring: values that a workspace returns and the record keeps."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from agentloop_nb.protocols.model import Image
from agentloop_nb.protocols.value import Output, Value


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
    by_model: bool = False
    """A model wrote it, though it is no step that is known: of an earlier run, or a learned function."""
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
